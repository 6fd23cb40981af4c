"""At which steps of a run a test interferes: one in three by default, every one of them with `-m slow`.

Which third depends on the case, so that the cases together meet the steps that all of them have.
"""

import zlib

import pytest

SHARE = 3

some_or_every = pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["", "every"])


def chosen(steps: int, case: object, *, every: bool) -> range:
    """Numbers of steps, from 1 on."""
    return range(1, steps + 1) if every else range(1 + zlib.crc32(str(case).encode()) % SHARE, steps + 1, SHARE)
