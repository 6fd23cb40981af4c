"""How often the built-in encoders and the scorers are right on labelled photographs.

    python benchmarks/accuracy.py PHOTOS [--encoders builtin builtin-large] [--references 1 5 20] [--draws 5]

PHOTOS holds a folder for each set, in it a folder for each class. For each draw so many references a class are drawn
at random and everything else is decided, without abstaining. Printed is the mean class accuracy in percent, mean over
the draws ± their standard deviation.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsort.decide import SCORERS, fit
from refsort.encoders import load
from refsort.files.cache import Cache
from refsort.files.dataset import Dataset
from refsort.sorting.embedding import Embedder, Limits

MARGINS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1)
Vectors = NDArray[np.float32]
Labels = NDArray[np.intp]


def embed_set(folder: Path, encoder_name: str) -> tuple[Vectors, Labels]:
    """Vectors and labels of a set, by the very code that sorts."""
    encoder = load(encoder_name)
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    classes = sorted({path.parent.name for path in files})
    with tempfile.TemporaryDirectory() as state:
        cache = Cache(Path(state) / "cache.db", encoder.fingerprint)
        embedder = Embedder(Dataset(folder), encoder, cache, Limits(200_000_000, 500_000_000), batch_size=16, threads=2)
        found = list(embedder.stream(str(path.relative_to(folder)) for path in files))
        cache.close()
    keep = [i for i, item in enumerate(found) if item.vector is not None]
    labels = np.asarray([classes.index(files[i].parent.name) for i in keep], dtype=np.intp)
    return np.stack([v for i in keep if (v := found[i].vector) is not None]), labels


def draw(labels: Labels, references: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which pictures are references: so many of each class, at random."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        chosen[rng.choice(np.flatnonzero(labels == label), references, replace=False)] = True
    return chosen


def mean_class_accuracy(mode: str, vectors: Vectors, labels: Labels, chosen: NDArray[np.bool_]) -> float:
    """Mean over the classes of the share of their pictures that the best score gets right."""
    classes = int(labels.max()) + 1
    scores = fit(mode, vectors[chosen], labels[chosen], classes).scores(vectors[~chosen])
    right = scores.argmax(axis=1) == labels[~chosen]
    return float(np.mean([right[labels[~chosen] == c].mean() for c in range(classes)]))


def margins(vectors: Vectors, labels: Labels, references: int, seed: int) -> NDArray[np.float64]:
    """What cuts on the margin do, `prototype`, with a fifth of the classes left out so that their pictures are strays.

    Rows along MARGINS: share of members moved, share wrong among those, share of strays moved (NaN: no strays).
    """
    rng = np.random.default_rng(seed)
    classes = int(labels.max()) + 1
    chosen = draw(labels, references, rng)
    out = rng.choice(classes, classes // 5, replace=False)
    kept = np.setdiff1d(np.arange(classes), out)
    known = chosen & np.isin(labels, kept)
    scorer = fit("prototype", vectors[known], np.searchsorted(kept, labels[known]).astype(np.intp), len(kept))
    scores = scorer.scores(vectors[~chosen])
    best = np.sort(scores, axis=1)
    lead = best[:, -1] - best[:, -2]
    stray = np.isin(labels[~chosen], out)
    right = kept[scores.argmax(axis=1)] == labels[~chosen]
    rows = []
    for margin in MARGINS:
        moved = lead >= margin
        wrong = float(np.mean(~right[moved & ~stray])) if (moved & ~stray).any() else 0.0
        rows.append([moved[~stray].mean(), wrong, moved[stray].mean() if stray.any() else np.nan])
    return np.asarray(rows)


def main() -> None:
    """Print the tables of each encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--encoders", nargs="+", default=["builtin", "builtin-large"])
    parser.add_argument("--references", nargs="+", type=int, default=[1, 5, 20])
    parser.add_argument("--draws", type=int, default=5)
    args = parser.parse_args()
    sets = sorted(path for path in args.photos.iterdir() if path.is_dir())
    for encoder in args.encoders:
        embedded = {path.name: embed_set(path, encoder) for path in sets}
        print(f"\n{encoder}: mean class accuracy in %, {args.draws} draws")
        print(f"{'references':>10}  {'mode':10}" + "".join(f"{name:>14}" for name in embedded) + f"{'mean':>14}")
        for references in args.references:
            for mode in SCORERS:
                results = []
                for vectors, labels in embedded.values():
                    results.append(
                        [
                            100 * mean_class_accuracy(mode, vectors, labels, draw(labels, references, rng))
                            for rng in map(np.random.default_rng, range(args.draws))
                        ]
                    )
                rows = [*results, np.mean(results, axis=0).tolist()]
                cells = "".join(f"{f'{np.mean(r):.1f} ± {np.std(r):.1f}':>14}" for r in rows)
                print(f"{references:>10}  {mode:10}{cells}")
        for references in args.references:
            print(f"\ncuts on the margin, prototype, {references} references, mean over the sets, in %")
            tables = [
                margins(vectors, labels, references, seed)
                for vectors, labels in embedded.values()
                for seed in range(args.draws)
                if labels.max() > 0
            ]
            for margin, row in zip(MARGINS, np.nanmean(tables, axis=0), strict=True):
                moved, wrong, strays = 100 * row
                print(
                    f"  {margin:.2f}: members moved {moved:.1f}, wrong of these {wrong:.1f}, strays moved {strays:.1f}"
                )


if __name__ == "__main__":
    main()
