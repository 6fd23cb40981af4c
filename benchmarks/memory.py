"""Does memory stay flat over many large pictures?

    python benchmarks/memory.py PHOTO [--pictures 20000] [--encoder builtin]

PHOTO is scaled to 12 megapixels with grain; 40 such files are read, decoded and encoded again and again, each pass with
an empty cache. Printed is the resident memory after every tenth of the way.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import psutil
from encoders import make_files

from refsort.encoders import load
from refsort.files.cache import Cache
from refsort.files.dataset import Dataset
from refsort.sorting.embedding import Embedder, Limits


def main() -> None:
    """Print one line for each tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--encoder", default="builtin")
    args = parser.parse_args()
    encoder = load(args.encoder)
    process = psutil.Process()
    with tempfile.TemporaryDirectory() as name:
        make_files(args.photo, Path(name))
        folder = Path(name) / "12 MP"
        files = sorted(path.name for path in folder.iterdir())
        begun, done, shown = time.perf_counter(), 0, 0
        while done < args.pictures:
            cache = Cache(Path(name) / f"{done}.db", encoder.fingerprint)
            limits = Limits(10**9, 10**9)
            embedder = Embedder(Dataset(folder), encoder, cache, limits, batch_size=16, threads=os.cpu_count() or 1)
            done += sum(found.vector is not None for found in embedder.stream(files))
            cache.close()
            for path in Path(name).glob("*.db*"):
                path.unlink()
            if 10 * done // args.pictures > shown:
                shown = 10 * done // args.pictures
                rate = done / (time.perf_counter() - begun)
                print(f"{done:7} pictures  {process.memory_info().rss / 2**20:6.0f} MB  {rate:5.1f}/s", flush=True)


if __name__ == "__main__":
    main()
