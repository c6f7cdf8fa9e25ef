"""A judge's review of a finished consultation: faults that need meaning, each proved by a sentence before it counts.

One request shows the judge the hidden case as facts with ids, the turns by number (places in ``turns``, from 0) and
what each flag means. Its findings are held against the conversation in code: the turn is there, its speaker is one
whom the flag can concern, the quoted sentence stands in it word for word (fewer than four words only as a whole
sentence: one word proves nothing), and the fact is one of the case. What stays is evidence like that of the rules, its
fact beginning with ``judge:``; where a rule found the same in the same turn there is one entry, whose fact reads
``rules: …; judge: …``. Dropped findings leave ``review_unsupported`` with their number, a judge without a usable reply
leaves ``unreviewed``; neither costs the row. A finding out of shape costs no other one: long texts are cut, a fact may
be left out, and those beyond the twelfth are not read.

A proved quotation is no proved fault: whether the judge is right about a sentence is not checked here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, create_model, model_validator

from filters.consultation_text import sentences
from filters.text import words
from synth.ask import Answer, Asker, AskFailed, AskRejected
from synth.recipes.case import Fact, facts_of
from synth.recipes.forms import Brief, CaseCard, Form
from synth.recipes.notes import Evidence, note, one_line, shortened

SPEAKERS: dict[str, tuple[str, ...]] = (
    dict.fromkeys(("diagnosis_named_by_patient", "answer_contradicts_case"), ("patient",))
    | dict.fromkeys(("invented_finding", "result_without_examination", "question_repeated"), ("doctor",))
    | dict.fromkeys(("contraindicated", "red_flag_not_escalated"), ("doctor",))
    | dict.fromkeys(("dose_implausible", "age_sex_contradiction", "role_slip"), ("doctor", "patient"))
)
"""The flags that a judge may raise, and in whose turns."""

MOST, _TOKENS = 12, 320
"""Findings of a review, and tokens of the longest one."""
_FEWEST = 4
"""Words of a quotation that may be part of a sentence."""
_LONGEST = 390
"""Characters of a text of a finding that are read."""
_UNREADABLE = {"turn": 0, "sentence": "", "fact": None, "why": "", "flag": "unreadable"}
_FACT = re.compile(r"\W*([a-z]\d+)(?!\w)", re.IGNORECASE)
_SHOWN = 300
"""Characters of a fact; cards from records may hold whole paragraphs."""


class Finding(Form):
    """One fault; the reason comes before the flag, so that it can matter."""

    turn: Annotated[int, Field(ge=0, le=999)]
    sentence: Brief
    fact: Brief | None
    why: Brief
    flag: Annotated[str, Field(json_schema_extra={"enum": [*SPEAKERS]})]
    """Any other is dropped with the finding, not with the review."""

    @model_validator(mode="before")
    @classmethod
    def _mended(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {"fact": None} | {name: _cut(given[name]) for name in cls.model_fields if name in given}


@dataclass(frozen=True, slots=True)
class Review:
    """What the judge found in a consultation, and the replies behind it."""

    evidence: tuple[Evidence, ...] = ()
    judged: tuple[Answer, ...] = ()
    flags: tuple[str, ...] = ()


@lru_cache(maxsize=32)
def review_form(max_tokens: int) -> type[BaseModel]:
    """As many findings as fit ``max_tokens``, twelve at most."""
    most = max(1, min(MOST, max_tokens // _TOKENS))
    first = BeforeValidator(lambda given: _readable(given[:most]) if isinstance(given, list) else given)
    listed = Annotated[list[Finding], Field(max_length=most), first]
    return create_model("Findings", __base__=Form, findings=(listed, ...))


def _cut(value: Any) -> Any:
    """A text of at most as many characters as are read, cut between words where it has spaces."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    return text if len(text) <= _LONGEST else re.sub(r"\s\S{0,29}$", "", text[:_LONGEST])


def _readable(given: list[Any]) -> list[Any]:
    """The findings, with a mark in place of those out of shape; as they are where no other is among them."""
    found: list[Any] = []
    for one in given:
        try:
            found.append(Finding.model_validate(one))
        except ValidationError:
            found.append(_UNREADABLE)
    return found if any(one is not _UNREADABLE for one in found) else given


async def review_of(
    asker: Asker, card: CaseCard, turns: Sequence[Mapping[str, Any]], part: str, max_tokens: int
) -> Review:
    """Let the judge review the row's ``turns``; ``part`` says which of the seed's consultations they are."""
    facts = shown_facts(card)
    said = [(n, turn["speaker"].capitalize(), one_line(turn["text"])) for n, turn in enumerate(turns)]
    try:
        answer = await asker.ask(
            "review_dialogue",
            review_form(max_tokens),
            part=part,
            case_facts=[asdict(fact) for fact in facts],
            transcript=[{"number": n, "speaker": who, "text": text} for n, who, text in said],
        )
    except (AskRejected, AskFailed):
        return Review(flags=("unreviewed",))
    return Review(proved(answer.value.findings, turns, facts), (answer,))


def shown_facts(card: CaseCard) -> list[Fact]:
    """The facts of the case, each on one line, after whom it is about (``a1``) and the diagnosis (``d1``)."""
    person = Fact("a1", f"The patient is {card.sex} and {card.age} years old.", "patient")
    hidden = [person, Fact("d1", f"The diagnosis is: {card.diagnosis}", "nobody"), *facts_of(card)]
    return [Fact(f.id, shortened(f.text, _SHOWN), f.known_by) for f in hidden]


def proved(
    findings: Sequence[Finding], turns: Sequence[Mapping[str, Any]], facts: Sequence[Fact]
) -> tuple[Evidence, ...]:
    """The findings that hold, at most one a turn and flag, and a note on those that do not."""
    known = {fact.id: fact.text for fact in facts}
    kept: dict[tuple[str, int], Evidence] = {}
    dropped: list[tuple[Finding, str]] = []
    for finding in findings:
        if problem := _problem(finding, turns, known):
            dropped.append((finding, problem))
            continue
        fact = _fact_id(finding.fact)
        rests_on = f" [{fact}: {known[fact]}]" if fact else ""
        found = note(finding.flag, _verbatim(finding.sentence, turns[finding.turn]["text"]), finding.turn)
        kept.setdefault((finding.flag, finding.turn), {**found, "fact": f"judge: {finding.why}{rests_on}"})
    if not dropped:
        return tuple(kept.values())
    first, problem = dropped[0]
    count = f"judge: {len(dropped)} of {len(findings)} findings dropped; {first.flag[:40]}: {problem}"
    return (*kept.values(), {**note("review_unsupported", first.sentence), "fact": count})


def merged(found: Sequence[Evidence], judged: Sequence[Evidence]) -> list[Evidence]:
    """The rules' evidence and the judge's; where both have a flag in a turn, the rules' entry says so."""
    told = {(one["flag"], one["turn"]): one["fact"] for one in judged}
    seen = {(one["flag"], one["turn"]) for one in found}
    rules = [
        {**one, "fact": f"rules: {one['fact'] or one['flag']}; {said}"} if said else one
        for one in found
        for said in [told.get((one["flag"], one["turn"]))]
    ]
    return [*rules, *(one for one in judged if (one["flag"], one["turn"]) not in seen)]


def _problem(finding: Finding, turns: Sequence[Mapping[str, Any]], known: Mapping[str, str]) -> str | None:
    """Why a finding does not count, or None."""
    if finding.flag not in SPEAKERS:
        return "there is no such flag"
    if finding.turn >= len(turns):
        return f"there is no turn {finding.turn}"
    turn = turns[finding.turn]
    if turn["speaker"] not in SPEAKERS[finding.flag]:
        return f"turn {finding.turn} is not of {' or '.join(SPEAKERS[finding.flag])}"
    if not _stands_in(finding.sentence, turn["text"]):
        return f"turn {finding.turn} does not hold the sentence"
    fact = _fact_id(finding.fact)
    return f"there is no fact {fact}" if fact and fact not in known else None


def _fact_id(said: str | None) -> str | None:
    """The id as the case has it: ``P1``, ``[p1]`` and ``p1: It began`` name p1, ``null`` and ``none`` no fact."""
    if named := _FACT.match(said or ""):
        return named[1].lower()
    return None if (said or "").strip(" .[]()").casefold() in ("", "null", "none") else said


def _stands_in(quote: str, text: str) -> bool:
    """Whether the words of the quotation stand in the text in their order, a few of them as one of its sentences."""
    quoted = words(quote)
    if len(quoted) < _FEWEST:
        return bool(quoted) and quoted in [words(one.raw) for one in sentences(text)]
    return f" {' '.join(quoted)} " in f" {' '.join(words(text))} "


def _verbatim(quote: str, text: str) -> str:
    """The sentence of the text that holds the quotation; of one that spans several, it or the text itself."""
    whole = next((one.raw for one in sentences(text) if _stands_in(quote, one.raw)), None)
    return whole or (quote if quote in text else text)
