"""A month of use: arrivals every day, another light from the second week on, a new class in the third, a person who
puts some of it right in the evening, a training every Sunday; a real daemon all the time.

    python benchmarks/month.py PHOTOS [--references 5] [--seed 0] [--no-training] [--plot FILE] [--json FILE]

PHOTOS holds a folder for each class. The class that is last by name is unknown to the dataset until the evening of the
day after it first came: then the person makes it a class, of five of its pictures in Unknown/ and Unsure/. In the
evening the person moves SEEN of what lies in a wrong class folder, and of what was left aside, to where it belongs.
Printed for each week: arrivals, moved, wrong among the moved, left aside; and at the end that nothing was lost.
"""

import argparse
import hashlib
import io
import json
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

ROOT = Path(__file__).resolve().parents[1]
WEEKS, DAYS = 4, 7
SEEN = 0.5
NEW_CLASS_DAY = 2 * DAYS
DARKER, WARMER = 0.7, (1.08, 1.0, 0.88)
"""The light from the second week on: so much of the brightness, and of red, green and blue."""
Flags = list[str]


@dataclass
class Day:
    """What came of one day's arrivals, looked at before the person has put anything right."""

    moved: int = 0
    wrong: int = 0
    aside: int = 0
    right: int = 0
    """Those whose best class was right, moved or not."""


@dataclass
class Month:
    """A dataset, the pictures still to come, and what is true of each."""

    root: Path
    rng: random.Random
    known: list[str]
    new: str
    truth: dict[str, str] = field(default_factory=dict)
    """Name of the file → class."""
    expected: Counter[str] = field(default_factory=Counter)

    def put(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.part")
        part.write_bytes(data)
        part.rename(path)
        self.expected[hashlib.sha256(data).hexdigest()] += 1

    def day(self, arrivals: list[tuple[str, bytes]], number: int) -> Day:
        """Drop them, wait, look."""
        names = []
        for i, (own, data) in enumerate(arrivals):
            name = f"d{number:02}-{i:03}.jpg"
            self.truth[name] = own
            names.append(name)
            self.put(self.root / "Images" / name, data)
        until(lambda: not any((self.root / "Images").glob("*.jpg")))
        day = Day()
        for name in names:
            where = next(path for path in self.root.rglob(name) if ".refsort" not in path.parts)
            if where.parent.parent.name != "Dataset":
                day.aside += 1
                continue
            day.moved += 1
            day.wrong += where.parent.name != self.truth[name]
        day.right = sum(self.best(name) == self.truth[name] for name in names)
        return day

    def best(self, name: str) -> str:
        """The class that a picture was most like when it was sorted, from the journal."""
        with closing(sqlite3.connect(f"file:{self.root}/.refsort/journal.db?mode=ro", uri=True)) as db:
            query = "SELECT decision FROM moves WHERE source=? ORDER BY id LIMIT 1"
            (decision,) = db.execute(query, (f"Images/{name}".encode(),)).fetchone()
        return str(json.loads(decision)["class"])

    def evening(self, number: int) -> None:
        """The person looks, and puts part of it right."""
        aside = [path for folder in ("Unknown", "Unsure") for path in sorted((self.root / folder).glob("*.jpg"))]
        if number > NEW_CLASS_DAY and self.new not in self.known:
            own = [path for path in aside if self.truth[path.name] == self.new][:5]
            if len(own) == 5:
                for path in own:
                    target = self.root / "Clases" / self.new / path.name
                    target.parent.mkdir(exist_ok=True)
                    path.rename(target)
                self.known.append(self.new)
                aside = [path for path in aside if path not in own]
        wrong = [p for p in sorted(self.root.glob("Dataset/*/*.jpg")) if p.parent.name != self.truth[p.name]]
        for path in [*wrong, *aside]:
            own = self.truth[path.name]
            if own in self.known and self.rng.random() < SEEN:
                target = self.root / "Dataset" / own / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                path.rename(target)

    def lost(self) -> int:
        found: Counter[str] = Counter()
        for path in self.root.rglob("*.jpg"):
            if ".refsort" not in path.parts and "Models" not in path.parts:
                found[hashlib.sha256(path.read_bytes()).hexdigest()] += 1
        return (self.expected - found).total() + (found - self.expected).total()


def until(done: Any, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise SystemExit("the daemon took too long")
        time.sleep(0.05)


def other_light(data: bytes) -> bytes:
    """The same picture under another lamp."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    bands = ImageEnhance.Brightness(image).enhance(DARKER).split()
    image = Image.merge(
        "RGB", [band.point(lambda v, f=f: min(255, v * f)) for band, f in zip(bands, WARMER, strict=True)]
    )
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def command(root: Path, *words: str) -> list[str]:
    where = ["--data-dir", str(root.parent), "--dataset", root.name, "--encoder", "builtin"]
    return [sys.executable, "-m", "refsort", *words, *where]


def make(photos: Path, root: Path, references: int, rng: random.Random) -> tuple[Month, list[list[tuple[str, bytes]]]]:
    """The dataset, and the arrivals of each day."""
    classes = sorted(path.name for path in photos.iterdir() if path.is_dir())
    *known, new = classes
    month = Month(root, rng, known, new)
    early: list[tuple[str, bytes]] = []
    late: list[tuple[str, bytes]] = []
    for name in classes:
        files = sorted(path for path in (photos / name).iterdir() if path.is_file())
        rng.shuffle(files)
        if name in known:
            for path in files[:references]:
                month.put(root / "Clases" / name / path.name, path.read_bytes())
            files = files[references:]
        (late if name == new else early).extend((name, path.read_bytes()) for path in files)
    rng.shuffle(early)
    rng.shuffle(late)
    days: list[list[tuple[str, bytes]]] = [early[day :: WEEKS * DAYS] for day in range(WEEKS * DAYS)]
    rest = WEEKS * DAYS - NEW_CLASS_DAY
    for day in range(NEW_CLASS_DAY, WEEKS * DAYS):
        days[day] += late[day - NEW_CLASS_DAY :: rest]
    days = [[(own, other_light(data)) for own, data in d] if n >= DAYS else d for n, d in enumerate(days)]
    (root / "Images").mkdir(parents=True)
    return month, days


def live(month: Month, days: list[list[tuple[str, bytes]]], training: bool) -> tuple[list[Day], list[dict[str, Any]]]:
    """The month itself; the days, and what each training came to."""
    root = month.root
    flags = ["--settle", "0.3", "--settle-closed", "0.2", "--rescan", "1"]
    log = (root.parent / "log").open("wb")
    daemon = subprocess.Popen([*command(root, "watch"), *flags], cwd=ROOT, stderr=log)
    found: list[Day] = []
    trainings: list[dict[str, Any]] = []
    try:
        for number, arrivals in enumerate(days):
            found.append(month.day(arrivals, number))
            month.evening(number)
            if training and number % DAYS == DAYS - 1:
                words = command(root, "finetune", "--if-new", "20", "--json")
                done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise SystemExit(done.stderr)
                trainings.append(json.loads(done.stdout.splitlines()[-1]))
                print(f"   {trainings[-1]['words']}", flush=True)
            time.sleep(2)  # The daemon looks at what the person did.
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        log.close()
    return found, trainings


def weekly(days: list[Day]) -> list[Day]:
    weeks = [days[start : start + DAYS] for start in range(0, len(days), DAYS)]
    return [Day(*(sum(getattr(d, key) for d in w) for key in ("moved", "wrong", "aside", "right"))) for w in weeks]


def plot(runs: dict[str, list[Day]], path: Path) -> None:
    """Share moved and wrong among the moved, by week."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.4), constrained_layout=True)
    for (name, weeks), colour in zip(runs.items(), ("#2a6f97", "#c8553d", "#7f8c8d"), strict=False):
        xs = range(1, len(weeks) + 1)
        came = [w.moved + w.aside for w in weeks]
        axes[0].plot(xs, [100 * w.right / n for w, n in zip(weeks, came, strict=True)], "o-", label=name, color=colour)
        axes[1].plot(xs, [100 * w.moved / n for w, n in zip(weeks, came, strict=True)], "o-", label=name, color=colour)
        axes[2].plot(xs, [w.wrong for w in weeks], "o-", label=name, color=colour)
    titles = ("best class right, % of the arrivals", "moved, % of the arrivals", "pictures in a wrong folder")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("week")
        axis.set_xticks(range(1, WEEKS + 1))
        axis.set_ylim(0, max(5.0, 1.05 * axis.get_ylim()[1]))
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25)
    axes[0].legend(frameon=False, fontsize=9, loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Live the month."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--references", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-training", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    runs: dict[str, list[Day]] = {}
    ways = {"corrections alone": False} if args.no_training else {"corrections alone": False, "and training": True}
    for name, training in ways.items():
        print(name, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            month, days = make(args.photos, Path(folder) / "Mes", args.references, random.Random(args.seed))
            found, _ = live(month, days, training)
            runs[name] = weekly(found)
            for number, week in enumerate(runs[name], start=1):
                total = week.moved + week.aside
                print(f"   week {number}: {total} came, {week.right} right, {week.moved} moved, {week.wrong} wrong")
            print(f"   lost or doubled: {month.lost()}", flush=True)
    if args.plot:
        plot(runs, args.plot)
    if args.json:
        args.json.write_text(json.dumps({name: [vars(w) for w in weeks] for name, weeks in runs.items()}))


if __name__ == "__main__":
    main()
