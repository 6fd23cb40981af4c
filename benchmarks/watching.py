"""How long a picture waits for the daemon, and how fast a burst goes.

    python benchmarks/watching.py [--arrivals 500] [--every 0.25] [--burst 3000]

Latency: pictures are written one after the other; measured is the time from the close of the writer until the picture
has left Images/, less the wait that is asked for (`settle_closed`). Burst: so many pictures lie there when the daemon
starts, against `refsort sort` on the same pictures; both from the first move to the last.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
COLOURS = {"rojo": (205, 40, 30), "azul": (30, 60, 205), "verde": (30, 180, 60)}
SETTLE_CLOSED_S = 1.0


def picture(path: Path, colour: tuple[int, int, int], rng: np.random.Generator) -> None:
    """A 256-pixel picture of a disc; no two are alike."""
    image = Image.new("RGB", (256, 192), tuple(rng.integers(60, 220, 3).tolist()))
    x, y, size = rng.integers(0, 60, 3).tolist()
    ImageDraw.Draw(image).ellipse((x, y, x + 80 + size, y + 60 + size), fill=colour)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=90)


def make(root: Path, rng: np.random.Generator) -> None:
    """References of three classes."""
    for name, colour in COLOURS.items():
        for number in range(10):
            picture(root / "Clases" / name / f"{number}.jpg", colour, rng)
    (root / "Images").mkdir()


def command(root: Path, *words: str) -> list[str]:
    where = ["--data-dir", str(root.parent), "--dataset", root.name, "--encoder", "builtin", "--unsure", "off"]
    return [sys.executable, "-m", "refsort", *words, *where]


def start_daemon(root: Path) -> "subprocess.Popen[bytes]":
    words = command(root, "watch", "--settle-closed", str(SETTLE_CLOSED_S), "--settle", str(SETTLE_CLOSED_S))
    return subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)


def wait_until(done: Callable[[], bool], what: str, seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise SystemExit(f"{what} took too long")
        time.sleep(0.002)


def latency(root: Path, arrivals: int, every: float, rng: np.random.Generator) -> None:
    """Print the quantiles of the latency."""
    source = root.parent / "source.jpg"
    daemon = start_daemon(root)
    picture(root / "Images" / "first.jpg", COLOURS["rojo"], rng)
    wait_until(lambda: not (root / "Images" / "first.jpg").exists(), "the first picture")
    waiting: dict[Path, float] = {}
    found: list[float] = []
    begun = time.monotonic()
    written = 0
    while written < arrivals or waiting:
        if written < arrivals and time.monotonic() >= begun + written * every:
            picture(source, list(COLOURS.values())[written % 3], rng)
            target = root / "Images" / f"{written}.jpg"
            shutil.copyfile(source, target)
            waiting[target] = time.monotonic()
            written += 1
        now = time.monotonic()
        for path in [path for path in waiting if not path.exists()]:
            found.append(now - waiting.pop(path) - SETTLE_CLOSED_S)
        time.sleep(0.002)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
    middle, late, latest = np.quantile(found, (0.5, 0.99, 1.0))
    print(f"latency beyond the wait, {arrivals} pictures: median {middle:.3f} s, p99 {late:.3f} s, most {latest:.3f} s")


def burst(root: Path, count: int, rng: np.random.Generator) -> None:
    """Print pictures a second of the daemon and of a sort."""
    stock = root.parent / "stock"
    for number in range(count):
        picture(stock / f"{number}.jpg", list(COLOURS.values())[number % 3], rng)
    rates = {}
    for way in ("sort", "watch"):
        shutil.rmtree(root / ".refsort", ignore_errors=True)
        shutil.rmtree(root / "Dataset", ignore_errors=True)
        for path in stock.iterdir():
            os.link(path, root / "Images" / path.name)
        begun = time.monotonic()
        if way == "sort":
            subprocess.run([*command(root, "sort"), "--no-report"], cwd=ROOT, check=True, capture_output=True)
            rates[way] = count / (time.monotonic() - begun)
        else:
            daemon = start_daemon(root)
            wait_until(lambda: not any((root / "Images").iterdir()), "the burst")
            rates[way] = count / (time.monotonic() - begun - SETTLE_CLOSED_S)
            daemon.send_signal(signal.SIGTERM)
            daemon.wait(60)
    share = 100 * rates["watch"] / rates["sort"]
    print(f"burst of {count}: sort {rates['sort']:.0f}/s, watch {rates['watch']:.0f}/s after its wait ({share:.0f} %)")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrivals", type=int, default=500)
    parser.add_argument("--every", type=float, default=0.25)
    parser.add_argument("--burst", type=int, default=3000)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "Discos"
        make(root, rng)
        latency(root, args.arrivals, args.every, rng)
        if args.burst:
            burst(root, args.burst, rng)


if __name__ == "__main__":
    main()
