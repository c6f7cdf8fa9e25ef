"""Start-up check: our five generic package names must all be ours.

Another distribution, or a folder in the current directory, may hold a package called ``filters`` or ``training``;
Python then imports that one without a word.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from synth.errors import UserError

PACKAGES = ("prompts", "filters", "synth", "training", "evaluation")


def check_packages() -> None:
    """Raise UserError when one of our names resolves to somebody else's package."""
    ours = Path(__file__).resolve().parent.parent
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        origin = Path(found.origin).resolve() if found and found.origin else None
        if origin is None or origin.parent.parent != ours:
            where = origin.parent if origin else "nowhere"
            raise UserError(
                f"the package {name!r} resolves to {where}, not to ours in {ours}: another distribution or "
                f"a folder of that name goes before it; run elsewhere, or give clinsynth an environment of its own"
            )
