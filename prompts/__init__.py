"""What models are asked, as Jinja templates; this package holds only their place on disk."""

from pathlib import Path

ROOT = Path(__file__).parent
