"""A kernel that answers chosen system calls with an error, as a failing disk does: a seccomp filter, no root needed.

A filter lasts until its process ends, so it is installed in one of its own.
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping

PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 38, 1, 1
"""linux/prctl.h, linux/seccomp.h; TSYNC: in all threads at once, as a disk fails."""
RET_ALLOW, RET_ERRNO = 0x7FFF0000, 0x00050000
"""linux/seccomp.h; the error's number goes into the lower half of RET_ERRNO."""
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
"""linux/bpf_common.h: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_RET|BPF_K"""
CALL_NUMBER, ARCHITECTURE = 0, 4
"""Offsets in struct seccomp_data."""

MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        {"fsync": 74, "fdatasync": 75, "rename": 82, "renameat": 264, "renameat2": 316}
        | {"link": 86, "linkat": 265, "unlink": 87, "unlinkat": 263, "seccomp": 317},
    ),
    "aarch64": (
        0xC00000B7,
        {"fsync": 82, "fdatasync": 83, "renameat": 38, "renameat2": 276, "linkat": 37, "unlinkat": 35}
        | {"seccomp": 277},
    ),
}
"""Machine → its name in linux/audit.h, and the numbers of its system calls (asm/unistd.h)."""

FAMILIES = {
    "fsync": ("fsync",),
    "fdatasync": ("fdatasync",),
    "rename": ("rename", "renameat", "renameat2"),
    "link": ("link", "linkat"),
    "unlink": ("unlink", "unlinkat"),
    "renameat2": ("renameat2",),
}
"""The system calls that do one thing, under all their names."""


class _Program(ctypes.Structure):
    """struct sock_fprog"""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


def fail(families: Mapping[str, int]) -> None:
    """From now on these families of calls fail with these errors, in all threads of the process.

    Raises OSError if the system has no such filters or refuses them.
    """
    if sys.platform != "linux" or platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, f"no table of system calls for {sys.platform} on {platform.machine()}")
    audited, numbers = MACHINES[platform.machine()]
    code = [(LOAD_WORD, 0, 0, ARCHITECTURE), (JUMP_IF_EQUAL, 1, 0, audited), (RETURN, 0, 0, RET_ALLOW)]
    code.append((LOAD_WORD, 0, 0, CALL_NUMBER))
    for family, error in families.items():
        for call in FAMILIES[family]:
            if call in numbers:
                code += [(JUMP_IF_EQUAL, 0, 1, numbers[call]), (RETURN, 0, 0, RET_ERRNO | error)]
    code.append((RETURN, 0, 0, RET_ALLOW))
    program = _Program(len(code), b"".join(struct.pack("=HBBI", *instruction) for instruction in code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    libc.syscall.argtypes = (ctypes.c_long, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_void_p)
    libc.syscall.restype = ctypes.c_long
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or (
        libc.syscall(numbers["seccomp"], SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(program)) != 0
    ):
        raise OSError(ctypes.get_errno(), "the system refuses a seccomp filter")


def unavailable() -> str:
    """Why there can be no filters here; empty if there can. Tried out in a process of its own."""
    if not hasattr(os, "fork"):
        return "it forks"
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fail({"fsync": errno.EIO})
            os.fsync(os.open(os.devnull, os.O_RDONLY))
        except OSError as error:
            code = 0 if error.errno == errno.EIO else 1
        finally:
            os._exit(code)
    works = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return "" if works else "this system lets no process filter its own system calls"
