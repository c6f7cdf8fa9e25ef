"""distilabel answers chats; run by :mod:`benchmarks.overhead` with the Python of distilabel's own environment.

    python distilabel_chats.py URL BODIES.json IN_FLIGHT

Prints seconds, CPU seconds (its child processes included) and rows as JSON on its last line. distilabel has no limit
of requests in flight: a batch is as large as that limit, and goes out at once.
"""

import json
import resource
import sys
import time

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import ChatGeneration


def cpu() -> float:
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    url, path, in_flight = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        bodies = json.load(file)
    parameters = {
        "temperature": bodies[0]["temperature"],
        "top_p": bodies[0]["top_p"],
        "max_new_tokens": bodies[0]["max_tokens"],
    }
    llm = OpenAILLM(model=bodies[0]["model"], base_url=url, api_key="none", generation_kwargs=parameters)
    with Pipeline(name="chats") as pipeline:
        rows = LoadDataFromDicts(data=[{"messages": body["messages"]} for body in bodies], batch_size=int(in_flight))
        rows >> ChatGeneration(llm=llm, input_batch_size=int(in_flight))
    began, used = time.perf_counter(), cpu()
    rows = pipeline.run(use_cache=False)["default"]["train"]
    seconds, used = time.perf_counter() - began, cpu() - used
    print()
    print(json.dumps({"seconds": seconds, "cpu_s": used, "answered": sum(bool(row["generation"]) for row in rows)}))


if __name__ == "__main__":
    main()
