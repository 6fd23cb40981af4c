"""refsort in a forked process that says how far it is, and is killed at a drawn moment."""

import importlib
import os
import select
import signal
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from refsort.cli import main as refsort
from refsort.encoders.builtin import BuiltinEncoder
from refsort.files import claim
from refsort.files.journal import Journal
from refsort.sorting.one_pass import Pass
from tests.faults.worker import Killer

for _name in (
    "refsort.report",
    "refsort.cli.undo",
    "refsort.watch.daemon",
    "refsort.encoders.onnx_file",
    "onnxruntime",
):
    importlib.import_module(_name)  # Once here, so that each forked process need not.

WARM = BuiltinEncoder.load("builtin", 1)
"""Opened once for all processes that need not load it themselves; it has no threads that a fork would lose."""
PATIENCE_S = {"watch": 3.0}
"""A daemon that has not come to its aimed moment by then is killed where it is."""
LONGEST_S = 60.0
"""The same for what ends by itself."""
PHASES = {
    b"": "start",
    b"e": "embedding",
    b"r": "recovery",
    b"R": "after a recovery",
    b"m": "open move",
    b"M": "after a move",
}
"""By the last letter that a process has sent."""


class Ended:
    """How a process ended. `phase`: how far it was; `killed`: False if it ended before."""

    def __init__(self, status: int, told: bytes, log: Path) -> None:
        self.code = os.waitstatus_to_exitcode(status)
        self.killed = self.code == -signal.SIGKILL
        self.phase = PHASES[told[-1:]]
        self.said = log.read_text(errors="replace") if log.exists() else ""


def run(
    words: list[str],
    root: Path,
    kill: tuple[str, float] | None,
    *,
    warm: bool = True,
    breaking: Callable[[], None] | None = None,
    during: Callable[[], None] | None = None,
) -> Ended:
    """Run a command of refsort on the dataset `root`, and kill it.

    `kill`: ("time", seconds after its start) | ("moving", seconds after its first move has begun) | ("step", k: at the
    k-th step on the file system or in the journal from there on) | ("recovery", k: the same from the beginning of its
    recovery, or of its first move if there is nothing to recover) | None: it ends by itself.
    `warm`: with an encoder that is loaded already. `breaking` is called in the process before,
    `during` here, while it runs.
    """
    log = root.with_name("log")
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            sys.stdout = sys.stderr = os.fdopen(out, "w", buffering=1)  # Whatever the parent's were.
            Telling(root, writing, kill).install()
            if warm:
                BuiltinEncoder.load = lambda name, threads=0: WARM  # type: ignore[method-assign]
            if breaking:
                breaking()
            code = refsort(words)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 70
        except BaseException:  # noqa: BLE001  (a forked process must never return into its parent's loop)
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writing)
    begun = time.monotonic()
    if during:
        during()
    try:
        told = _wait(reading, kill, begun, PATIENCE_S.get(words[0], LONGEST_S))
        if kill is not None:
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        while more := os.read(reading, 1000):
            told += more
    finally:
        os.close(reading)
    return Ended(status, told, log)


def _wait(reading: int, kill: tuple[str, float] | None, begun: float, patience: float) -> bytes:
    """Until the process has ended or is to be killed; what it has told."""
    until = None if kill is None else begun + (kill[1] if kill[0] == "time" else patience)
    told = b""
    while True:
        left = None if until is None else max(0.0, until - time.monotonic())
        if not select.select([reading], [], [], left)[0]:
            return told
        more = os.read(reading, 1000)
        told += more
        if not more:
            return told
        if kill is not None and kill[0] == "moving" and b"m" in told:
            time.sleep(kill[1])
            return told


class Telling:
    """Looks on inside the process: sends a letter for each phase, and dies at the k-th step once it moves something."""

    def __init__(self, root: Path, pipe: int, kill: tuple[str, float] | None) -> None:
        kind, number = kill or ("", 0)
        self.begins = {"step": b"m", "recovery": b"rm"}.get(kind, b"")
        self.killer = Killer(int(number), root)
        self.pipe = pipe

    def tell(self, letter: bytes) -> None:
        os.write(self.pipe, letter)
        if letter in self.begins:
            self.killer.armed = True

    def install(self) -> None:
        """Hooks around the real functions; each calls the real one."""
        opening, intending, opened, finishing = Journal.__init__, Journal.intend, Journal.open_groups, Journal.finish
        sorting, exclusive, state = Pass.sort, claim._exclusive_rename(), {"left": 0}

        def open_journal(journal: Journal, *args: Any, **more: Any) -> None:
            opening(journal, *args, **more)
            journal._db.set_trace_callback(self._statement)

        def intend(journal: Journal, *args: Any) -> Any:
            state["left"] = 0
            result = intending(journal, *args)
            self.tell(b"m")
            return result

        def open_groups(journal: Journal) -> Any:
            groups = opened(journal)
            state["left"] = len(groups)
            if groups:
                self.tell(b"r")
            return groups

        def finish(journal: Journal, *args: Any) -> None:
            finishing(journal, *args)
            state["left"] -= 1  # Recovery ends group by group, moves batch by batch.
            if state["left"] <= 0:
                self.tell(b"M" if state["left"] else b"R")

        def sort(one: Pass, *args: Any) -> None:
            self.tell(b"e")
            sorting(one, *args)

        def rename(source: bytes, target: bytes) -> int:
            self.killer.step("ctypes.call")
            result = exclusive(source, target) if exclusive else -1
            self.killer.step("ctypes.call")
            return result

        for owner, name, hook in (
            (Journal, "__init__", open_journal),
            (Journal, "intend", intend),
            (Journal, "open_groups", open_groups),
            (Journal, "finish", finish),
            (Pass, "sort", sort),
        ):
            setattr(owner, name, hook)
        if exclusive is not None:
            claim._exclusive_rename = lambda: rename  # type: ignore[assignment]
        sys.addaudithook(self.killer.hook)

    def _statement(self, text: str) -> None:
        if text == "COMMIT":
            self.killer.step("sqlite3.commit")


def open_contents(database: Path) -> set[str]:
    """SHA-256 of the files whose move has no end in the journal: for a while they may lie in two places."""
    if not database.exists():
        return set()
    db = sqlite3.connect(database)
    try:
        return {row[0].hex() for row in db.execute("SELECT sha256 FROM moves WHERE state='intent'")}
    except sqlite3.OperationalError:
        return set()  # Killed before its tables were made.
    finally:
        db.close()
