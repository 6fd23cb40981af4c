"""How fast plans are made and carried out: synthetic vectors, empty files.

    python3 -m benchmarks.plans                  1,000,000 rows (6 GB of disk, some minutes)
    python3 -m benchmarks.plans --rows 100000
    python3 -m benchmarks.plans --at-once /dev/shm     what threads gain, with a folder on another file system

Vectors of 1,280 numbers are drawn around the references of eight classes; the files are empty and all in place, a
thousand a folder. Each step runs in a process of its own, so that its peak memory is its own.

`--at-once`: renames on one file system, and proven copies from it to the other one and back, by 1, 2, 4 and 8 threads;
of each the best of three rounds.
"""

import argparse
import hashlib
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from refsort.config import Config
from refsort.files import claim
from refsort.files.copying import AtOnce, copy_to_part
from refsort.files.dataset import Dataset
from refsort.files.identity import look
from refsort.images import READING
from refsort.scale.parts import PartWriter
from refsort.scale.vectors import ABOUT, VERSION, About, part_name
from refsort.sorting import Reporters
from refsort.sorting.embedding import Embedded
from refsort.sorting.prepared import prepare

CLASSES, REFERENCES, A_FOLDER, A_PART = 8, 10, 1000, 20_000
EMPTY = hashlib.sha256(b"").digest()


def say(what: str, **values: object) -> None:
    print(json.dumps({"what": what, **values}), flush=True)


def make(top: Path, rows: int) -> None:
    """A dataset of coloured squares with so many empty arrivals, and vectors for these."""
    data, rng = Dataset(top / "Data" / "Large"), np.random.default_rng(0)
    for label in range(CLASSES):
        folder = data.path(f"Clases/class{label}")
        folder.mkdir(parents=True)
        for number in range(REFERENCES):
            colour = tuple(
                int(c) for c in rng.integers(0, 255, 3) // 8 + 224 * np.array([label & 1, label >> 1 & 1, label >> 2])
            )
            Image.new("RGB", (64, 64), colour).save(folder / f"{number}.png")
    begun = time.perf_counter()
    for first in range(0, rows, A_FOLDER):
        folder = data.path(f"Images/{first // A_FOLDER:04}")
        folder.mkdir(parents=True)
        for number in range(first, min(rows, first + A_FOLDER)):
            os.close(os.open(folder / f"{number:07}.jpg", os.O_CREAT | os.O_EXCL))
    say("files made", seconds=round(time.perf_counter() - begun, 1))
    config = Config(dataset="Large", data_dir=top / "Data", encoder="builtin")
    with prepare(config, data, Reporters()) as prepared:
        references, encoder = prepared.references, prepared.encoder
    about = About(
        VERSION, "builtin", f"{encoder.fingerprint}/{READING}", encoder.dim, str(data.path("Images").resolve())
    )
    vectors = top / "vectors"
    vectors.mkdir()
    (vectors / ABOUT).write_bytes(about.to_json())
    begun = time.perf_counter()
    for first in range(0, rows, A_PART):
        with (vectors / part_name(first // A_PART)).open("wb") as file, PartWriter(file, about) as writer:
            for number in range(first, min(rows, first + A_PART)):
                path = f"{number // A_FOLDER:04}/{number:07}.jpg"
                vector = references.vectors[number % len(references.vectors)] + 0.02 * rng.standard_normal(encoder.dim)
                unit = (vector / np.linalg.norm(vector)).astype(np.float16).astype(np.float32)
                writer.put(Embedded(path, "ok", look(data.path(f"Images/{path}")), EMPTY, unit))
    size = sum(path.stat().st_size for path in vectors.iterdir())
    say("vectors written", seconds=round(time.perf_counter() - begun, 1), bytes=size)


def step(top: Path, *words: str) -> None:
    """One command, its time by its own account, and its peak memory."""
    command = [sys.executable, "-m", "refsort", *words, "--json", "--data-dir", str(top / "Data"), "--dataset", "Large"]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - begun
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    kept = {k: v for k, v in found.items() if isinstance(v, int | float) and not isinstance(v, bool)}
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    say(words[0], wall_s=round(wall, 1), peak_mib_of_all_so_far=peak, **kept)


THREADS, ROUNDS, FOLDERS = (1, 2, 4, 8), 3, 10
RENAMES = 5_000
COPIES = {100_000: 200, 1_000_000: 60, 5_000_000: 20}
"""Bytes of a picture → how many are copied."""

Task = Callable[[], object]


def at_once(here: Path, there: Path) -> None:
    for sources in (1, FOLDERS):
        least = fastest(lambda sources=sources: renames(here, sources))
        say("rename", from_folders=sources, us_a_file={n: round(s / RENAMES * 1e6, 1) for n, s in least.items()})
    for (way, (one, other)), (size, count) in itertools.product(
        {"there": (here, there), "back": (there, here)}.items(), COPIES.items()
    ):
        least = fastest(partial(copies, one, other, size, count))
        say("copy", way=way, bytes=size, ms_a_file={n: round(s / count * 1e3, 2) for n, s in least.items()})


def fastest(tasks: Callable[[], tuple[list[Path], list[Task]]]) -> dict[int, float]:
    """Number of threads → seconds for tasks that are made anew each time; by turns, as other work comes and goes."""
    least = dict.fromkeys(THREADS, float("inf"))
    for threads in THREADS * ROUNDS:
        made, todo = tasks()
        begun = time.perf_counter()
        AtOnce(threads).run(todo)
        least[threads] = min(least[threads], time.perf_counter() - begun)
        for folder in made:
            shutil.rmtree(folder)
    return least


def renames(here: Path, sources: int) -> tuple[list[Path], list[Task]]:
    """A task for each of ten target folders."""
    top = Path(tempfile.mkdtemp(dir=here))
    for number in range(FOLDERS):
        (top / f"from{number}").mkdir()
        (top / f"to{number}").mkdir()
    moves: list[list[tuple[Path, Path]]] = [[] for _ in range(FOLDERS)]
    for number in range(RENAMES):
        source = top / f"from{number % sources}" / f"{number}.jpg"
        os.close(os.open(source, os.O_CREAT | os.O_EXCL))
        moves[number % FOLDERS].append((source, top / f"to{number % FOLDERS}" / source.name))
    return [top], [partial(list, itertools.starmap(claim.rename, some)) for some in moves]


def copies(here: Path, there: Path, size: int, count: int) -> tuple[list[Path], list[Task]]:
    """A task for each file, into ten folders by turns."""
    one, other = Path(tempfile.mkdtemp(dir=here)), Path(tempfile.mkdtemp(dir=there))
    for number in range(FOLDERS):
        (other / str(number)).mkdir()
    todo: list[Task] = []
    for number in range(count):
        data, source = os.urandom(size), one / f"{number}.jpg"
        source.write_bytes(data)
        known = look(source)
        assert known is not None
        part = other / str(number % FOLDERS) / f".{number}.part"
        todo.append(partial(copy_to_part, source, known, hashlib.sha256(data).digest(), part))
    os.sync()
    return [one, other], todo


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--at-once", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        if args.at_once:
            at_once(top, args.at_once)
            return
        make(top, args.rows)
        decide = ("decide", str(top / "vectors"), "--encoder", "builtin", "--to")
        step(top, *decide, str(top / "plan.parquet"))
        say("plan", bytes=(top / "plan.parquet").stat().st_size)
        for workers in ("1", "2"):
            step(top, *decide, str(top / f"ray-{workers}.parquet"), "--engine", "ray", "--workers", workers)
        step(top, "apply", str(top / "plan.parquet"))
        step(top, "apply", str(top / "plan.parquet"))


if __name__ == "__main__":
    main()
