"""What the tests share: where sample pictures are found, and a cache of their own."""

import os
import tempfile
from pathlib import Path

SHARED = Path(os.environ.get("REFSORT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
"""Labelled photographs and odd picture files; they are not part of the project and may be absent."""

# The workers of the tests share the cores; more threads in each would only wait for one another. Processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Exported models go here, and so not into the cache of the person who runs the tests; processes inherit it.
os.environ.setdefault("REFSORT_CACHE", str(Path(tempfile.gettempdir()) / "refsort-test-cache"))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for a daemon, a disk or a process that was killed."""
    return (os.cpu_count() or 1) + 1
