"""How full the pipeline keeps an endpoint, and what memory it takes.

    python -m benchmarks.occupancy            # about six minutes

A server in a process of its own answers every request after 500 ms. The FineMed recipe (questions, scores, answers,
rewards, reasoning) runs on 2,000 seeds with 64 requests in flight. Requests in flight are counted by the server every
50 ms; ramp and tail lie before the first and after the last sample at 90 % of 64. The floor is a bare loop of
aiohttp requests, 64 at a time, against the same server. Memory is the peak of the command on 1,000 and 5,000 seeds.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.common import fault_server, run_and_watch, save, stats, write_seeds

LIMIT = 64
SPEC = """
name: occupancy
license: cc-by-4.0
seeds: {{source: {seeds}}}
models:
  generator: {{engine: openai, base_url: "{url}", model: fault-model, max_in_flight: {limit}}}
produce:
  questions: {{per_seed: 2}}
  answers: {{styles: 2}}
  reasoning: {{difficulty_above: 8, trace: sections}}
  preferences: {{from: [reasoning_over_answer, reward]}}
"""


def one_run(folder: Path, count: int, latency_ms: int) -> dict[str, Any]:
    """Run the recipe on ``count`` seeds; the command's figures and the server's."""
    seeds, spec = folder / f"seeds-{count}.jsonl", folder / f"spec-{count}.yaml"
    write_seeds(seeds, count)
    with fault_server("--latency-ms", str(latency_ms)) as url:
        spec.write_text(SPEC.format(seeds=seeds, url=url, limit=LIMIT), encoding="utf-8")
        figures: dict[str, Any] = run_and_watch(
            ["synth.generate", "--spec", str(spec), "--out", str(folder / f"run-{count}-{latency_ms}")]
        )
        seen = stats(url)
    return {"seeds": count, "requests": seen["hits"], **figures, **occupancy(seen["samples"])}


def occupancy(samples: list[list[float]]) -> dict[str, float]:
    """Mean requests in flight between ramp and tail, as a share of the limit."""
    levels = [level for _, level in samples]
    full = [i for i, level in enumerate(levels) if level >= 0.9 * LIMIT]
    between = levels[full[0] : full[-1] + 1] if full else [0]
    return {
        "occupancy": sum(between) / len(between) / LIMIT,
        "samples_between_ramp_and_tail": len(between),
        "share_of_samples_between": len(between) / max(1, sum(level > 0 for level in levels)),
    }


async def bare_loop(url: str, requests: int) -> None:
    """The floor: the same number of requests, 64 at a time, nothing else."""
    body = {"model": "fault-model", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20}
    left = iter(range(requests))

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=LIMIT)) as session:

        async def worker() -> None:
            for n in left:
                async with session.post(f"{url}/chat/completions", json={**body, "seed": n}) as response:
                    await response.read()

        await asyncio.gather(*(worker() for _ in range(LIMIT)))


def main() -> None:
    """Measure and save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--memory-seeds", type=int, nargs=2, default=(1000, 5000))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = one_run(folder, arguments.seeds, 500)
        with fault_server("--latency-ms", "500") as url:
            asyncio.run(bare_loop(url, 2000))
            floor = occupancy(stats(url)["samples"])
        few, many = (one_run(folder, count, 20) for count in arguments.memory_seeds)
    save(
        "occupancy",
        {
            "limit": LIMIT,
            "latency_ms": 500,
            "ours": ours,
            "bare_loop": floor,
            "ratio_to_bare_loop": ours["occupancy"] / floor["occupancy"],
            "memory": [few, many],
            "memory_growth": many["peak_rss_mb"] / few["peak_rss_mb"],
        },
    )


if __name__ == "__main__":
    main()
