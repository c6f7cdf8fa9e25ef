"""The words of many texts as 64-bit hashes, by numpy over the bytes of a block of texts, with no loop over words.

Words are those of :func:`filters.text.words`. ASCII texts are cut as they stand; a text with any other character is
first rewritten by :func:`filters.text.spaced_words`, one by one, which costs several times as much. A text without a
word is one "word" made of its whole normalised form, so that ``"?!"`` and ``"..."`` differ; empty texts have none.

A hash depends on the word alone: not on its place, its text, the block, the process or the machine. It is no defence
against somebody who makes words collide on purpose.
"""

from __future__ import annotations

import hashlib
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from filters.text import normalise, spaced_words

Hashes = NDArray[np.uint64]
Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]

_LONG = 64  # bytes; longer words are rare and hashed one by one
_WIDTH = np.uint64(8)
# The finaliser of MurmurHash3 (Appleby, public domain).
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_SHIFT = np.uint64(33)
_LENGTH = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.array([(1 << 8 * count) - 1 for count in range(9)], dtype=np.uint64)  # mask of the first count bytes
# Capitals become small; what belongs to no word becomes 0; bytes beyond ASCII stand inside words.
_FOLD = bytes(ord(chr(code).lower()) if code > 127 or chr(code).isalnum() or code == 95 else 0 for code in range(128))
_FOLD += bytes(range(128, 256))


def word_hashes(data: Bytes, offsets: Places) -> tuple[Hashes, Places]:
    """Hash the words of a block of texts.

    Args:
        data: the texts in UTF-8 (half a surrogate pair is let pass), one after the other.
        offsets: where each begins, and at last where the last one ends.

    Returns:
        The hashes of all words in order, and how many each text has.
    """
    data = data[offsets[0] : offsets[-1]]
    offsets = offsets - offsets[0]
    spaced, borders = _spaced(data, offsets)
    padded = np.zeros(len(spaced) + 17, dtype=np.uint8)  # 8 bytes may be read from the start of any word
    padded[1 : len(spaced) + 1] = np.frombuffer(spaced.tobytes().translate(_FOLD), dtype=np.uint8)
    starts, ends = _edges(padded, borders)
    hashes = _hashed(padded, starts, ends)
    counts = np.diff(np.searchsorted(starts, borders + 1))
    if counts.all():
        return hashes, counts
    return _with_wordless(hashes, counts, data, offsets)


def mixed(values: Hashes) -> Hashes:
    """Spread values over 64 bits; a bijection."""
    values = values ^ (values >> _SHIFT)
    for factor in _MIX:
        values *= factor
        values ^= values >> _SHIFT
    return values


def _spaced(data: Bytes, offsets: Places) -> tuple[Bytes, Places]:
    """The block with its texts beyond ASCII rewritten."""
    beyond = np.flatnonzero(data > 127)
    if not len(beyond):
        return data, offsets
    rewritten = set(np.unique(np.searchsorted(offsets, beyond, side="right") - 1).tolist())
    whole, borders = data.tobytes(), offsets.tolist()
    texts = [whole[start:end] for start, end in pairwise(borders)]
    for place in rewritten:
        text = texts[place].decode("utf-8", "surrogatepass")
        texts[place] = spaced_words(text).encode("utf-8", "surrogatepass")
    lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    return np.frombuffer(b"".join(texts), dtype=np.uint8), np.concatenate(([0], np.cumsum(lengths)))


def _edges(padded: Bytes, offsets: Places) -> tuple[Places, Places]:
    """Where words start and where they end (the byte after), in a block that begins at byte 1."""
    inside = padded != 0
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1
    borders = offsets[1:-1] + 1  # a word ends with its text, whatever the next one begins with
    within = np.unique(borders[inside[borders - 1] & inside[borders]])
    if len(within):
        edges = np.insert(edges, np.repeat(np.searchsorted(edges, within), 2), np.repeat(within, 2))
    return edges[::2], edges[1::2]


def _hashed(padded: Bytes, starts: Places, ends: Places) -> Hashes:
    """Eight bytes at a time, read at once for all words that have them."""
    eights = np.ndarray((len(padded) - 7,), dtype="<u8", buffer=padded, strides=(1,))
    lengths = ends - starts
    hashes = mixed((eights[starts] & _FIRST[np.minimum(lengths, 8)]) ^ (lengths.astype(np.uint64) * _LENGTH))
    longer = np.flatnonzero(lengths > 8)
    for place in longer[lengths[longer] > _LONG].tolist():
        word = padded[starts[place] : ends[place]].tobytes()
        hashes[place] = _hashed_alone(word)
    longer = longer[lengths[longer] <= _LONG]
    done = 8
    while len(longer):
        part = eights[starts[longer] + done] & _FIRST[np.minimum(lengths[longer] - done, 8)]
        hashes[longer] = mixed(hashes[longer] ^ part)
        done += 8
        longer = longer[lengths[longer] > done]
    return hashes


def _hashed_alone(word: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "little")


def _with_wordless(hashes: Hashes, counts: Places, data: Bytes, offsets: Places) -> tuple[Hashes, Places]:
    """A hash of the whole for every text that has no word and is not blank."""
    counts = counts.copy()
    before = np.cumsum(counts)
    places, values = [], []
    for text in np.flatnonzero(counts == 0).tolist():
        whole = normalise(data[offsets[text] : offsets[text + 1]].tobytes().decode("utf-8", "surrogatepass"))
        if whole:
            places.append(before[text])
            values.append(_hashed_alone(whole.encode("utf-8", "surrogatepass")))
            counts[text] = 1
    return np.insert(hashes, places, np.array(values, dtype=np.uint64)), counts
