"""Is somebody writing to a file? Linux can tell; elsewhere the quiet time has to do.

A read lease (fcntl(2), F_SETLEASE) is refused while anybody on this machine has the file open for writing. It can be
had for files of one's own; for others the descriptors under /proc are read, of those processes that may be seen.
Neither sees a writer on another machine. Network file systems refuse a lease also when nobody writes (Linux,
fs/nfs/nfs4file.c, fs/smb/client/cifsfs.c: no delegation or oplock, no lease), so there it says nothing.
"""

import contextlib
import errno
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path

from refsort.files.identity import open_regular

PROC = Path("/proc")
REFUSE_LEASES = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs"})


def being_written(paths: Iterable[Path]) -> set[Path]:
    """Those of the files that somebody has open for writing, as far as the system can tell."""
    busy: set[Path] = set()
    unclear: list[Path] = []
    for path in paths:
        answer = leased(path)
        if answer is None:
            unclear.append(path)
        elif answer:
            busy.add(path)
    if unclear and PROC.is_dir():
        written = _open_for_writing()
        busy.update(path for path in unclear if _identity(path) in written)
    return busy


if sys.platform == "linux":
    import fcntl

    def leased(path: Path) -> bool | None:
        """Whether somebody has it open for writing; None if a lease can't tell."""
        try:
            descriptor = open_regular(path)
        except OSError:
            return None
        try:
            # Whoever opens the file for writing in this moment waits until the lease is given back, and we are sent a
            # signal. The usual one, SIGIO, would end this process; SIGURG is ignored unless somebody asks for it.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as error:
            refused = error.errno == errno.EAGAIN
            return True if refused and _file_system(os.fstat(descriptor).st_dev) not in REFUSE_LEASES else None
        finally:
            os.close(descriptor)
        return False

else:

    def leased(path: Path) -> bool | None:
        """No such thing here."""
        return None


def _file_system(device: int) -> str | None:
    """The type of file system that a device number belongs to (proc_pid_mountinfo(5)); None if it is not listed."""
    try:
        lines = (PROC / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None
    number = f"{os.major(device)}:{os.minor(device)}"
    for fields, _, rest in (line.partition(" - ") for line in lines):
        if fields.split()[2] == number:
            return rest.split()[0]
    return None


def _open_for_writing() -> set[tuple[int, int]]:
    """(device, inode) of every file that a process we may look into has open for writing."""
    found: set[tuple[int, int]] = set()
    for process in os.scandir(PROC):
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            for descriptor in Path(process.path, "fd").iterdir():
                if _writes(Path(process.path, "fdinfo", descriptor.name)):
                    with contextlib.suppress(OSError):
                        result = descriptor.stat()
                        found.add((result.st_dev, result.st_ino))
    return found


def _writes(info: Path) -> bool:
    """Whether the descriptor described there (proc(5): flags in octal) was opened for writing."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        flags = next(line for line in info.read_text(encoding="ascii").splitlines() if line.startswith("flags:"))
        return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        result = os.lstat(path)
    except OSError:
        return None
    return result.st_dev, result.st_ino
