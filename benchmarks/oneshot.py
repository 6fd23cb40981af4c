"""A one-shot sort as a whole process: against the way people do it by hand, cold and warm, and its memory.

    python benchmarks/oneshot.py PHOTOS [--pictures 400] [--files 50000] [--model FOLDER]

PHOTOS: labelled folders, one level (class/picture). Everything is copied to a temporary dataset first. --model is a
sentence-transformers folder with a CLIP ViT-B/32; without it one of random weights is made, which is as fast.
Times are wall-clock seconds of whole processes, all in one run on one machine, and include start and loading.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
REFERENCES = 5
CACHE = tempfile.mkdtemp(prefix="refsort-benchmark-")
"""For the exported model: made once per machine, before anything is timed."""


def make_dataset(root: Path, photos: Path, pictures: int) -> None:
    """So many pictures into Images/, REFERENCES of each class into Clases/."""
    arrivals = []
    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        files = sorted(folder.iterdir())
        (root / "Clases" / folder.name).mkdir(parents=True)
        for path in files[:REFERENCES]:
            shutil.copy(path, root / "Clases" / folder.name / path.name)
        arrivals += files[REFERENCES:]
    (root / "Images").mkdir()
    for number in range(pictures):
        source = arrivals[number % len(arrivals)]
        # A few bytes behind the end of a JPEG make each file another one, so that the cache can't help.
        (root / "Images" / f"{number:06}.jpg").write_bytes(source.read_bytes() + number.to_bytes(8, "big"))


def timed(command: list[str]) -> tuple[float, str]:
    """Wall-clock seconds and the last line of standard output."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("REFSORT_")} | {
        "HF_HUB_OFFLINE": "1",
        "REFSORT_CACHE": CACHE,
    }
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begun
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    return seconds, (done.stdout.strip().splitlines() or [""])[-1]


def refsort(command: str, dataset: Path, *flags: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "refsort",
        command,
        "--data-dir",
        str(dataset.parent),
        "--dataset",
        dataset.name,
        *flags,
    ]


def speed(photos: Path, pictures: int, model: Path, work: Path) -> None:
    rows: list[tuple[str, float]] = []
    dataset = work / "owner"
    make_dataset(dataset, photos, pictures)
    owner, rate = timed([sys.executable, "benchmarks/owners_way.py", str(dataset), str(model)])
    rows.append((f"sentence-transformers, one by one, shutil.move ({rate} pictures/s once loaded)", owner))
    make_dataset(work / "export", photos, 1)
    timed(refsort("sort", work / "export", "--encoder", str(model)))
    for encoder, name in ((str(model), "refsort, CLIP exported to ONNX"), ("builtin", "refsort, builtin")):
        dataset = work / name.replace(" ", "-").replace(",", "")
        make_dataset(dataset, photos, pictures)
        flags = ("--encoder", encoder, "--mode", "avg", "--json")
        rows.append((f"{name}, cold", timed(refsort("sort", dataset, *flags))[0]))
        timed(refsort("undo", dataset))
        rows.append((f"{name}, warm (vectors cached)", timed(refsort("sort", dataset, *flags))[0]))
    print(f"{pictures} pictures, whole process")
    for name, seconds in rows:
        print(f"  {seconds:7.1f} s  {pictures / seconds:7.1f} pictures/s  {owner / seconds:5.1f} x  {name}")


def memory(files: int, work: Path) -> None:
    """Peak memory of a sort over many small files, beside that of one over a handful."""
    peaks = {}
    for count in (40, files):
        dataset = work / f"small-{count}"
        for name, colour in (("red", (200, 40, 30)), ("blue", (30, 60, 200))):
            (dataset / "Clases" / name).mkdir(parents=True)
            Image.new("RGB", (64, 64), colour).save(dataset / "Clases" / name / "r.png")
        (dataset / "Images").mkdir()
        for number in range(count):
            colour = (number % 256, number // 256 % 256, 90)
            Image.new("RGB", (32, 32), colour).save(dataset / "Images" / f"{number:06}.png")
        # A process of its own, so that the peak of the children is this one's.
        script = (
            "import sys, resource, subprocess; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        )
        script += "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
        command = refsort("sort", dataset, "--encoder", "builtin", "--json", "--unsure", "off")
        seconds, last = timed([sys.executable, "-c", script, *command])
        peaks[count] = int(last)
        print(f"  {count:7} files of 32 x 32: peak {last} MB, {seconds:.1f} s, {count / seconds:.0f} files/s")
    print(f"  beyond the encoder's own: {peaks[files] - peaks[40]} MB")


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=400)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--model", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = args.model
        if model is None:
            from random_clip import make_random_clip

            model = make_random_clip(work / "random-clip")
        speed(args.photos, args.pictures, model, work)
        print("memory")
        memory(args.files, work)
    shutil.rmtree(CACHE)


if __name__ == "__main__":
    main()
