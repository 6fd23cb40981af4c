"""The allocator keeps few pools, whatever the number of threads."""

import subprocess
import sys

import pytest

ASK = """
import ctypes, sys, threading
from refsort.watch.memory import few_arenas
if sys.argv[1] == "few":
    assert few_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
meet = threading.Barrier(16)
def work():
    meet.wait()
    libc.malloc(1000)
    meet.wait()
threads = [threading.Thread(target=work) for _ in range(16)]
[t.start() for t in threads]
[t.join() for t in threads]
libc.fdopen.restype, libc.malloc_info.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
libc.malloc_info(0, libc.fdopen(1, b"w"))
libc.fflush(None)
"""


def pools(how: str) -> int:
    """In a process with sixteen threads."""
    done = subprocess.run([sys.executable, "-c", ASK, how], capture_output=True, text=True, check=True)
    return done.stdout.count("<heap nr=")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's allocator only")
def test_many_threads_share_few_pools_once_that_is_asked_for() -> None:
    if pools("few") == 0:
        pytest.skip("this C library tells nothing of its pools")
    assert pools("few") <= 2 < pools("as it is")
