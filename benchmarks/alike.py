"""How many of the ten pictures most like a picture are of its class: `refsort search --like` on labelled pictures.

    python3 -m benchmarks.alike FOLDER...             each holds a folder of pictures for each class
    python3 -m benchmarks.alike --encoder builtin-large FOLDER

Every picture is a query, itself left out. A class with fewer than eleven pictures can't fill its ten: "possible" is
what a perfect search would reach. State goes to a temporary folder, and the pictures' folders are only read.
"""

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from refsort.config import Config
from refsort.explore.index import paths_of
from refsort.explore.nearest import exact_many
from refsort.explore.search import open_search

AT = 10


class Quiet:
    """Listens, and says nothing but messages."""

    def message(self, text: str) -> None:
        print(f"  {text}")

    def stage(self, name: str, total: int) -> None:
        pass

    def step(self) -> None:
        pass

    def item(self, item: object) -> None:
        pass

    def end(self, run: object) -> None:
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--encoder", default="builtin")
    args = parser.parse_args()
    print(f"encoder {args.encoder}")
    print(f"{'set':16}{'pictures':>9}{'classes':>9}{'precision@10':>14}{'@1':>8}{'possible':>10}{'s':>8}")
    with tempfile.TemporaryDirectory() as state:
        for folder in args.folders:
            begun = time.perf_counter()
            config = Config(encoder=args.encoder, state_dir=Path(state))
            with open_search(config, folder, Quiet(), text=False) as search:
                query = "SELECT v.row FROM files f JOIN vectors v ON v.space='pictures' AND v.content=f.content"
                rows = [row for (row,) in search.store.db.execute(f"{query} ORDER BY f.path")]
                classes = np.array([path.split("/")[0] for path in sorted(paths_of(search.store), key=str.encode)])
                vectors = np.asarray(search.store.view("pictures"))[rows]
            seconds = time.perf_counter() - begun
            near = exact_many(vectors, vectors, AT + 1)
            right = [[classes[j] == classes[i] for j in row.tolist() if j != i][:AT] for i, row in enumerate(near)]
            count = Counter(classes.tolist())
            possible = np.mean([min(AT, count[name] - 1) / AT for name in classes.tolist()])
            print(
                f"{folder.name:16}{len(rows):9}{len(count):9}{np.mean(right):14.3f}"
                f"{np.mean([r[0] for r in right]):8.3f}{possible:10.3f}{seconds:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
