"""Two files of one folder change names in one step, so that a name is never without a file."""

import functools
import os
from collections.abc import Callable
from pathlib import Path

from refsort.files.claim import in_one_step, rename_with

RENAME_EXCHANGE = 2
"""linux/fs.h"""
RENAME_SWAP = 2
"""sys/stdio.h on macOS"""


def swap(one: Path, other: Path) -> bool:
    """Both must exist. False if the system or the file system can't; OSError for anything else."""
    return in_one_step(_step(), one, other)


@functools.cache
def _step() -> Callable[[bytes, bytes], int] | None:
    return None if os.name == "nt" else rename_with(linux=RENAME_EXCHANGE, macos=RENAME_SWAP)
