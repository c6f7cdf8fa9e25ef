"""Takes vLLM's arguments and runs the fault server with them; the environment says what goes wrong.

``FAKE_VLLM``: a folder. Each start leaves ``<pid>.json`` there with what was handed over.

``FAKE_VLLM_FAULTS``: some of ``crash`` (at once), ``crash-again`` (at once, but for the first start), ``hang`` (never
healthy), ``deaf`` (ignores SIGTERM), ``child`` (with a child that ignores SIGTERM), ``runaway`` (with a grandchild of
another group and session).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SLEEPER = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
RUNAWAY = f"""
import subprocess, sys
with open("/dev/null", "w") as nowhere:
    print(subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], start_new_session=True, stdout=nowhere).pid)
"""


def children(faults: set[str]) -> list[int]:
    pids = []
    if "child" in faults:
        pids.append(subprocess.Popen([sys.executable, "-c", SLEEPER]).pid)
    if "runaway" in faults:
        pids.append(int(subprocess.check_output([sys.executable, "-c", RUNAWAY])))
    return pids


def is_first(folder: Path) -> bool:
    try:
        (folder / "first").touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("--model", "--served-model-name", "--host"):
        parser.add_argument(name, required=True)
    parser.add_argument("--port", required=True, type=int)
    args, others = parser.parse_known_args()
    folder = Path(os.environ["FAKE_VLLM"])
    faults = set(os.environ.get("FAKE_VLLM_FAULTS", "").split())
    first = is_first(folder)
    said = {"pid": os.getpid(), "argv": sys.argv[1:], "others": others, "env": dict(os.environ)}
    record = folder / f"{os.getpid()}.json"
    record.with_suffix(".tmp").write_text(json.dumps({**said, "children": children(faults)}))
    record.with_suffix(".tmp").rename(record)
    if "crash" in faults or ("crash-again" in faults and not first):
        print(f"\x1b[31mkey is {os.environ['VLLM_API_KEY']}\x1b[0m\nRuntimeError: no memory left", file=sys.stderr)
        return 3
    if "deaf" in faults:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "deaf" in faults or "hang" in faults:
        print("loading weights", flush=True)
        time.sleep(600)
    from synth.fault_server import main as serve

    options = ["--host", args.host, "--port", str(args.port), "--model", args.served_model_name, "--strict-model"]
    return serve([*options, "--latency-ms", "20", "--api-key", os.environ["VLLM_API_KEY"]])


if __name__ == "__main__":
    sys.exit(main())
