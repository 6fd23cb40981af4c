"""How fast `refsort embed` is: its engines beside the plain script that Ray Data's documentation shows.

    python3 -m benchmarks.scale PICTURES                  a folder of photographs, taken COPIES times over
    python3 -m benchmarks.scale PICTURES --copies 1 --runs 1

Every run is a process of its own, with `builtin`. "seconds" is from its start to its end, "embedding" without the
start of Python and Ray, as the program itself counts it. The engines take turns, so that a noisy machine is noisy for
all; the load average stands beside each run.

The plain script (ray.data.read_images, map_batches with a class that holds the network, write_parquet) prepares and
computes pictures with the same code, so that only the way they are fed differs. It has no limits for hostile files, no
hashes, and begins anew after every failure: what it does about one broken picture is the last line.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENCODER = "builtin"


def embedder(source: Path, target: Path) -> int:
    """Nothing but the vectors, in one process: what sorting does."""
    from refsort.encoders import load
    from refsort.files.cache import Cache
    from refsort.files.dataset import Dataset
    from refsort.sorting.embedding import Embedder, Limits

    encoder, dataset = load(ENCODER), Dataset(source)
    cache = Cache(target / "cache.db", encoder.fingerprint)
    limits = Limits(200_000_000, 500_000_000)
    made = Embedder(dataset, encoder, cache, limits, batch_size=16, threads=len(os.sched_getaffinity(0)))
    return sum(found.vector is not None for found in made.stream([p[2:] for p in dataset.files(".")]))


def with_engine(engine: str, workers: int = 0) -> Callable[[Path, Path], int]:
    def run(source: Path, target: Path) -> int:
        from refsort.config import Config
        from refsort.scale.embedding import Engine, embed
        from refsort.scale.local import LocalEngine
        from refsort.scale.work import Job
        from refsort.sorting.events import Reporters

        def make(job: Job) -> Engine:
            if engine == "local":
                return LocalEngine(job, print)
            from refsort.scale.ray_engine import RayEngine

            return RayEngine(job, print, workers=workers)

        return embed(Config(encoder=ENCODER), str(source), str(target), make, Reporters()).new

    return run


def plain_ray_data(source: Path, target: Path) -> int:
    """As docs.ray.io/en/latest/data/working-with-images.html and batch_inference.html have it, with two actors."""
    import ray

    class Network:
        def __init__(self) -> None:
            from refsort.encoders import load

            self.encoder = load(ENCODER, 1)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            import numpy as np

            prepared = np.stack([self.encoder.prepare(image) for image in batch["image"]])
            return {"path": batch["path"], "vector": self.encoder.embed_images(prepared).astype(np.float16)}

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Two actors hold two cores for good; with no more than that the reading tasks would wait for ever.
    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    # Hidden folders are none of the pictures; RGB, because the files are of several modes.
    found = ray.data.read_images(str(source), mode="RGB", include_paths=True)
    found.map_batches(Network, concurrency=2, batch_size=16).write_parquet(str(target))
    rows = ray.data.read_parquet(str(target)).count()
    ray.shutdown()
    return int(rows)


WAYS: dict[str, Callable[[Path, Path], int]] = {
    "embedder": embedder,
    "local": with_engine("local"),
    "ray, 1 worker": with_engine("ray", 1),
    "ray, 2 workers": with_engine("ray", 2),
    "plain Ray Data, 2 actors": plain_ray_data,
}


def timed(way: str, source: Path) -> dict[str, Any]:
    """One run in a process of its own."""
    with tempfile.TemporaryDirectory() as target:
        begun, load = time.perf_counter(), os.getloadavg()[0]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.scale", str(source), "--one", way, "--to", f"{target}/out"],
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - begun
    if done.returncode:
        return {
            "way": way,
            "failed": (done.stderr.strip().splitlines() or ["?"])[-1][:150],
            "seconds": round(seconds, 1),
        }
    told = json.loads(done.stdout.splitlines()[-1])
    told |= {"per_second": round(told["pictures"] / told["embedding"], 1), "seconds": round(seconds, 1)}
    return {"way": way, **told, "load_before": round(load, 1)}


def one(way: str, source: Path, target: Path) -> None:
    target.mkdir()
    begun = time.perf_counter()
    pictures = WAYS[way](source, target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        json.dumps({"pictures": pictures, "embedding": round(time.perf_counter() - begun, 2), "driver_peak_mib": peak})
    )


def copied(source: Path, copies: int, target: Path) -> int:
    """The pictures so many times over; how many there are."""
    for number in range(copies):
        shutil.copytree(source, target / str(number), ignore=shutil.ignore_patterns("*.md", "*.txt", "*.json", "*.csv"))
    return sum(path.is_file() for path in target.rglob("*"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--copies", type=int, default=2)
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--to", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(args.one, args.source, args.to)
        return
    with tempfile.TemporaryDirectory() as folder:
        single = Path(folder) / "one"
        single.mkdir()
        shutil.copy2(next(p for p in sorted(args.source.rglob("*")) if p.suffix in (".jpg", ".png")), single)
        for way in args.ways:  # what a start costs: one picture
            print(json.dumps({"start": timed(way, single)}), flush=True)
        many = Path(folder) / "many"
        print(json.dumps({"pictures": copied(args.source, args.copies, many)}), flush=True)
        for _ in range(args.runs):
            for way in args.ways:
                print(json.dumps(timed(way, many)), flush=True)
        (single / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
        for way in args.ways[-2:]:
            print(json.dumps({"with one broken picture": timed(way, single)}), flush=True)


if __name__ == "__main__":
    main()
