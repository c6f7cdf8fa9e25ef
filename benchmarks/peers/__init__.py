"""Peers of filters.dedup, each as it would be used on the same file; run with the Python of an environment of theirs.

``python -m benchmarks.peers.NAME IN OUT`` reads ``id`` and ``text`` from the Parquet file IN and writes the rows that
stay to OUT. Word 5-grams of lower-cased ``\\w+``, 128 permutations, threshold 0.8, the library's defaults otherwise.
"""
