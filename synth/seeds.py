"""Seeds: the passages, exam questions or cases that a run starts from, in an order that never changes.

Two passes read the same source with the same rules: :func:`plan_seeds` checks all of it once and counts,
:func:`read_seeds` hands out a slice of what was accepted. Both stream.

A row becomes a seed when its text is not empty and its id is a text or a whole number. White space around a text is
removed, NUL is removed and lone surrogates become U+FFFD (neither can be stored in Parquet or SQLite); nothing else
changes. Without an id field the id comes from the whole text, before it is cut, and a later row with the same text is
refused; with an id field equal texts are left to the near-duplicate filter and equal ids are the user's error.
Questions and cases bring their ids with them (see :mod:`synth.seed_records`), and a later one with the same text is
refused as well.

What this module does not do: it does not sort, sample or look for near-duplicates, and a Hub data set without a pinned
revision may change between the passes (compare the digest of the plan).
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from filters.readers import Case, Item
from filters.text import storable
from synth.seed_errors import no_licence_field, no_seed, repeated_ids, seed_unit
from synth.seed_files import read_rows, source_name
from synth.seed_lines import PAYLOAD_LIMIT, BadRow, Row
from synth.seed_records import RECORD_FIELDS, record_rows
from synth.spec import SeedsSpec
from synth.tokens import cut_to_tokens, estimate_tokens

_DUPLICATES_SHOWN = 10
_FIELDS_SHOWN = 50
_LICENCES_COUNTED = 100
_LICENCE_FIELD = SeedsSpec.model_fields["license"].default


@dataclass(frozen=True, slots=True)
class Seed:
    """A passage with its origin and licence; ``index`` counts the accepted seeds from 0."""

    index: int
    id: str
    text: str
    source: str
    license: str
    record: Item | Case | None = None
    """The exam question or the case behind the text; None for a passage."""


@dataclass(frozen=True, slots=True)
class BadSeed:
    """A row that is no seed. ``payload`` shows at most the first 2,000 characters of it.

    ``reason`` is one of ``bad_json``, ``bad_csv``, ``bad_encoding``, ``empty_text`` (also: no text field),
    ``missing_id``, ``wrong_type``, ``duplicate_text`` (only where ids come from texts, and for questions and cases)
    and ``no_answer`` (a question without a published one).
    """

    line: int
    id: str | None
    reason: str
    detail: str
    payload: str


@dataclass(frozen=True, slots=True)
class SeedPlan:
    """What a source holds.

    ``bad`` stops at the cap given to :func:`plan_seeds`, ``bad_count`` counts all. ``tokens`` is the estimated sum of
    the cut texts. ``digest`` changes with whatever comes out of a run: ids, texts, origins and licences, their order,
    the lines and reasons of the bad rows, and all that questions and cases hold.
    """

    count: int
    bad: list[BadSeed]
    bad_count: int
    tokens: int
    digest: str
    licences: Mapping[str, int]
    """Seeds by what their licence field says, of the first hundred different names."""


def plan_seeds(spec: SeedsSpec, *, max_bad: int = 1000) -> SeedPlan:
    """Read the source once, up to ``spec.limit`` seeds, and return what is in it; keep ``max_bad`` bad rows at most.

    Raises :class:`UserError` for a source that is not there or cannot be read, a text or id field that no row has,
    ids that stand more than once (with their lines), a source without any usable seed, and a licence field that the
    spec names and no row of a source has that was read to its end.
    """
    count = tokens = 0
    bad: list[BadSeed] = []
    reasons: Counter[str] = Counter()
    repeated: dict[str, list[int]] = {}
    repeats = 0
    lines: dict[bytes, int] = {}
    licences: Counter[str] = Counter()
    digest = hashlib.sha256()
    rows = _Rows(spec)
    for line, found in rows.scan():
        if isinstance(found, BadSeed):
            reasons[found.reason] += 1
            _add(digest, "bad", str(found.line), found.reason)
            if len(bad) < max_bad:
                bad.append(found)
            continue
        first = lines.setdefault(_short_hash(found.id), line)
        if first != line:
            repeated.setdefault(found.id, [first]).append(line)
            repeats += 1
            if repeats == _DUPLICATES_SHOWN:
                break
        text = cut_to_tokens(found.text, spec.max_tokens)
        count += 1
        if found.license in licences or len(licences) < _LICENCES_COUNTED:
            licences[found.license] += 1
        tokens += estimate_tokens(text)
        _add(digest, "seed", found.id, text, found.source, found.license)
        if found.record is not None:
            _add(digest, repr(found.record))
    if repeated:
        raise repeated_ids(spec, repeated)
    if not count:
        raise no_seed(spec, bad, reasons, rows.fields)
    named = spec.kind == "passages" and spec.license not in (None, _LICENCE_FIELD)
    if named and not rows.licensed and count != spec.limit:  # beyond the limit nobody has looked
        raise no_licence_field(spec)
    return SeedPlan(count, bad, reasons.total(), tokens, digest.hexdigest(), licences)


def read_seeds(spec: SeedsSpec, start: int = 0, stop: int | None = None) -> Iterator[Seed]:
    """Stream the accepted seeds with ``start <= index < stop``, texts cut to ``spec.max_tokens``.

    ``stop`` None means to the end; ``spec.limit`` holds in any case. The source is read from its beginning, for what
    is accepted is only known by reading; repeated ids are not looked for (the plan has refused them).
    """
    if start < 0 or (stop is not None and stop < start):
        raise ValueError(f"no slice of seeds: [{start}, {stop})")
    if start == stop:
        return
    for _, found in _Rows(spec).scan():
        if isinstance(found, Seed) and found.index >= start:
            yield replace(found, text=cut_to_tokens(found.text, spec.max_tokens))
            if found.index + 1 == stop:
                return


class _Rows:
    """One pass over a source; remembers what is needed to refuse equal texts and to name fields in an error."""

    def __init__(self, spec: SeedsSpec) -> None:
        self._spec = spec if spec.kind == "passages" else spec.model_copy(update=RECORD_FIELDS)
        self._rows = read_rows if spec.kind == "passages" else record_rows
        self._origin = storable(source_name(spec.source))
        self._texts: dict[bytes, int] = {}
        self.fields: dict[str, None] = {}
        """Fields of rows that were refused before the first seed, in the order seen."""
        self.licensed = False
        """Whether a row has had the licence field."""

    def scan(self) -> Iterator[tuple[int, Seed | BadSeed]]:
        """Yield (line, seed or bad seed), stopping at the limit. Texts are not cut yet."""
        count = 0
        for row in self._rows(self._spec):
            found = self._accept(row, count)
            yield row.line, found
            if isinstance(found, Seed):
                count += 1
                if count == self._spec.limit:
                    return
            elif not count and isinstance(row, Row) and len(self.fields) < _FIELDS_SHOWN:
                self.fields.update(dict.fromkeys(row.fields))

    def _accept(self, row: Row | BadRow, index: int) -> Seed | BadSeed:
        if isinstance(row, BadRow):
            return BadSeed(row.line, None, row.reason, storable(row.detail), storable(row.payload))
        spec, fields = self._spec, row.fields
        seed_id, id_problem = (None, None) if spec.id is None else _id(spec.id, fields)
        text, problem = _text(spec.text, fields)
        record = None if spec.kind == "passages" else fields["record"]
        if not problem and (spec.id is None or record is not None):
            seed_id = seed_id or hashlib.sha256(text.encode()).hexdigest()[:16]
            first = self._texts.setdefault(_short_hash(text), row.line)
            if first != row.line:
                problem = ("duplicate_text", f"the same text as in {seed_unit(spec)} {first}")
        problem = problem or id_problem
        if problem:
            payload = json.dumps(fields, ensure_ascii=False, default=str)[:PAYLOAD_LIMIT]
            return BadSeed(row.line, seed_id, *problem, storable(payload))
        assert seed_id is not None
        self.licensed = self.licensed or spec.license in fields
        origin, licence = _name(spec.origin, fields, self._origin), _name(spec.license, fields, "unknown")
        return Seed(index, seed_id, text, origin, licence, record)


def _text(field: str, fields: dict[str, Any]) -> tuple[str, tuple[str, str] | None]:
    """Return the text of a row, and the (reason, detail) why it is none."""
    value = fields.get(field)
    if value is None:
        return "", ("empty_text", f"`{field}` is null" if field in fields else f"no field `{field}`")
    if not isinstance(value, str):
        return "", ("wrong_type", f"`{field}` is {type(value).__name__}, not text")
    text = storable(value).strip()
    return text, None if text else ("empty_text", f"`{field}` is empty")


def _id(field: str, fields: dict[str, Any]) -> tuple[str | None, tuple[str, str] | None]:
    """Return the id of a row, and the (reason, detail) why it has none."""
    value = fields.get(field)
    if value is None:
        return None, ("missing_id", f"`{field}` is null" if field in fields else f"no field `{field}`")
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None, ("wrong_type", f"`{field}` is {type(value).__name__}, not text or a whole number")
    seed_id = storable(str(value)).strip()
    return (seed_id, None) if seed_id else (None, ("missing_id", f"`{field}` is empty"))


def _name(field: str | None, fields: dict[str, Any], default: str) -> str:
    """Return a licence or an origin; whatever is not a text counts as not given."""
    value = fields.get(field) if field is not None else None
    return (storable(value).strip() or default) if isinstance(value, str) else default


def _add(digest: hashlib._Hash, *texts: str) -> None:
    """Add texts so that their borders count."""
    for part in (text.encode() for text in texts):
        digest.update(len(part).to_bytes(8, "little") + part)


def _short_hash(text: str) -> bytes:
    """Return 16 bytes that stand for a text, so that a scan over millions of rows stays small."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()
