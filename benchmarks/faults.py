"""What is lost when a fifth of all requests goes wrong: our whole path against the bare OpenAI SDK.

    python -m benchmarks.faults               # about fifteen minutes, most of them pauses that servers ask for

10,000 questions, 64 in flight, against a server in a process of its own that lets a fifth of the requests fail in each
of the ways of ``FAULTS``. Ours asks as a recipe does, with journal and budget; the SDK gets the same bodies, its own
retries (``max_retries`` as it comes), the same time-out and a new server with the same seed. Reported: questions
without a result, rows for one question, requests for each result, exceptions of a type that is not ours, and whether
the server's own count of requests equals what our journal has: ok + failed + uncertain attempts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.common import asking, attempts, bodies, fault_server, in_fresh_process, journalled, many, save, stats

LIMIT = 64
RATE = 0.2
FAULTS = (
    *("429", "429-none", "429-seconds", "429-date", "429-ms", "429-negative", "429-nan", "429-garbage"),
    *("408", "409", "425", "500", "502", "503", "504", "529", "500-html", "502-html", "503-html"),
    *("reset", "reset-hard", "reset-body"),
    *("truncated", "html-200", "string", "error-200", "no-choices", "bad-utf8", "deep"),
)
"""Drawn with equal chances: all that pass, so that a client can get every reply in the end."""
RARE = ("hang", "slow-headers", "drip", "blank-drip")
"""Drawn a tenth as often: each holds a place in flight until the time-out."""
TIMEOUT = 5.0
"""Seconds for one try, for both clients."""
RETRIES = 12
"""Of ours; the chance to fail so often in a row is below one in a hundred million."""
TARGET_REQUESTS_PER_RESULT = 1.3


def server_options(seed: int) -> tuple[str, ...]:
    """Of the fault server; a name that stands in ``--errors`` ten times is drawn ten times as often."""
    names = ",".join([*FAULTS * 10, *RARE])
    return ("--latency-ms", "5", "--jitter", "1", "--error-rate", str(RATE), "--errors", names, "--seed", str(seed))


def ours(folder: Path, url: str, count: int) -> dict[str, Any]:
    """Ask everything; what came of it by the class of its end."""
    from synth.ask import AskFailed, AskRejected

    ended: Counter[str] = Counter()
    untyped: Counter[str] = Counter()

    async def run() -> None:
        changes = (f"models.generator.timeout={TIMEOUT}", f"models.generator.retries={RETRIES}")
        async with asking(folder, url, *changes, limit=LIMIT) as ask:

            async def one(n: int) -> None:
                try:
                    ended["answered" if (await ask(n)).value.quality else "empty"] += 1
                except AskFailed as err:
                    ended[f"failed: {err.kind}"] += 1
                except AskRejected as err:
                    ended[f"rejected: {err.reason}"] += 1
                except Exception as err:
                    untyped[type(err).__name__] += 1

            await many(one, count, 2 * LIMIT)

    began = time.monotonic()
    asyncio.run(run())
    return {"seconds": time.monotonic() - began, "ended": dict(ended), "untyped_exceptions": dict(untyped)}


def openai_sdk(url: str, asked: list[dict[str, Any]]) -> dict[str, Any]:
    """The same with the SDK: a reply counts when its text fits the model, as with ours."""
    from openai import AsyncOpenAI

    from synth.recipes.forms import Score

    ended: Counter[str] = Counter()
    lost: Counter[str] = Counter()

    async def run() -> None:
        async with AsyncOpenAI(base_url=url, api_key="none", timeout=TIMEOUT) as client:

            async def one(n: int) -> None:
                try:
                    completion = await client.chat.completions.create(**asked[n])
                    Score.model_validate_json(completion.choices[0].message.content or "")
                    ended["answered"] += 1
                except Exception as err:  # whatever the caller would have had to think of
                    lost[type(err).__name__] += 1

            await many(one, len(asked), LIMIT)

    began = time.monotonic()
    asyncio.run(run())
    return {"seconds": time.monotonic() - began, "ended": dict(ended), "lost_by_exception": dict(lost.most_common())}


def with_server(figures: dict[str, Any], count: int, seen: dict[str, Any]) -> dict[str, Any]:
    """Add what the server has seen."""
    answered = figures["ended"].get("answered", 0)
    return {
        "lost": count - answered,
        "lost_share": (count - answered) / count,
        "server_hits": seen["hits"],
        "requests_per_result": seen["hits"] / max(answered, 1),
        "server_by_fault": seen["by_fault"],
        **figures,
    }


def arrivals(log: Path) -> int:
    """Requests by the server's hit log, a second witness that is written before a request is worked on."""
    with log.open(encoding="utf-8") as lines:
        return sum(json.loads(line)["event"] == "arrived" for line in lines)


def balance(run: Path, hits: int) -> dict[str, Any]:
    """Our ledger against the server's count; what never arrived (no connection) is no hit and no cost."""
    ledger = attempts(run)
    counted = ledger["ok"] + ledger["failed"] + ledger["uncertain"]
    return {**ledger, "server_hits": hits, "difference": counted - hits, "balanced": counted == hits}


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=20)
    arguments = parser.parse_args()
    count, options = arguments.requests, server_options(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with fault_server(*options, "--hit-log", str(folder / "ours.jsonl")) as url:
            figures = in_fresh_process(ours, folder, url, count)
            mine = with_server(figures, count, stats(url))
        rows = journalled(folder / "run")
        slots = Counter(slot[:-1] for slot in rows)
        mine |= {
            "questions_in_journal": len({slot[:3] for slot in rows}),
            "duplicated": sum(n - 1 for n in rows.values()) + sum(n - 1 for n in slots.values()),
            "ledger": balance(folder / "run", mine["server_hits"]),
            "hits_by_log": arrivals(folder / "ours.jsonl"),
        }
        asked = bodies(folder / "run")
        with fault_server(*options) as url:
            figures = in_fresh_process(openai_sdk, url, asked)
            theirs = with_server(figures, len(asked), stats(url))
    save(
        "faults",
        {
            "requests": count,
            "in_flight": LIMIT,
            "error_rate": RATE,
            "errors": [*FAULTS, *RARE],
            "ours": mine,
            "openai_sdk": theirs,
            "lost_ours_to_sdk": mine["lost"] / theirs["lost"] if theirs["lost"] else None,
            "met": {
                "lost_0": mine["lost"] == 0,
                "duplicated_0": mine["duplicated"] == 0,
                "requests_per_result": mine["requests_per_result"] <= TARGET_REQUESTS_PER_RESULT,
                "ledger_balanced": mine["ledger"]["balanced"],
                "untyped_0": not mine["untyped_exceptions"],
                "hit_log": mine["hits_by_log"] == mine["server_hits"],
            },
        },
    )


if __name__ == "__main__":
    main()
