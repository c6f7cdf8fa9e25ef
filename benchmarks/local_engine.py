"""Tokens per second of the embedded engine inside the pipeline, against a bare loop of the same requests.

    python -m benchmarks.local_engine         # about five minutes

The demo's spec runs on a dozen seeds, with two changes: no dialogues, whose turns come one after another, and complex
questions by difficulty instead of the hardest half, which waits for the whole shard. On so few seeds both leave slots
idle for want of work, which on a real run they do not. Every request of that run is then read from its journal, in the
order in which the replies came, and sent again by a bare loop: as many in flight as the engine has slots, no journal,
no parsing, the engine started afresh. Both are timed from the first request to the last reply, the model loaded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
import zlib
from pathlib import Path
from typing import Any

from benchmarks.common import save
from synth.endpoints.base import Request
from synth.endpoints.local import LocalEndpoint
from synth.progress import Progress
from synth.run import Run, journal_path
from synth.setup import prepare
from synth.spec_models import LocalModel

CHANGES = (
    "produce.dialogues=null",
    "produce.preferences.from=[reasoning_over_answer, reward]",
    "produce.reasoning={difficulty_above: 3, trace: sections}",
)


async def pipeline(folder: Path, limit: int, slots: int) -> dict[str, float]:
    """The demo spec through the whole pipeline."""
    setup = prepare("cardiology.yaml", folder, [f"models.generator.slots={slots}", *CHANGES], limit)
    progress = Progress(quiet=True)
    run = Run(setup, progress, shards=[0], retry_failed=False)
    await asyncio.gather(*(pool.endpoint.start() for pool in run.engines.distinct))
    run.engines.started = True
    began = time.monotonic()
    finished = await run.execute()
    if finished.error:
        raise finished.error
    return {"seconds": time.monotonic() - began, "tokens": progress.tokens_out, "requests": progress.requests}


async def bare(requests: list[Request], slots: int) -> dict[str, float]:
    """The same requests, nothing around them."""
    model = prepare("cardiology.yaml", None).spec.models.generator
    assert isinstance(model, LocalModel)
    endpoint = LocalEndpoint(model.model_copy(update={"slots": slots}))
    await endpoint.start()
    left = iter(requests)
    tokens = 0

    async def worker() -> None:
        nonlocal tokens
        for request in left:
            outcome = await endpoint.complete(request)
            tokens += outcome.reply.tokens_out if outcome.reply else 0

    began = time.monotonic()
    await asyncio.gather(*(worker() for _ in range(slots)))
    seconds = time.monotonic() - began
    await endpoint.close()
    return {"seconds": seconds, "tokens": tokens, "requests": len(requests)}


def journalled(path: Path) -> list[Request]:
    """The requests of a run, in the order in which their replies were written."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT request FROM entries ORDER BY rowid").fetchall()
    return [Request(**json.loads(zlib.decompress(row[0]))) for row in rows]


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12)
    parser.add_argument("--slots", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        ours: dict[str, Any] = dict(asyncio.run(pipeline(Path(name), arguments.seeds, arguments.slots)))
        requests = journalled(journal_path(Path(name), 0))
    floor: dict[str, Any] = dict(asyncio.run(bare(requests, arguments.slots)))
    for figures in (ours, floor):
        figures["tokens_per_s"] = figures["tokens"] / figures["seconds"]
    save(
        "local_engine",
        {
            "seeds": arguments.seeds,
            "slots": arguments.slots,
            "pipeline": ours,
            "bare_loop": floor,
            "ratio": ours["tokens_per_s"] / floor["tokens_per_s"],
        },
    )


if __name__ == "__main__":
    main()
