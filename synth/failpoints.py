"""Named moments at which a run can be told to die, so that tests walk through every one of them.

    CLINSYNTH_FAILPOINT=reply:3 python -m synth.generate …

kills this process (SIGKILL, as a power cut would) when it passes ``reply`` for the third time. Without the variable a
failpoint does nothing. Not a feature for users: it shows what a crash costs, and that the same command goes on.
"""

from __future__ import annotations

import os
import signal

VARIABLE = "CLINSYNTH_FAILPOINT"

POINTS = {
    "intent": "the intent to send is journalled, the request is not sent yet",
    "reply": "a reply has arrived and is not journalled yet",
    "batch": "a batch has been created, nobody here knows its number yet",
    "commit": "a reply is journalled, its seed has not gone on yet",
    "stage": "a shard's files are written under a temporary name",
    "staged": "a shard's files stand under their final name",
    "export": "the export's files are written under a temporary name, without a manifest",
    "manifest": "the manifest is written, nothing is renamed yet",
    "rename": "the old folder is out of the way, the new one not yet in its place",
    "exported": "the new folder is in its place, the old one not yet removed",
}

_name, _, _count = os.environ.get(VARIABLE, "").partition(":")
_left = int(_count) if _count.isdecimal() else 1


def failpoint(name: str) -> None:
    """Die here, if the environment says so and this point was passed often enough."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
