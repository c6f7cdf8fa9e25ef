"""Where the real data lies; tests marked `data` are skipped where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
DATA = Path(os.environ.get("CLINSYNTH_DATA") or _BESIDE)
"""The folder named by CLINSYNTH_DATA, else `../shared/data` seen from the project's root."""

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"no folder {DATA}; set CLINSYNTH_DATA")
