"""Arrivals, edits, renames, undo and kill -9 in schedules drawn from a seed; nothing may be lost or doubled.

    python -m tests.faults.soak --minutes M [--kills N] [--seed S] [--jobs J]
    python -m tests.faults.soak --replay S          the one schedule of this seed
    python -m tests.faults.soak --schedule FILE     a schedule as a failure has printed it

Each seed gives one schedule on a dataset of its own; the next seed follows until the time is over or N processes were
killed. A failure is shrunk and printed. What the kernel does within a step is not drawn and may differ in a replay.
Exit code 1 if anything was lost, doubled or left over.
"""

import argparse
import contextlib
import hashlib
import io
import math
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from itertools import count
from pathlib import Path

from PIL import Image, ImageDraw

from tests.conftest import ELSEWHERE
from tests.e2e.helpers import on
from tests.e2e.watching import COLOURS, make_dataset
from tests.faults import soak_process
from tests.faults.soak_schedule import Schedule, Step, shrink
from tests.trees import contents

"""Another file system, where there is one."""
QUICK = ("--settle", "0.1", "--settle-closed", "0.05", "--rescan", "0.2", "--bad-after", "0.2")
POOL = 60
"""So many different pictures; more are copies of these, and their vectors are known already."""
TRIES = 2
"""How often a schedule that failed once is tried before it counts as one that doesn't."""
SHRINK_S = 120.0


class Broken(Exception):
    """The invariant does not hold."""


@lru_cache
def picture(number: int) -> bytes:
    """A JPEG of a small disc, one of POOL."""
    number %= POOL
    image = Image.new("RGB", (48, 48), (120 + number % 8, 125, 130))
    ImageDraw.Draw(image).ellipse((8 + number % 8, 6, 38, 38), fill=COLOURS["rojo" if number % 2 else "azul"])
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=90, comment=b"%d" % number)
    return buffer.getvalue()


class Soak:
    """One dataset, the contents it must have, and what was done to it."""

    def __init__(self, root: Path, *, across: bool = False, breaking: Callable[[], None] | None = None) -> None:
        """`breaking` is called in each process of refsort before it begins: a test takes a guard out with it."""
        self.dataset = make_dataset(root / "Data" / "Discos")
        self.images = self.dataset / "Images"
        self.roots = [self.dataset]
        self.breaking = breaking
        self.done: Counter[str] = Counter()
        if across and ELSEWHERE.is_dir():
            other = Path(tempfile.mkdtemp(prefix="refsort-soak-", dir=ELSEWHERE))
            (self.dataset / "Dataset").symlink_to(other)
            self.roots.append(other)
        self.expected = contents(*self.roots)

    def close(self) -> None:
        for root in self.roots:
            shutil.rmtree(root, ignore_errors=True)

    def play(self, step: Step) -> None:
        """Do one step, then look."""
        if step["do"] == "arrive":
            self.arrive(step["kind"], step["count"], step["first"])
        elif step["do"] == "meddle":
            self.meddle(step["how"], step["which"], step["number"])
        else:
            self.process(step)
        self.check()

    def arrive(self, kind: str, number_of: int, first: int) -> None:
        """Pictures: broken, with a sidecar, renamed in from a partial name, many of one name ..."""
        for number in range(first, first + number_of):
            data = picture(number)
            data = data[:700] + b"%d" % number if kind == "broken" else data
            folder = self.images / f"f{number}" if kind in ("same name", "sub-folder") else self.images
            folder.mkdir(exist_ok=True)
            stem = "foto" if kind == "same name" else f"p{number}"
            if kind == "sidecar":
                self.put(folder / f"{stem}.xmp", b"<x>%d</x>" % number)
            if kind == "renamed in":
                self.put(folder / f"{stem}.part", data)
                (folder / f"{stem}.part").rename(folder / f"{stem}.jpg")
            else:
                self.put(folder / f"{stem}.jpg", data)
            self.done["arrivals"] += 1

    def put(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        self.expected[hashlib.sha256(data).hexdigest()] += 1

    def meddle(self, how: str, which: float, number: int) -> None:
        """Rename or edit what still waits, once nothing is open; nothing of refsort runs now."""
        waiting = sorted(p for p in self.images.rglob("*.jpg") if p.is_file() and not p.name.startswith("."))
        if not waiting or self.open_contents():
            return
        path = waiting[int(which * len(waiting))]
        self.done[f"{how}s"] += 1
        if how == "rename":
            path.rename(path.with_name(f"renamed{number}.jpg"))
            return
        self.expected[hashlib.sha256(path.read_bytes()).hexdigest()] -= 1
        self.put(path, picture(number) + b"%d" % number)

    def process(self, step: Step) -> None:
        """Run a command and kill it as the step says."""
        what, during = step["do"], step.get("during")
        encoder = () if what == "undo" else ("--encoder", "builtin", "--threads", "1")
        flags = {"sort": ("--no-report",), "watch": QUICK, "undo": ()}[what]
        ended = soak_process.run(
            [what, *on(self.dataset), *encoder, *flags],
            self.dataset,
            step["kill"],
            warm=step.get("warm", True),
            breaking=self.breaking,
            during=partial(self.arrive, during["kind"], during["count"], during["first"]) if during else None,
        )
        self.done["processes"] += 1
        if ended.killed:
            self.done["kills"] += 1
            self.done[f"killed in: {ended.phase}"] += 1
            self.done["kills that left a move open"] += bool(self.open_contents())
        else:
            self.done["ended before the kill"] += step["kill"] is not None
            nothing = what == "undo" and ("nothing to undo" in ended.said or "nothing was sorted" in ended.said)
            if ended.code != 0 and not nothing and (what, ended.code) != ("undo", 1):
                raise Broken(f"{what} ended with {ended.code}: {ended.said[-2000:]}")

    def open_contents(self) -> set[str]:
        return soak_process.open_contents(self.dataset / ".refsort" / "journal.db")

    def check(self) -> None:
        """Compare the contents of all folders with what must be there.

        While a move is open, its file may have its second name or copy; a partial copy is not looked at.
        """
        found, wanted, unsettled = contents(*self.roots), +self.expected, self.open_contents()
        if unsettled:
            for root in self.roots:
                for part in root.rglob("*.refsort-part"):
                    found[hashlib.sha256(part.read_bytes()).hexdigest()] -= 1
        lost, doubled = wanted - found, found - wanted
        doubled = Counter({content: number for content, number in doubled.items() if content not in unsettled})
        if lost or doubled:
            raise Broken(f"lost {lost.total()}, doubled or strange {doubled.total()}: {dict(lost)} {dict(doubled)}")

    def finish(self) -> None:
        """A last sort to its end: all is where it belongs, nothing is left over."""
        self.process({"do": "sort", "kill": None})
        self.check()
        left = [p for p in self.images.rglob("*.jpg") if p.is_file()]
        litter = [p for root in self.roots for p in root.rglob("*") if ".refsort-" in p.name]
        if left or litter or self.open_contents():
            raise Broken(f"not sorted: {left}; litter: {litter}; open: {self.open_contents()}")
        self.done["sorted"] += sum(path.is_file() for path in self.dataset.glob("Dataset/*/*"))


def play(schedule: Schedule, breaking: Callable[[], None] | None = None, until: float = math.inf) -> Counter[str]:
    """All of a schedule on a fresh dataset, or as much as there is time for; the counts. Raises Broken."""
    with tempfile.TemporaryDirectory(prefix="refsort-soak-") as folder, contextlib.ExitStack() as stack:
        soak = Soak(Path(folder), across=schedule.across, breaking=breaking)
        stack.callback(soak.close)
        for number, step in enumerate(schedule.steps, start=1):
            if time.monotonic() > until:
                break
            try:
                soak.play(step)
            except Broken as broken:
                raise Broken(f"step {number}: {broken}") from None
            soak.done["steps"] += 1
        soak.finish()
    return soak.done


def fails(schedule: Schedule, tries: int = TRIES, breaking: Callable[[], None] | None = None) -> bool:
    """Whether a schedule fails in a few tries: a kill by the clock can not be repeated exactly."""
    for _ in range(tries):
        try:
            play(schedule, breaking)
        except Broken:
            return True
    return False


def report(schedule: Schedule, broken: Broken, still_fails: Callable[[Schedule], bool], seconds: float) -> Schedule:
    """Print a failure and the shortest schedule that still fails; returns it."""
    print(f"seed {schedule.seed}: {broken}", flush=True)  # noqa: T201
    shortest = shrink(schedule, still_fails, seconds)
    print(f"to run it again, of {len(schedule.steps)} steps {len(shortest.steps)}, with --schedule FILE:")  # noqa: T201
    print(shortest.json(), flush=True)  # noqa: T201
    return shortest


def soak(seeds: Iterator[int], seconds: float, kills: float, only: Schedule | None = None) -> Counter[str]:
    """Schedule after schedule until the time is over; the counts, "failed" among them."""
    done: Counter[str] = Counter()
    until = time.monotonic() + seconds
    while time.monotonic() < until and done["kills"] < kills:
        schedule = only or Schedule.draw(next(seeds))
        try:
            done += play(schedule, until=until if only is None else math.inf)
        except Broken as broken:
            report(schedule, broken, fails, SHRINK_S)
            done["failed"] += 1
            break
        done["schedules"] += 1
        print(f"seed {schedule.seed}, so far: {words(done)}", flush=True)  # noqa: T201
        if only is not None:
            break
    return done


def words(done: Counter[str]) -> str:
    return ", ".join(f"{name} {done[name]}" for name in sorted(done))


def one_job(seed: int, jobs: int, seconds: float, kills: float) -> Counter[str]:
    """One of several side by side: each takes every `jobs`-th seed."""
    return soak(count(seed, jobs), seconds, kills / jobs)


def main() -> int:
    parser = argparse.ArgumentParser(prog="run.py soak", description="Kill refsort at random times; count losses.")
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--kills", type=float, default=math.inf, metavar="N", help="stop after about N kills")
    parser.add_argument("--jobs", type=int, default=2, metavar="J", help="datasets side by side")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--replay", type=int, default=None, metavar="SEED", help="only the schedule of this seed")
    parser.add_argument("--schedule", type=Path, default=None, metavar="FILE", help="only this schedule")
    given = parser.parse_args()
    begun = time.monotonic()
    only = Schedule.read(given.schedule) if given.schedule else None
    if given.replay is not None:
        only = Schedule.draw(given.replay)
    seed = random.randrange(10**6) if given.seed is None else given.seed
    if only is not None:
        parts = [soak(iter(()), math.inf, math.inf, only)]
    elif given.jobs == 1:
        parts = [one_job(seed, 1, given.minutes * 60, given.kills)]
    else:
        work = [(seed + job, given.jobs, given.minutes * 60, given.kills) for job in range(given.jobs)]
        with multiprocessing.get_context("fork").Pool(given.jobs) as pool:
            parts = pool.starmap(one_job, work, chunksize=1)
    done = sum(parts, Counter[str]())
    minutes = (time.monotonic() - begun) / 60
    lost = "FAILED" if done["failed"] else "lost 0, doubled 0"
    print(f"{minutes:.1f} minutes, {done['steps'] / minutes:.0f} steps a minute: {words(done)}, {lost}")  # noqa: T201
    return 1 if done["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
