"""One writer per dataset. An advisory lock only: the rules of moving keep pictures safe even where it fails."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from refsort.errors import DatasetHeld
from refsort.files.journal import now
from refsort.names import show


@contextmanager
def hold(state: Path, purpose: str, *, name: str = "lock", doing: str = "sorted") -> Iterator[None]:
    """Hold the dataset whose state folder this is. Raises DatasetHeld, saying who holds it.

    Locks of different names don't exclude one another; `doing` says what one is for.
    """
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / name)
    owner_file = state / f"{name}.json"
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DatasetHeld(_who(owner_file, state, doing)) from None
    except (NotImplementedError, OSError):
        # No locks on this file system. Moving stays safe without: names are claimed, never assumed.
        yield
        return
    try:
        owner = {"pid": os.getpid(), "host": socket.gethostname(), "purpose": purpose, "since": now()}
        with contextlib.suppress(OSError):
            owner_file.write_text(json.dumps(owner), encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            owner_file.unlink()
        lock.release()


@contextmanager
def moving(state: Path) -> Iterator[None]:
    """Wait for, and hold, the right to move files of a dataset: for one batch, or to settle what was interrupted.

    Whoever sorts holds the dataset for hours, and a person may file a picture by hand meanwhile. Under this lock no
    intent of the journal is one that somebody is just carrying out.
    """
    state.mkdir(parents=True, exist_ok=True)
    lock = FileLock(state / "moves.lock")
    try:
        lock.acquire()
    except (NotImplementedError, OSError):
        yield  # No locks on this file system: see above.
        return
    try:
        yield
    finally:
        lock.release()


def _who(owner_file: Path, state: Path, doing: str) -> str:
    try:
        owner = json.loads(owner_file.read_text(encoding="utf-8"))
        who = f"'refsort {owner['purpose']}' (process {owner['pid']} on {owner['host']}, since {owner['since']})"
    except (OSError, ValueError, KeyError):
        who = "another process"
    return f"{show(str(state.parent))} is being {doing} by {who}; wait until it has finished or stop it"
