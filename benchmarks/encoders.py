"""Pictures per second from files on disk, per stage and as a whole, beside what sentence-transformers does.

    python benchmarks/encoders.py PHOTO [--model FOLDER] [--rounds 3] [--cores 1 2]

PHOTO: any photograph; it is scaled to 12 megapixels and to 500 pixels, with grain so that it compresses like a real
one. --model: a sentence-transformers folder with a CLIP ViT-B/32; without it one of random weights is made, which is
as fast. Every figure comes from a process of its own; the ways are interleaved, the best of the rounds is shown.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SIZES = {"12 MP": ((4000, 3000), 40), "500 px": ((500, 375), 240)}
"""Width and height, and how many files."""


def make_files(photo: Path, folder: Path) -> None:
    """JPEG files of each size, each with grain of its own."""
    rng = np.random.default_rng(0)
    source = Image.open(photo).convert("RGB")
    for name, (size, count) in SIZES.items():
        (folder / name).mkdir(parents=True)
        base = np.asarray(source.resize(size, Image.Resampling.BICUBIC), np.int16)
        for number in range(count):
            # Small rolls instead of fresh noise for each of the large ones: making them would take minutes.
            grain = rng.integers(-9, 10, (64, 64, 3), dtype=np.int16)
            tiled = np.tile(grain, (size[1] // 64 + 1, size[0] // 64 + 1, 1))[: size[1], : size[0]]
            picture = np.clip(np.roll(base, number * 7, axis=1) + tiled, 0, 255).astype(np.uint8)
            Image.fromarray(picture).save(folder / name / f"{number:04}.jpg", quality=92)


def pipeline(folder: Path, encoder_name: str) -> dict[str, float]:
    """refsort's own way: its Embedder over the folder, and each stage alone for comparison."""
    from refsort.encoders import load
    from refsort.files.cache import Cache
    from refsort.files.dataset import Dataset
    from refsort.images import read_picture
    from refsort.sorting.embedding import Embedder, Limits

    encoder = load(encoder_name)
    files = sorted(path.name for path in folder.iterdir())
    with tempfile.TemporaryDirectory() as state:
        cache = Cache(Path(state) / "cache.db", encoder.fingerprint)
        embedder = Embedder(
            Dataset(folder), encoder, cache, Limits(10**9, 10**9), batch_size=16, threads=len(os.sched_getaffinity(0))
        )
        list(embedder.stream(files[:4]))
        begun = time.perf_counter()
        list(embedder.stream(files[4:]))
        wall = time.perf_counter() - begun
        cache.close()
    count = len(files) - 4
    stages = {"read": 0.0, "decode": 0.0, "resize": 0.0, "encode": 0.0}
    sample = files[4 : 4 + min(count, 24)]
    prepared = []
    for name in sample:
        t0 = time.process_time()
        data = (folder / name).read_bytes()
        t1 = time.process_time()
        rgb = read_picture(data, side=encoder.side)
        t2 = time.process_time()
        prepared.append(encoder.prepare(rgb))
        t3 = time.process_time()
        for stage, seconds in (("read", t1 - t0), ("decode", t2 - t1), ("resize", t3 - t2)):
            stages[stage] += seconds
    t0 = time.process_time()
    encoder.embed_images(np.stack(prepared))
    stages["encode"] = time.process_time() - t0
    stages = {stage: 1000 * seconds / len(sample) for stage, seconds in stages.items()}
    cores = len(os.sched_getaffinity(0))
    ideal = count * sum(stages.values()) / 1000 / cores
    return {"images_per_second": count / wall, "wall_over_ideal": wall / ideal, **stages}


def documented(folder: Path, model: str, batch: int) -> dict[str, float]:
    """sentence-transformers as its documentation shows it."""
    from sentence_transformers import SentenceTransformer

    loaded = SentenceTransformer(model)
    files = sorted(folder.iterdir())
    files = files[: 12 if batch == 1 else 36]
    loaded.encode([Image.open(path) for path in files[:2]])
    begun = time.perf_counter()
    if batch == 1:
        for path in files:
            loaded.encode(Image.open(path))
    else:
        loaded.encode([Image.open(path) for path in files], batch_size=batch)
    return {"images_per_second": len(files) / (time.perf_counter() - begun)}


def first_decision(dataset: Path, encoder: str) -> float:
    """Seconds from the start of a process to its first decision: a whole sort of one picture, references cached."""
    flags = ["--data-dir", str(dataset.parent), "--dataset", dataset.name, "--encoder", encoder, "--no-report"]
    command = [sys.executable, "-m", "refsort", "sort", *flags, "--action", "move", "--unsure", "off"]
    times = []
    for number in range(4):
        Image.new("RGB", (500, 375), (number * 20, 90, 120)).save(dataset / "Images" / f"new{number}.jpg")
        begun = time.perf_counter()
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def in_a_process(way: str, folder: Path, argument: str, cores: int) -> dict[str, Any]:
    """Run one way on so many cores."""
    command = [sys.executable, __file__, "--way", way, str(folder), argument]
    pin = set(sorted(os.sched_getaffinity(0))[:cores])
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(cores)},
        preexec_fn=lambda: os.sched_setaffinity(0, pin),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the tables."""
    if "--way" in sys.argv:
        way, folder, argument = sys.argv[2:5]
        ways = {
            "refsort": pipeline,
            "batched": lambda f, m: documented(f, m, 16),
            "one": lambda f, m: documented(f, m, 1),
        }
        print(json.dumps(ways[way](Path(folder), argument)))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work_name:
        work = Path(work_name)
        os.environ["REFSORT_CACHE"] = str(work / "cache")
        make_files(args.photo, work)
        model = args.model
        if model is None:
            from random_clip import make_random_clip

            model = make_random_clip(work / "random-clip")
        rows = [
            ("builtin", "refsort", "builtin"),
            ("builtin-large", "refsort", "builtin-large"),
            ("CLIP ViT-B/32 in refsort", "refsort", str(model)),
            ("sentence-transformers, batches of 16", "batched", str(model)),
            ("sentence-transformers, one by one", "one", str(model)),
        ]
        for cores in args.cores:
            for size in SIZES:
                best: dict[str, dict[str, Any]] = {}
                for _ in range(args.rounds):
                    for name, way, argument in rows:
                        found = in_a_process(way, work / size, argument, cores)
                        if found["images_per_second"] > best.get(name, {}).get("images_per_second", 0):
                            best[name] = found
                print_table(f"{size} JPEG files, {cores} core(s)", best)
        dataset = work / "Start"
        for name, colour in (("red", (200, 40, 30)), ("blue", (30, 60, 200))):
            (dataset / "Clases" / name).mkdir(parents=True)
            Image.new("RGB", (64, 64), colour).save(dataset / "Clases" / name / "r.png")
        (dataset / "Images").mkdir()
        print("\nstart to the end of a sort of one picture, references cached")
        for name in ("builtin", str(model)):
            print(f"  {first_decision(dataset, name):6.2f} s  {'CLIP' if name != 'builtin' else name}")


def print_table(title: str, best: dict[str, dict[str, Any]]) -> None:
    """One line a way, with its factor over sentence-transformers in batches."""
    base = best["sentence-transformers, batches of 16"]["images_per_second"]
    print(f"\n{title}\n  images/s   factor   ms of CPU a picture: read decode resize encode   wall / ideal")
    for name, row in best.items():
        stages = "  ".join(f"{row[s]:6.1f}" for s in ("read", "decode", "resize", "encode")) if "read" in row else ""
        ratio = f"{row['wall_over_ideal']:.2f}" if "wall_over_ideal" in row else ""
        rate = row["images_per_second"]
        print(f"  {rate:8.1f} {rate / base:8.1f}   {stages:44} {ratio:6}  {name}", flush=True)


if __name__ == "__main__":
    main()
