"""Rows, rejections and specs for tests: complete, seeded, and unlike each other unless a test asks otherwise."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synth.rows import KINDS, Kept, Rejected, row_id
from synth.spec import Spec
from synth.staging import write_stage

_WORDS = """fever cough stroke rash oedema insulin heparin dose renal cardiac lung spleen liver biopsy nerve joint
fracture sepsis lactate murmur syncope angina asthma wheeze thyroid cortisol anaemia ferritin platelet clot bleeding
ulcer reflux jaundice colic gout migraine seizure tremor ataxia vertigo glaucoma retina cataract otitis tonsil sinus
eczema psoriasis melanoma abscess cellulitis malaria measles mumps rubella tetanus rabies dengue typhoid cholera"""
WORDS = _WORDS.split()


def prose(rng: random.Random, words: int = 40) -> str:
    return " ".join(rng.choices(WORDS, k=words))


def make_row(kind: str, seed_id: str = "s0", number: int = 0, **changes: Any) -> dict[str, Any]:
    """A complete row of ``kind``; rows with other ``seed_id`` or ``number`` hold other words."""
    rng = random.Random(f"{kind}/{seed_id}/{number}".encode("utf-8", "surrogatepass"))
    first, second, third, fourth = (prose(rng) for _ in range(4))
    row: dict[str, Any] = {
        "id": row_id(kind, seed_id, f"row-{number}", first),
        "seed_id": seed_id,
        **_own(kind, first, second, third, fourth),
        "source": "Open Handbook",
        "source_license": "cc-by-4.0",
        "language": "en",
        "department": "Cardiology",
        "subdepartment": None,
        "quality": 8,
        "complexity": 7,
        "relevance": None,
        "votes": [],
        "generator": "writer-1",
        "judge": "judge-1",
        "prompt_hash": "0123abcd",
        "calls": [f"call-{number}"],
        "tokens_in": 120,
        "tokens_out": 80,
        "flags": [],
        "evidence": [],
    }
    return row | changes


def _own(kind: str, first: str, second: str, third: str, fourth: str) -> dict[str, Any]:
    user, doctor = ({"role": role, "content": text} for role, text in (("user", first), ("assistant", second)))
    if kind == "sft":
        return {"messages": [user, doctor], "instruction": first, "response": second}
    if kind == "reasoning":
        thought = {"role": "assistant", "content": f"<think>{third}</think>{second}"}
        own = {"messages": [user, thought], "question": first, "reasoning": third, "answer": second}
        return own | {"verified": None, "verification": None, "pass_rate": None, "attempts": None}
    if kind == "dialogue":
        turn = {"speaker": "doctor", "text": second, "thought": third, "action": "ask", "argument": None}
        return {
            "messages": [user, doctor, {"role": "user", "content": third}, {"role": "assistant", "content": fourth}],
            "case": '{"diagnosis": "angina"}',
            "persona": "calm",
            "turns": [turn | {"differential": [{"diagnosis": "angina", "probability": 0.7}]}],
            "diagnosis": "angina",
            "diagnosis_correct": True,
            "rubric": [{"criterion": "asks about onset", "points": 2, "met": True}],
        }
    worse = {"role": "assistant", "content": third}
    return {"prompt": [user], "chosen": [doctor], "rejected": [worse], "origin": "reward", "margin": 2.0}


def make_rejected(kind: str = "sft", seed_id: str = "s0", **changes: Any) -> Rejected:
    """A rejection of ``kind`` at the step ``answers``."""
    fields: dict[str, Any] = {
        "kind": kind,
        "seed_id": seed_id,
        "id": row_id(kind, seed_id, "rejected", sorted(map(str, changes.items()))),
        "step": "answers",
        "reason": "refusal",
        "detail": "the model declined",
        "payload": {"reply": "I cannot help with that."},
    }
    return Rejected(**(fields | changes))


def make_spec(**sections: Any) -> Spec:
    """A valid spec; ``sections`` replace its top-level keys."""
    base: dict[str, Any] = {
        "name": "cardiology",
        "seed": 7,
        "license": "cc-by-4.0",
        "seeds": {"source": "seeds.jsonl"},
        "models": {"generator": {"engine": "openai", "model": "writer-1", "base_url": "http://127.0.0.1:1/v1"}},
        "produce": {"answers": {}},
    }
    return Spec.model_validate(base | sections)


def stage_rows(folder: Path, rows: Mapping[str, Sequence[dict[str, Any]]], rejected: Sequence[Rejected] = ()) -> Path:
    """Write a stage that holds ``rows`` by kind."""
    kept = [Kept(kind, row) for kind, many in rows.items() for row in many]
    write_stage(folder, kept, rejected, {"fingerprint": "f1"})
    return folder


def some_rows(seeds: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """One row of every kind for each seed."""
    return {kind: [make_row(kind, seed_id) for seed_id in seeds] for kind in KINDS}
