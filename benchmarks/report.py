"""What the report on 10,000 rows costs: seconds, peak memory, bytes of the page.

    python -m benchmarks.report               # about two minutes, most of it writing the run folder

The folder is made here without any model: rows of all kinds with texts of some hundred words, votes and flags, 2,000
rejections, and a journal of 20,000 replies. The report is made by a process of its own.

Targets: 20 s, 500 MB, 5 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.common import run_and_watch, save
from synth.export import export_run
from synth.fingerprint import write_lock
from synth.journal import Entry, Journal
from synth.prose import between, phrase, pick, sentence
from synth.rows import SCHEMAS, Kept, Rejected, row_id
from synth.spec import Spec
from synth.staging import write_stage

TARGETS = {"seconds": 20.0, "peak_mb": 500.0, "page_mb": 5.0}
SHARES = {"sft": 0.4, "reasoning": 0.2, "dialogue": 0.3, "preference": 0.1}
CALLS = 20_000
REJECTED = 0.2
DEPARTMENTS = ("Internal Medicine", "Surgery", "Pediatrics", "Other")
FLAGS = ("question_repeated", "invented_finding", "result_without_examination")
STEPS = ("questions", "score", "answers", "reward", "case", "patient/1", "doctor/1")
SPEC: dict[str, Any] = {
    "name": "report",
    "seeds": {"source": "seeds.jsonl"},
    "models": {"generator": {"engine": "openai", "model": "writer", "base_url": "http://127.0.0.1:1/v1"}},
    "produce": {"answers": {}, "dialogues": {}},
    "filters": {"dedup": None, "phi": None},
}


def text(rng: Random, sentences: int) -> str:
    """So many sentences."""
    return " ".join(sentence(rng) for _ in range(sentences))


def said(role: str, content: str) -> dict[str, str]:
    """A message."""
    return {"role": role, "content": content}


def consultation(rng: Random) -> dict[str, Any]:
    """A dialogue of 12 to 24 turns."""
    turns: list[dict[str, Any]] = []
    for at in range(2 * between(rng, 6, 12)):
        doctor = bool(at % 2)
        listed = [{"diagnosis": phrase(rng), "probability": 0.5}] * 3
        turns.append(
            {
                "speaker": "doctor" if doctor else "patient",
                "text": text(rng, 2),
                "thought": text(rng, 2) if doctor else None,
                "action": "ask" if doctor else None,
                "argument": None,
                "differential": listed if doctor else None,
            }
        )
    messages = [said("assistant" if turn["speaker"] == "doctor" else "user", turn["text"]) for turn in turns]
    persona = {"temperament": pick(rng, ["anxious, asks for reassurance", "calm and to the point"])}
    case = {"diagnosis": phrase(rng), "history": [sentence(rng)], "findings": [sentence(rng)]}
    return {"messages": messages, "turns": turns, "persona": json.dumps(persona), "case": json.dumps(case),
            "diagnosis": phrase(rng), "diagnosis_correct": rng.random() < 0.7, "rubric": []}  # fmt: skip


def own(kind: str, rng: Random) -> dict[str, Any]:
    """The columns of a kind."""
    if kind == "dialogue":
        return consultation(rng)
    question, answer, thought = text(rng, 4), text(rng, 20), text(rng, 30)
    if kind == "preference":
        sides = {"chosen": [said("assistant", answer)], "rejected": [said("assistant", text(rng, 10))]}
        return {"prompt": [said("user", question)], **sides, "origin": "reward", "margin": float(between(rng, -1, 4))}
    messages = [said("user", question), said("assistant", answer)]
    if kind == "sft":
        return {"messages": messages, "instruction": question, "response": answer}
    messages[1]["content"] = f"<think>{thought}</think>{answer}"
    return {"messages": messages, "question": question, "reasoning": thought, "answer": answer, "verified": True}


def rows(kind: str, count: int, rng: Random) -> Iterator[Kept]:
    """Complete rows of a kind."""
    for n in range(count):
        quality, complexity = between(rng, 3, 10), between(rng, 1, 10)
        columns = own(kind, rng)
        flag = pick(rng, FLAGS) if rng.random() < 0.1 else None
        quoted = columns["turns"][1]["text"] if kind == "dialogue" else sentence(rng)
        seed = f"seed-{n % 2500:05d}"
        row = dict.fromkeys(SCHEMAS[kind].names) | columns
        row |= {"id": row_id(kind, seed, str(n), n), "seed_id": seed, "department": pick(rng, DEPARTMENTS)}
        row |= {"source": "Handbook", "source_license": "cc-by-4.0", "language": "en", "quality": quality}
        row |= {"complexity": complexity, "relevance": 5, "generator": "writer", "judge": "judge"}
        row["votes"] = [
            {"quality": q, "complexity": complexity, "relevance": 5} for q in (quality, between(rng, 3, 10))
        ]
        row["calls"] = [f"key-{between(rng, 0, CALLS - 1):06d}" for _ in range(8)]
        row |= {"tokens_in": 900, "tokens_out": 500, "flags": [flag] if flag else []}
        row["evidence"] = [{"flag": flag, "turn": 1, "text": quoted, "fact": None}] if flag else []
        yield Kept(kind, row)


async def journal(path: Path) -> None:
    """Write the journal."""
    one = Journal(path)
    entries = (
        Entry(f"key-{n:06d}", f"seed-{n % 2500:05d}", STEPS[n % len(STEPS)], n // 2500, 0, "generator", "writer",
              {"messages": [said("user", "a question " * 100)]}, "ok", {"text": "an answer " * 100}, 900, 60, 0.001,
              [{"outcome": "ok"}])
        for n in range(CALLS)
    )  # fmt: skip
    for _ in range(0, CALLS, 1000):
        await asyncio.gather(*(one.put(entry) for entry, _ in zip(entries, range(1000), strict=False)))
    await one.close()


def make(run: Path, count: int) -> None:
    """Write a run folder of ``count`` rows."""
    rng, spec = Random(7), Spec.model_validate(SPEC)
    kept = [row for kind, share in SHARES.items() for row in rows(kind, int(count * share), rng)]
    rejected = [
        Rejected(
            "sft", f"seed-{n:05d}", f"gone-{n}", "answers", "refusal", "declined", payload={"reply": text(rng, 5)}
        )
        for n in range(int(count * REJECTED))
    ]
    write_stage(run / "staging" / "00000", kept, rejected, {})
    planned = {kind: int(count * share) for kind, share in SHARES.items()}
    planned["sft"] += len(rejected)
    write_lock(run / "spec.lock.yaml", spec, fingerprint="f" * 64, template_hashes={}, seeds_digest="d", versions={})
    export_run(run, [run / "staging" / "00000"], spec, planned=planned, fingerprint="f" * 64)
    asyncio.run(journal(run / "journal" / "00000.sqlite"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=10_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        make(run, count)
        cost = run_and_watch(["synth.report", str(run)])
        sizes = {name: (run / f"report.{name}").stat().st_size / 1e6 for name in ("html", "json")}
    figures = {"seconds": cost["wall_s"], "cpu_s": cost["cpu_s"], "peak_mb": cost["peak_rss_mb"]}
    figures |= {"page_mb": sizes["html"], "json_mb": sizes["json"]}
    save("report", {"rows": count, **{name: round(value, 2) for name, value in figures.items()}, "targets": TARGETS})


if __name__ == "__main__":
    main()
