"""Arrivals, edits, renames, undo and kill -9 at random times, drawn from a seed; nothing may be lost or doubled.

    python -m tests.faults.soak --minutes M [--seed S]
    python -m tests.faults.soak --replay S [--minutes M]

A replay draws the same schedule; what the kernel does within a step is not drawn and may differ.
Exit code 1 if anything was lost or doubled.
"""

import argparse
import hashlib
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

import numpy  # noqa: F401  (imported once here, so that each forked process need not)
import onnxruntime  # noqa: F401

from refsort.cli import main as refsort
from refsort.cli import sort, watch  # noqa: F401
from refsort.files.journal import Journal
from tests.e2e.helpers import on
from tests.e2e.watching import QUICK, disc, make_dataset
from tests.trees import contents

SOONEST_S, LATEST_S = 0.02, 0.9
"""When a process is killed after its start."""


class Broken(Exception):
    """The invariant does not hold."""


class Soak:
    """One dataset, the contents it must have, and what was done to it."""

    def __init__(self, root: Path, seed: int) -> None:
        self.rng = random.Random(seed)
        self.dataset = make_dataset(root / "Data" / "Discos")
        self.images = self.dataset / "Images"
        self.expected = contents(self.dataset)
        self.done: Counter[str] = Counter()
        self.log = root / "log"
        self.number = 100

    def arrive(self, count: int) -> None:
        """Pictures, some broken, some with a sidecar, some renamed in from a partial name, many of one name."""
        for _ in range(count):
            self.number += 1
            kind = self.rng.choice(["whole", "whole", "same name", "renamed in", "broken", "sidecar", "sub-folder"])
            data = disc(self.rng.choice(["rojo", "azul"]), self.number)
            data = data[:700] + b"%d" % self.number if kind == "broken" else data
            folder = self.images / f"f{self.number}" if kind in ("same name", "sub-folder") else self.images
            folder.mkdir(exist_ok=True)
            stem = "foto" if kind == "same name" else f"p{self.number}"
            if kind == "sidecar":
                self.put(folder / f"{stem}.xmp", b"<x>%d</x>" % self.number)
            if kind == "renamed in":
                self.put(folder / f"{stem}.part", data)
                (folder / f"{stem}.part").rename(folder / f"{stem}.jpg")
            else:
                self.put(folder / f"{stem}.jpg", data)
            self.done["arrivals"] += 1

    def put(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        self.expected[hashlib.sha256(data).hexdigest()] += 1

    def meddle(self) -> None:
        """Rename or edit what still waits; nothing of refsort runs now."""
        waiting = sorted(p for p in self.images.rglob("*.jpg") if p.is_file())
        if not waiting:
            return
        path = self.rng.choice(waiting)
        self.number += 1
        if self.rng.random() < 0.5:
            path.rename(path.with_name(f"renamed{self.number}.jpg"))
            self.done["renames"] += 1
            return
        data = path.read_bytes()
        self.expected[hashlib.sha256(data).hexdigest()] -= 1
        self.put(path, disc("azul", self.number))
        self.done["edits"] += 1

    def process(self, *words: str, after: float | None = None) -> None:
        """Run a command in a forked process; `after` seconds it is killed, None: it ends by itself."""
        pid = os.fork()
        if pid == 0:
            code = 70
            try:
                out = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(out, 1)
                os.dup2(out, 2)
                code = refsort([words[0], *on(self.dataset), *words[1:]])
            except SystemExit as ended:
                code = ended.code if isinstance(ended.code, int) else 70
            except BaseException:  # noqa: BLE001  (a forked process must never return into its parent's loop)
                traceback.print_exc()
            finally:
                os._exit(code)
        if after is not None:
            time.sleep(after)
            os.kill(pid, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code == -signal.SIGKILL:
            self.done["kills"] += 1
            self.done["kills in a move"] += self.interrupted()
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        if code not in (-signal.SIGKILL, 0, 1) and "nothing to undo" not in said:
            raise Broken(f"{words[0]} ended with {code}: {said[-2000:]}")

    def interrupted(self) -> bool:
        """Whether the process that was killed has left a move without an end."""
        if not (self.dataset / ".refsort" / "journal.db").exists():
            return False
        journal = Journal(self.dataset / ".refsort" / "journal.db")
        try:
            return bool(journal.open_groups())
        finally:
            journal.close()

    def step(self) -> None:
        """Draw one thing to do, then look."""
        what = self.rng.choices(["watch", "sort", "undo", "meddle"], [4, 4, 1, 1])[0]
        after = self.rng.uniform(SOONEST_S, LATEST_S)
        self.arrive(self.rng.randrange(6))
        if what == "watch":
            self.process("watch", *QUICK, "--bad-after", "0.2", after=after)
        elif what == "sort":
            self.process("sort", "--encoder", "builtin", after=after)
        elif what == "undo":
            self.process("undo", after=after)
        else:
            self.meddle()
        self.check()

    def check(self) -> None:
        """Compare the contents of all folders with what must be there."""
        found = contents(self.dataset)
        wanted = +self.expected
        if found != wanted:
            lost, doubled = wanted - found, found - wanted
            raise Broken(f"lost {lost.total()}, doubled or strange {doubled.total()}: {lost} {doubled}")

    def finish(self) -> None:
        """A last sort to its end."""
        self.done["sorted before the last sort"] = self.filed()
        self.process("sort", "--encoder", "builtin")
        self.check()
        self.done["sorted"] = self.filed()

    def filed(self) -> int:
        return sum(path.is_file() for path in (self.dataset / "Dataset").rglob("*"))


def soak(seed: int, seconds: float) -> int:
    """Steps until the time is over; prints counts; 0, or 1 with the seed and step of a failure."""
    with tempfile.TemporaryDirectory(prefix="refsort-soak-") as folder:
        run = Soak(Path(folder), seed)
        step, until = 0, time.monotonic() + seconds
        try:
            while time.monotonic() < until:
                step += 1
                run.step()
            run.finish()
        except Broken as broken:
            print(f"seed {seed}, step {step}: {broken}", flush=True)  # noqa: T201
            return 1
        names = ("kills", "kills in a move", "arrivals", "sorted before the last sort", "sorted", "renames", "edits")
        counts = ", ".join(f"{name} {run.done[name]}" for name in names)
        print(f"seed {seed}: steps {step}, {counts}, lost 0, doubled 0", flush=True)  # noqa: T201
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py soak", description="Kill refsort at random times; count losses.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--replay", type=int, default=None, metavar="SEED")
    given = parser.parse_args()
    chosen = given.replay if given.replay is not None else given.seed
    return soak(random.randrange(10**6) if chosen is None else chosen, given.minutes * 60)


if __name__ == "__main__":
    sys.exit(main())
