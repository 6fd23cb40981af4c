"""Keep a process that runs for months as small as it was on its first day."""

import ctypes
import sys

M_ARENA_MAX = -8
"""glibc's malloc.h."""
ARENAS = 2


def few_arenas() -> bool:
    """Have the C library's allocator use few pools, whatever the number of threads; whether it could be asked.

    Each batch is decoded in new threads, and glibc gives threads pools of their own (8 a core) that it hardly ever
    gives back. Measured over 2,000 pictures in batches of 20 to 300: 195 MB after the second batch and for good,
    instead of 208 MB that grew to 265. To be called before the first thread starts.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        return bool(ctypes.CDLL(None).mallopt(M_ARENA_MAX, ARENAS))
    except (OSError, AttributeError):  # musl has no mallopt, and no such pools
        return False
