"""What the tests share: where sample pictures are found."""

import os
from pathlib import Path

SHARED = Path(os.environ.get("REFSORT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
"""Labelled photographs and odd picture files; they are not part of the project and may be absent."""
