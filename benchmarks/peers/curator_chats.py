"""Bespoke Curator answers chats; run by :mod:`benchmarks.overhead` with the Python of Curator's own environment.

    python curator_chats.py URL BODIES.json IN_FLIGHT

Prints seconds, CPU seconds and rows as JSON on its last line. Curator counts tokens with tiktoken, which downloads its
vocabulary; an encoder that counts words takes its place, in Curator's favour.
"""

import json
import os
import resource
import sys
import tempfile
import time

os.environ |= {"OPENAI_API_KEY": "none", "TELEMETRY_ENABLED": "0", "CURATOR_DISABLE_RICH_DISPLAY": "1"}

import tiktoken


class Words:
    def encode(self, text, **_):
        return text.split()


tiktoken.get_encoding = tiktoken.encoding_for_model = lambda _: Words()

from bespokelabs import curator  # noqa: E402
from datasets import Dataset  # noqa: E402


class Chats(curator.LLM):
    """Each row's messages are asked as they stand."""

    def prompt(self, row):
        return row["messages"]

    def parse(self, row, response):
        return {"n": row["n"], "text": response}


def cpu() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    url, path, in_flight = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        bodies = json.load(file)
    rows = Dataset.from_list([{"n": n, "messages": body["messages"]} for n, body in enumerate(bodies)])
    kept = ("temperature", "top_p", "max_tokens")
    parameters = {
        "base_url": url,
        "api_key": "none",
        "max_concurrent_requests": int(in_flight),
        "max_requests_per_minute": 10_000_000,
        "max_tokens_per_minute": 1_000_000_000,
        "require_all_responses": False,
    }
    llm = Chats(
        model_name=bodies[0]["model"],
        backend="openai",
        backend_params=parameters,
        generation_params={name: bodies[0][name] for name in kept},
    )
    with tempfile.TemporaryDirectory() as folder:
        began, used = time.perf_counter(), cpu()
        answered = llm(rows, working_dir=folder)
        seconds, used = time.perf_counter() - began, cpu() - used
    answered = getattr(answered, "dataset", answered)
    print()
    print(json.dumps({"seconds": seconds, "cpu_s": used, "answered": sum(bool(row["text"]) for row in answered)}))


if __name__ == "__main__":
    main()
