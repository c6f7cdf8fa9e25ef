"""A process that owns a server and waits to be killed: ``python -m tests.synth.vllm_owner FOLDER FAULTS GRACE``.

With ``forked`` among the faults it has a child that has not been exec'ed, and so holds the supervisor's pipe as well.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from synth.endpoints.vllm_args import command
from synth.endpoints.vllm_process import ReservedPort, ServerProcess
from tests.synth.vllm_helpers import fake_model


async def own(folder: Path, faults: str, grace: float) -> None:
    model = fake_model(folder, faults)
    port = ReservedPort()
    env = {**os.environ, **model.env, "VLLM_API_KEY": "key"}
    server = ServerProcess(
        command(sys.executable, model, port.number, "judge"), env, port, folder / "log", grace=grace
    )  # fmt: skip
    server.launch()
    if "forked" in faults:
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        (folder / "forked").write_text(str(child))
    print(server.supervisor, flush=True)
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(own(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
