"""A process that files everything in Images/ and dies at the k-th step on the file system."""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from refsort.files import claim
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.recovery import recover
from refsort.files.undo import choose, undo
from tests.files.helpers import requests_for

STEPS = frozenset(
    {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.utime", "os.chmod", "os.symlink", "os.setxattr"}
    | {"ctypes.call", "sqlite3.commit"}
)


class Killer:
    """Counts steps and kills the process, as a power cut would, right before the k-th."""

    def __init__(self, k: int, root: Path) -> None:
        self.k = k
        self.count = 0
        self.root = str(root)
        self.armed = False
        self.lock = threading.Lock()

    def step(self, event: str) -> None:
        if not self.armed or event not in STEPS:
            return
        with self.lock:  # several threads may copy: each step has one number, whatever their order
            self.count += 1
            reached = self.count == self.k
        if reached:
            self.reached(event)

    def reached(self, event: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def hook(self, event: str, args: tuple[object, ...]) -> None:
        if event == "open" and not str(args[0]).startswith(self.root):
            return
        self.step(event)


def work(root: Path, k: int, way: str, action: str, threads: int = 1) -> int:
    """Settle what an earlier start left, then file everything in Images/; returns the number of steps.

    Dies before step k; 0: never. `way`: rename | link | placeholder, the best way of claiming a name that there is.
    With one thread step k is the same one each time; with several it is one of those that may come then.
    """
    killer = Killer(k, root)
    exclusive = claim._exclusive_rename()
    if way == "rename" and exclusive is not None:

        def rename(source: bytes, target: bytes) -> int:
            killer.step("ctypes.call")
            result = exclusive(source, target)
            killer.step("ctypes.call")
            return result

        claim._exclusive_rename = lambda: rename  # type: ignore[assignment]
    else:
        claim._exclusive_rename = lambda: None  # type: ignore[assignment]
    if way == "placeholder":
        claim.link = lambda source, target: False  # type: ignore[assignment]
    sys.addaudithook(killer.hook)
    dataset = Dataset(root)
    journal = Journal(dataset.state / "journal.db")
    journal._db.set_trace_callback(lambda text: killer.step("sqlite3.commit") if text == "COMMIT" else None)
    killer.armed = True
    recover(dataset, journal)
    run = journal.begin_run("sort", action, {})
    Mover(dataset, journal, threads).file(run, requests_for(dataset, action=action))
    journal.end_run(run, {"sorted": 0})
    killer.armed = False
    journal.close()
    return killer.count


def in_a_process(root: Path, k: int, way: str, action: str, threads: int = 1) -> tuple[int, int]:
    """(how the process ended: 0 or minus the signal, number of steps)."""
    return counted(root, lambda: work(root, k, way, action, threads))


def counted(root: Path, work: Callable[[], int]) -> tuple[int, int]:
    """`work` in a forked process, so that nothing is imported again: how it ended, and what it gave if it was well."""
    answer = root.with_name(f"{root.name}.steps")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            answer.write_text(str(work()))
            code = 0
        except BaseException:  # noqa: BLE001  (a forked process must never return into pytest)
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code, int(answer.read_text()) if code == 0 else 0


def take_all_back(data: Dataset, where: str) -> None:
    """Undo run after run; nothing may be open before, and nothing be left behind."""
    journal = Journal(data.state / "journal.db")
    try:
        assert journal.open_groups() == [], where
        while journal.last_standing_run() is not None:
            result = undo(data, journal, choose(journal, data, None, None, None), "all")
            assert result.left == [], f"{where}: {result.left}"
    finally:
        journal.close()
