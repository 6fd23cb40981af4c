"""Whether the daemon's memory and open files stay flat over hours of mixed arrivals.

    python benchmarks/steadiness.py [--minutes 120] [--rate 2] [--seed 0] [--csv FILE]

A real daemon on a folder into which come: single pictures, bursts, broken ones, pictures with a sidecar, half-written
ones; now and then a person takes sorted ones away and changes a reference. Every half minute its resident memory and
its open files are read from /proc. Printed: the mean of each sixth of the time, and the last sixth against the second.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from watching import COLOURS, make, picture, start_daemon, wait_until

SAMPLE_S = 30.0
KINDS = ["whole"] * 12 + ["broken", "sidecar", "sidecar", "half", "burst"]
BURST = 150
KEPT = 2000
"""So many sorted pictures may lie there before a person takes them away, as people do."""


def resident_mb(pid: int) -> float:
    """Resident memory of a process in MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1024


class Arrivals:
    """Draws what comes next from a seed and does it."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.images = root / "Images"
        self.rng = random.Random(seed)
        self.noise = np.random.default_rng(seed)
        self.number = 0
        self.done: Counter[str] = Counter()
        self.half: list[tuple[Path, bytes]] = []

    def one(self) -> Path:
        """A whole picture."""
        self.number += 1
        path = self.images / f"{self.number:06}.jpg"
        source = self.root.parent / "source.jpg"
        picture(source, self.rng.choice(list(COLOURS.values())), self.noise)
        source.rename(path)
        self.done["pictures"] += 1
        return path

    def next(self) -> None:
        """One arrival of any kind."""
        kind = self.rng.choice(KINDS)
        self.done[kind] += 1
        for _ in range(BURST if kind == "burst" else 1):
            path = self.one()
        if kind == "sidecar":
            path.with_suffix(".xmp").write_bytes(b"<x/>")
        if kind in ("broken", "half"):
            data = path.read_bytes()
            path.write_bytes(data[: len(data) // 2])
            if kind == "half":
                self.half.append((path, data[len(data) // 2 :]))
        if len(self.half) > 3:
            path, rest = self.half.pop(0)
            if path.exists():
                with path.open("ab") as file:
                    file.write(rest)

    def tidy(self) -> None:
        """A person takes away what was sorted, and now and then changes a reference."""
        filed = [path for path in (self.root / "Dataset").rglob("*") if path.is_file()]
        if len(filed) > KEPT:
            for path in filed:
                path.unlink()
            self.done["tidied"] += 1
        if self.rng.random() < 0.1:
            name, colour = self.rng.choice(list(COLOURS.items()))
            picture(self.root / "Clases" / name / f"{self.rng.randrange(10)}.jpg", colour, self.noise)
            self.done["references changed"] += 1


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--rate", type=float, default=2.0, help="arrivals a second")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    args = parser.parse_args()
    samples: list[tuple[float, float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "Discos"
        make(root, np.random.default_rng(args.seed))
        daemon = start_daemon(root)
        arrivals = Arrivals(root, args.seed)
        first = arrivals.one()
        wait_until(lambda: not first.exists(), "the first picture")
        begun = time.monotonic()
        next_sample = begun
        while (now := time.monotonic()) < begun + 60 * args.minutes:
            arrivals.next()
            if now >= next_sample:
                next_sample += SAMPLE_S
                files = sum(1 for _ in Path(f"/proc/{daemon.pid}/fd").iterdir())
                samples.append((now - begun, resident_mb(daemon.pid), files))
                arrivals.tidy()
                if args.csv:
                    args.csv.write_text("\n".join(f"{t:.0f},{mb:.1f},{n}" for t, mb, n in samples))
            time.sleep(arrivals.rng.expovariate(args.rate))
        daemon.send_signal(signal.SIGTERM)
        code = daemon.wait(120)
    parts = np.array_split(np.array(samples), 6)
    for part in parts:
        print(f"until {part[-1, 0] / 60:5.1f} min: {part[:, 1].mean():6.1f} MB, {part[:, 2].max():.0f} files open")
    change = 100 * (parts[-1][:, 1].mean() / parts[1][:, 1].mean() - 1)
    counts = ", ".join(f"{name} {count}" for name, count in arrivals.done.items())
    print(f"memory of the last sixth against the second: {change:+.1f} %; {counts}; exit code {code}")
    sys.exit(code)


if __name__ == "__main__":
    main()
