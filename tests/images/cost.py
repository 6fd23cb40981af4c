"""Reads files one after the other in a process of its own and tells what each cost.

    python -m tests.images.cost FOLDER NAME...      prints {"seconds": {name: s}, "megabytes": m}
    python -m tests.images.cost --fuzz FOLDER SEED COUNT NAME...

megabytes: growth of the peak of resident memory over what the process needed to read one small picture.
"""

import json
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from refsort.errors import BadPicture
from refsort.images import read_picture
from tests.images.mutate import FUZZ_PIXELS, fault, mutations


def peak() -> float:
    """Largest resident memory so far, in megabytes.

    Linux counts the peak of the process that started this one into ru_maxrss, so its own count is taken there.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def timed(files: Iterable[tuple[str, bytes]]) -> dict[str, float]:
    """Seconds that each file took to be read or refused."""
    seconds = {}
    for name, data in files:
        start = time.perf_counter()
        with suppress(BadPicture):
            read_picture(data)
        seconds[name] = time.perf_counter() - start
    return seconds


def contents(folder: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    return ((name, (folder / name).read_bytes()) for name in names)


def fuzz(folder: Path, seed: int, count: int, names: list[str]) -> dict[str, object]:
    """The slowest of many mutations and everything that went wrong with one."""
    slowest, faults = 0.0, []
    for name, data in mutations(dict(contents(folder, names)), seed, count):
        start = time.perf_counter()
        found = fault(data, FUZZ_PIXELS)
        slowest = max(slowest, time.perf_counter() - start)
        if found:
            faults.append(f"{name}: {found}")
    return {"seconds": slowest, "faults": faults}


def main(arguments: list[str]) -> None:
    fuzzing = arguments[0] == "--fuzz"
    folder, *rest = arguments[1:] if fuzzing else arguments
    names = rest[2:] if fuzzing else rest
    timed(contents(Path(folder), names[:1]))
    before = peak()
    if fuzzing:
        result = fuzz(Path(folder), int(rest[0]), int(rest[1]), names)
    else:
        result = {"seconds": timed(contents(Path(folder), names))}
    print(json.dumps(result | {"megabytes": peak() - before}))  # noqa: T201 - a program of its own


if __name__ == "__main__":
    main(sys.argv[1:])
