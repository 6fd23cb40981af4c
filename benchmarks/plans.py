"""How fast plans are made and carried out: synthetic vectors, empty files.

    python3 -m benchmarks.plans                  1,000,000 rows (6 GB of disk, some minutes)
    python3 -m benchmarks.plans --rows 100000

Vectors of 1,280 numbers are drawn around the references of eight classes; the files are empty and all in place, a
thousand a folder. Each step runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from refsort.config import Config
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        make(top, args.rows)
        step(top, "decide", str(top / "vectors"), "--to", str(top / "plan.parquet"), "--encoder", "builtin")
        step(top, "apply", str(top / "plan.parquet"))
        step(top, "apply", str(top / "plan.parquet"))


if __name__ == "__main__":
    main()
