"""Putting a file under a new name without ever replacing anything.

Looking first and renaming then is a race: between the two steps somebody else may take the name. Each function here is
one step of the operating system that fails with FileExistsError when the name is taken.
"""

import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

LINKS_IMPOSSIBLE = frozenset(
    {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES, errno.EINVAL}
)
"""Errors by which file systems without hard links (FAT, exFAT, many network shares) or a full link count answer."""

AT_FDCWD = -100
RENAME_NOREPLACE = 1
"""linux/fs.h"""
RENAME_EXCL = 4
"""sys/stdio.h on macOS"""


def link(source: Path | str, target: Path | str) -> bool:
    """Give the file a second name. False if the file system has no hard links; FileExistsError if the name is taken."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except (NotImplementedError, AttributeError):
        return False
    except OSError as error:
        if error.errno in LINKS_IMPOSSIBLE and os.access(Path(target).parent, os.W_OK):
            return False
        raise
    return True


def rename(source: Path | str, target: Path | str) -> bool:
    """Rename in one step that never replaces. False if the system can't; FileExistsError if the name is taken."""
    if os.name == "nt":
        os.rename(source, target)  # noqa: PTH104  (MoveFile: fails where the target exists)
        return True
    return in_one_step(_exclusive_rename(), source, target)


def in_one_step(step: Callable[[bytes, bytes], int] | None, one: Path | str, other: Path | str) -> bool:
    """Do a step from `rename_with`. False if the system or the file system can't; OSError for anything else."""
    if step is None:
        return False
    if step(os.fsencode(one), os.fsencode(other)) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
        return False
    raise OSError(code, os.strerror(code), str(one), None, str(other))


@functools.cache
def _exclusive_rename() -> Callable[[bytes, bytes], int] | None:
    return rename_with(linux=RENAME_NOREPLACE, macos=RENAME_EXCL)


def rename_with(*, linux: int, macos: int) -> Callable[[bytes, bytes], int] | None:
    """The system's rename with a flag; None where there is none of that kind."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            renamex = libc.renamex_np
            renamex.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_uint)
            return lambda one, other: int(renamex(one, other, macos))
        renameat2 = libc.renameat2
        renameat2.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
        return lambda one, other: int(renameat2(AT_FDCWD, one, AT_FDCWD, other, linux))
    except (OSError, AttributeError):
        return None


def placeholder(target: Path) -> os.stat_result:
    """Take the name with an empty file that only we own; FileExistsError if it is taken."""
    descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Systems that can't (Windows, some shares) order it themselves."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EROFS):
            raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(descriptor)
