"""What a second run costs where nothing has changed: it should be a look at each file's stat and no more.

    python3 -m benchmarks.unchanged                  1,000,000 empty files, a thousand a folder (some minutes)
    python3 -m benchmarks.unchanged --files 100000

`sort` leaves what it can't read in its place (`--bad keep`), and so it would what it is unsure of. Each step is a
process of its own, so that its peak memory is its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from benchmarks.plans import CLASSES, REFERENCES

A_FOLDER = 1000


def make(root: Path, files: int) -> None:
    """A dataset of coloured squares with so many empty arrivals."""
    for label in range(CLASSES):
        folder = root / "Clases" / f"class{label}"
        folder.mkdir(parents=True)
        for number in range(REFERENCES):
            shade = tuple(30 * bool(label >> bit & 1) * 7 + number for bit in range(3))
            Image.new("RGB", (64, 64), shade).save(folder / f"{number}.png")
    for first in range(0, files, A_FOLDER):
        folder = root / f"Images/{first // A_FOLDER:04}"
        folder.mkdir(parents=True)
        for number in range(first, min(files, first + A_FOLDER)):
            os.close(os.open(folder / f"{number:07}.jpg", os.O_CREAT | os.O_EXCL))


def step(what: str, *words: str) -> None:
    """One command, its time, its processor time and its peak memory."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "refsort", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    told = {"seconds": round(time.perf_counter() - begun, 1), "cpu": round(used.ru_utime + used.ru_stime, 1)}
    print(json.dumps({"what": what, **told, "peak_mib": used.ru_maxrss // 1024, "rc": process.returncode}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1_000_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "Data"
        make(data / "Large", args.files)
        flags = ("--data-dir", str(data), "--dataset", "Large", "--encoder", "builtin")
        for run in ("first", "second", "third"):
            step(f"sort, {run} run", "sort", "--bad", "keep", *flags)
        (data / "Large/Images/0000/0000000.jpg").write_bytes(b"changed")
        step("sort, one file changed", "sort", "--bad", "keep", *flags)
        for run in ("first", "second"):
            step(f"embed, {run} run", "embed", str(data / "Large/Images"), "--to", f"{scratch}/v", *flags)


if __name__ == "__main__":
    main()
