"""Two files of one folder change names in one step, so that a name is never without a file."""

import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from refsort.files.claim import AT_FDCWD

RENAME_EXCHANGE = 2
"""linux/fs.h"""
RENAME_SWAP = 2
"""sys/stdio.h on macOS"""


def swap(one: Path, other: Path) -> bool:
    """Both must exist. False if the system or the file system can't; OSError for anything else."""
    step = _step()
    if step is None:
        return False
    if step(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


@functools.cache
def _step() -> Callable[[bytes, bytes], int] | None:
    if os.name == "nt":
        return None
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            renamex = libc.renamex_np
            renamex.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint)
            return lambda one, other: int(renamex(one, other, RENAME_SWAP))
        renameat2 = libc.renameat2
        renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        return lambda one, other: int(renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE))
    except (OSError, AttributeError):
        return None
