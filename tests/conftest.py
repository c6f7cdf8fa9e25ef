"""What must stand in the environment before any test module imports a library: no progress bars, no telemetry."""

from __future__ import annotations

import os

from training.run import QUIET

os.environ.update(QUIET)
