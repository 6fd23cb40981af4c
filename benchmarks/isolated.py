"""What it costs to decode in worker processes instead of in threads.

    python benchmarks/isolated.py [--rounds 9] [--seconds 3] [--threads 0] [--encoder builtin]

Synthetic JPEGs of 500 pixels and of 12 megapixels go through the stages of a sort without its files: decode and
prepare in threads, encode in batches; then through decoding alone, where the price shows most. Both ways take turns,
the first one changing from round to round. Printed are pictures a second and seconds of processor time a picture, each
as the ratio isolated / in threads: the median over the rounds and, in brackets, the smallest and the largest.
"""

import argparse
import os
import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from itertools import cycle, islice
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from PIL import Image

from refsort.encoders import Encoder, load
from refsort.images import MAX_PIXELS, read_picture
from refsort.images.isolated import IsolatedReader

SIZES = {"500 px": (500, 375), "12 megapixels": (4000, 3000)}
BATCH = 16
FILES = 6
"""Different pictures of each size."""

Array = NDArray[Any]
Read = Callable[[bytes], NDArray[np.uint8]]
Stages = Callable[[Read, list[bytes]], None]


def photograph(size: tuple[int, int], seed: int) -> bytes:
    """A JPEG with soft areas, edges and grain, 1.5 to 2.5 bits a pixel as cameras write them."""
    rng = np.random.default_rng(seed)
    width, height = size
    pixels = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((4, 60), (24, 30), (150, 16)):
        coarse = Image.fromarray(rng.integers(0, 256, (cells * 3 // 4, cells, 3), np.uint8))
        pixels += (np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32) - 128) * (strength / 64)
    pixels += 128 + rng.normal(0, 4, (height, width, 1)).astype(np.float32)
    out = BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def sort_like(encoder: Encoder, threads: int) -> Stages:
    """Decode and prepare ahead in threads, encode batches in this one."""

    def run(read: Read, files: list[bytes]) -> None:
        batch = []
        with ThreadPoolExecutor(threads) as pool:
            for prepared in ahead(pool, lambda data: encoder.prepare(read(data)), files, BATCH + 2 * threads):
                batch.append(prepared)
                if len(batch) == BATCH:
                    encoder.embed_images(np.stack(batch))
                    batch = []
        if batch:
            encoder.embed_images(np.stack(batch))

    return run


def decode_only(threads: int) -> Stages:
    def run(read: Read, files: list[bytes]) -> None:
        with ThreadPoolExecutor(threads) as pool:
            deque(ahead(pool, read, files, 4 * threads), maxlen=0)

    return run


def ahead(pool: ThreadPoolExecutor, work: Callable[[bytes], Array], files: list[bytes], depth: int) -> Iterator[Array]:
    """Arrays in order, `depth` files at a time being worked on or waiting."""
    window: deque[Future[Array]] = deque()
    for data in files:
        window.append(pool.submit(work, data))
        if len(window) >= depth:
            yield window.popleft().result()
    while window:
        yield window.popleft().result()


def processor_seconds() -> float:
    """Of this process and its workers, so far."""
    me = psutil.Process()
    return sum(times.user + times.system for times in (p.cpu_times() for p in (me, *me.children())))


def measured(stages: Stages, read: Read, files: list[bytes]) -> tuple[float, float]:
    """Pictures a second, and seconds of processor time a picture."""
    processor, begun = processor_seconds(), time.perf_counter()
    stages(read, files)
    seconds = time.perf_counter() - begun
    return len(files) / seconds, (processor_seconds() - processor) / len(files)


def compare(stages: Stages, ways: list[Read], files: list[bytes], rounds: int, seconds: float) -> str:
    """One line: the first way's rate, and what the second is to it."""
    for read in ways:
        stages(read, files)
    rate = measured(stages, ways[0], files)[0]
    many = list(islice(cycle(files), max(len(files), round(rate * seconds))))
    rates, costs, plain = [], [], []
    for number in range(rounds):
        found = {way: measured(stages, ways[way], many) for way in ((0, 1) if number % 2 else (1, 0))}
        plain.append(found[0][0])
        rates.append(found[1][0] / found[0][0])
        costs.append(found[1][1] / found[0][1])
    return f"{statistics.median(plain):7.1f}/s in threads; rate {spread(rates)}, processor {spread(costs)}"


def spread(ratios: list[float]) -> str:
    return f"x {statistics.median(ratios):.3f} ({min(ratios):.2f} .. {max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3, help="of one measurement, about")
    parser.add_argument("--threads", type=int, default=0, help="as many workers; 0: one for each core")
    parser.add_argument("--encoder", default="builtin")
    options = parser.parse_args()
    threads = options.threads or os.cpu_count() or 1
    encoder = load(options.encoder)
    with IsolatedReader(threads) as reader:
        ways: list[Read] = [
            lambda data: read_picture(data, side=encoder.side, max_pixels=MAX_PIXELS),
            lambda data: reader.read(data, side=encoder.side, max_pixels=MAX_PIXELS),
        ]
        for name, size in SIZES.items():
            files = [photograph(size, seed) for seed in range(FILES)]
            print(f"{name}, {sum(map(len, files)) / FILES / 1000:,.0f} kB each, {threads} threads or workers")
            for what, stages in (("sorting", sort_like(encoder, threads)), ("decoding alone", decode_only(threads))):
                print(f"  {what:15}{compare(stages, ways, files, options.rounds, options.seconds)}", flush=True)


if __name__ == "__main__":
    main()
