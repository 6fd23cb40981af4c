"""The battery as a table: for each file the cosine with the baseline in the built-in encoder, time, and peak memory.

    python -m tests.images.table [--no-cost]

Each file is read in a process of its own for its cost. Exit code 1 if a file misses what is asked of it.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from refsort.encoders import Encoder, load
from refsort.errors import BadPicture
from refsort.images import read_picture
from tests.images.make import Row, make_battery

LOSSLESS, LOSSY, PALETTE = 0.998, 0.99, 0.97
"""Least cosine with the baseline: the same pixels, a lossy format, few colours or sizes."""
SECONDS, MEGABYTES = 2.0, 300.0
"""Most that a file may cost."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Line:
    """What came of one file."""

    row: Row
    cosine: float | None
    """None: refused."""
    least: float | None
    """None: to be refused."""
    reason: str = ""

    @property
    def well(self) -> bool:
        if self.least is None:
            return self.cosine is None
        return self.cosine is not None and self.cosine >= self.least


def least_cosine(row: Row) -> float | None:
    """What is asked of a file, by what its format can keep."""
    if row.tolerance is None:
        return None
    if row.tolerance <= 1:
        return LOSSLESS
    return LOSSY if row.tolerance < 5 else PALETTE


def vector(encoder: Encoder, rgb: "np.typing.NDArray[np.uint8]", *, grey: bool) -> "np.typing.NDArray[np.float32]":
    if grey:
        rgb = np.asarray(Image.fromarray(rgb).convert("L").convert("RGB"))
    return encoder.embed_images(encoder.prepare(rgb)[None])[0]


def lines(folder: Path, rows: list[Row], encoder: Encoder) -> list[Line]:
    """Read and embed every file of a battery."""
    plain = read_picture((folder / "plain.png").read_bytes())
    baseline = {grey: vector(encoder, plain, grey=grey) for grey in (False, True)}
    found = []
    for row in rows:
        try:
            rgb = read_picture((folder / row.name).read_bytes(), side=encoder.side)
        except BadPicture as error:
            found.append(Line(row, None, least_cosine(row), str(error)))
            continue
        cosine = float(vector(encoder, rgb, grey=row.grey) @ baseline[row.grey])
        found.append(Line(row, cosine, least_cosine(row)))
    return found


def cost(folder: Path, name: str) -> tuple[float, float]:
    """Seconds and megabytes of reading one file."""
    command = [sys.executable, "-m", "tests.images.cost", str(folder), name]
    done = json.loads(subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout)
    return float(done["seconds"][name]), float(done["megabytes"])


def main() -> int:
    measure = "--no-cost" not in sys.argv
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = make_battery(folder)
        for line in lines(folder, rows, load("builtin")):
            seconds, megabytes = cost(folder, line.row.name) if measure else (0.0, 0.0)
            well = line.well and seconds < SECONDS and megabytes < MEGABYTES
            failed += not well
            got = "refused" if line.cosine is None else f"{line.cosine:.4f}"
            asked = "refused" if line.least is None else f">= {line.least}"
            price = f"{1000 * seconds:7.1f} ms {megabytes:6.1f} MB" if measure else ""
            words = line.reason or line.row.why
            print(f"{'ok ' if well else 'BAD'} {line.row.name:32} {got:8} {asked:9} {price}  {words}")  # noqa: T201
        print(f"{len(rows)} files, {failed} not as asked")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
