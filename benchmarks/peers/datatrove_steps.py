"""datatrove: its four steps in one process (signatures, buckets, clusters, filter), 14 bands of 8, English words."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
    MinhashDedupSignature,
)
from datatrove.pipeline.readers import ParquetReader
from datatrove.pipeline.writers import ParquetWriter


def main(source: str, target: str) -> None:
    config = MinhashConfig(n_grams=5)
    path = Path(source)
    reader = ParquetReader(str(path.parent), glob_pattern=path.name)
    with tempfile.TemporaryDirectory() as folder:
        signatures, buckets, remove = f"{folder}/signatures", f"{folder}/buckets", f"{folder}/remove"
        steps = [
            ([reader, MinhashDedupSignature(signatures, config=config)], 1),
            ([MinhashDedupBuckets(signatures, buckets, config=config)], config.num_buckets),
            ([MinhashDedupCluster(buckets, remove, config=config)], 1),
            ([reader, MinhashDedupFilter(remove), ParquetWriter(target, compression="zstd")], 1),
        ]
        for pipeline, tasks in steps:
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=tempfile.mkdtemp(dir=folder)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
