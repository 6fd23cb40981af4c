"""What the tests share: where sample pictures are found, and a cache of their own."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("REFSORT_SHARED", Path(__file__).resolve().parents[2] / "shared"))
"""Labelled photographs and odd picture files; they are not part of the project and may be absent."""

ELSEWHERE = Path("/dev/shm")
"""Mostly another file system than that of the temporary files."""

# The workers of the tests share the cores; more threads in each would only wait for one another. Processes inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Exported models go here, and so not into the cache of the person who runs the tests; processes inherit it.
os.environ.setdefault("REFSORT_CACHE", str(Path(tempfile.gettempdir()) / "refsort-test-cache"))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait, for a daemon, a disk or a process that was killed."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    place = Path(tempfile.mkdtemp(prefix="refsort-", dir=ELSEWHERE))
    yield place
    shutil.rmtree(place, ignore_errors=True)
