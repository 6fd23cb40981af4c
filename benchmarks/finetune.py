"""What fine-tuning gains over `lda` on the same labels, and whether its promises hold.

    python benchmarks/finetune.py PHOTOS [--sets coins sign_digits] [--recipes last head] [--seeds 0 1] [--base builtin]
                                  [--references 5] [--corrections 100]

PHOTOS holds a folder for each set, in it a folder for each class. For each set and seed so many references a class are
drawn and `lda` decides the rest; a person then corrects so many of those that were wrong or left aside, and confirms
others where these are too few (never more than half of the rest). Held out is what remains.

Printed for each recipe: the share of the held-out pictures that are right by its head and by `lda` on its vectors, with
a paired bootstrap interval (90 %) of the gain over `lda` on the frozen encoder with the same labels; then moved/wrong
at max_wrong 0.05, in percent, with the examples' own vectors as references and with honest ones, of networks that had
not seen them; alpha, the share of what was learned that was kept; and seconds.
"""

import argparse
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from accuracy import Labels, Vectors, draw
from numpy.typing import NDArray

from refsort.decide import Rule, fit, make_judge
from refsort.encoders import Encoder, Rgb, load
from refsort.images import read_picture
from refsort.learn.training import Example, Options, read_head, train
from refsort.sorting.models import read_stand_ins

RULE = Rule(max_wrong=0.05)
RESAMPLES = 2000
Flags = NDArray[np.bool_]


class Problem(NamedTuple):
    """A set, and which of its pictures are known."""

    files: list[Path]
    rgbs: list[Rgb]
    vectors: Vectors
    labels: Labels
    classes: list[str]
    references: Labels
    train: Labels
    holdout: Labels


class Silent:
    """Listens to nothing."""

    def message(self, text: str) -> None:
        print(f"   {text}")

    def stage(self, name: str, total: int) -> None: ...

    def step(self) -> None: ...


def read_set(folder: Path, encoder: Encoder) -> tuple[list[Path], list[Rgb], Vectors, Labels, list[str]]:
    """Files, pictures, vectors, labels and class names of a set."""
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    classes = sorted({path.parent.name for path in files})
    rgbs = [read_picture(path.read_bytes(), side=encoder.side) for path in files]
    labels = np.array([classes.index(path.parent.name) for path in files], np.intp)
    return files, rgbs, embed(encoder, rgbs), labels, classes


def embed(encoder: Encoder, rgbs: list[Rgb]) -> Vectors:
    blocks = (rgbs[i : i + 32] for i in range(0, len(rgbs), 32))
    return np.concatenate([encoder.embed_images(np.stack([encoder.prepare(rgb) for rgb in b])) for b in blocks])


def problem(folder: Path, encoder: Encoder, references: int, corrections: int, seed: int) -> Problem:
    """References at random, and what a person would put right after a first sorting by them."""
    files, rgbs, vectors, labels, classes = read_set(folder, encoder)
    rng = np.random.default_rng(seed)
    chosen = draw(labels, references, rng)
    rest = np.flatnonzero(~chosen)
    decisions, _ = make_judge("lda", vectors[chosen], labels[chosen], classes, RULE).decide(vectors[rest])
    names = [classes[label] for label in labels[rest]]
    wrong = np.array([d.verdict != "sure" or d.class_name != name for d, name in zip(decisions, names, strict=True)])
    corrected = np.concatenate([rng.permutation(rest[wrong]), rng.permutation(rest[~wrong])])
    corrected = corrected[: min(corrections, len(rest) // 2)]
    known = np.concatenate([np.flatnonzero(chosen), corrected])
    return Problem(files, rgbs, vectors, labels, classes, np.flatnonzero(chosen), known, np.setdiff1d(rest, corrected))


def right(task: Problem, references: Vectors, labels: Labels, vectors: Vectors) -> Flags:
    scores = fit("lda", references, labels, len(task.classes)).scores(vectors)
    return np.asarray(scores.argmax(axis=1) == task.labels[task.holdout])


def promise(task: Problem, references: Vectors, vectors: Vectors) -> str:
    """Share moved, and share of these that is wrong."""
    judge = make_judge("lda", references, task.labels[task.train], task.classes, RULE)
    decisions, _ = judge.decide(vectors)
    moved = np.array([d.verdict == "sure" for d in decisions])
    truth = [task.classes[label] for label in task.labels[task.holdout]]
    false = np.array([d.class_name != name for d, name in zip(decisions, truth, strict=True)])
    return f"{100 * moved.mean():3.0f}/{100 * false[moved].mean() if moved.any() else 0:4.1f}"


def interval(after: Flags, before: Flags, seed: int) -> tuple[float, float]:
    """Of the gain in points, 90 %, over resamples of the pictures."""
    rng = np.random.default_rng(seed)
    gains = after.astype(float) - before.astype(float)
    means = gains[rng.integers(len(gains), size=(RESAMPLES, len(gains)))].mean(axis=1)
    low, high = np.quantile(100 * means, [0.05, 0.95])
    return float(low), float(high)


def tried(task: Problem, recipe: Any, base: str, seed: int, frozen: Flags) -> float:
    """Print the line of a recipe; returns the gain of `lda` on its vectors, in points."""
    examples = [Example(task.files[i], int(task.labels[i])) for i in task.train]
    with tempfile.TemporaryDirectory() as scratch:
        trained = train(examples, task.classes, Options(recipe, base, seed), Path(scratch), Silent())
        vectors = embed(load(f"onnx:{scratch}/model.onnx"), task.rgbs)
        weight, bias = read_head(Path(scratch))
        honest = np.stack(list(read_stand_ins(Path(scratch)).values()))
    own, held = vectors[task.train], vectors[task.holdout]
    if len(honest) < len(own):
        raise SystemExit("pictures of the set occur twice")
    by_head = (held @ weight.T + bias).argmax(axis=1) == task.labels[task.holdout]
    by_lda = right(task, honest, task.labels[task.train], held)
    cells = []
    for flags in (by_head, by_lda):
        low, high = interval(flags, frozen, seed)
        cells.append(f"{100 * flags.mean():5.1f} ({low:+5.1f} {high:+5.1f})")
    promises = f"{promise(task, own, held)}  {promise(task, honest, held)}"
    print(
        f"   {recipe:8}{cells[0]:>22}{cells[1]:>22}  {promises}  {trained.alpha:4.2f} {trained.seconds:5.0f}",
        flush=True,
    )
    return float(100 * (by_lda.mean() - frozen.mean()))


def main() -> None:
    """Print the table of each set, and the mean gains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--sets", nargs="+", default=["clothing", "coins", "grocery", "sign_digits", "trash"])
    parser.add_argument("--recipes", nargs="+", default=["head", "proj", "last", "lora", "lp-ft", "full"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--base", default="builtin")
    parser.add_argument("--references", type=int, default=5)
    parser.add_argument("--corrections", type=int, default=100)
    args = parser.parse_args()
    encoder = load(args.base)
    gains: dict[str, list[float]] = {recipe: [] for recipe in args.recipes}
    for name in args.sets:
        for seed in args.seeds:
            task = problem(args.photos / name, encoder, args.references, args.corrections, seed)
            held, known = task.vectors[task.holdout], task.vectors[task.train]
            first = right(task, task.vectors[task.references], task.labels[task.references], held)
            frozen = right(task, known, task.labels[task.train], held)
            print(f"{name}, seed {seed}: {len(task.train)} labels, {len(held)} held out")
            print(
                f"   lda: {100 * first.mean():.1f} on the references, {100 * frozen.mean():.1f} on all labels, ", end=""
            )
            print(f"moved/wrong {promise(task, known, held)}")
            print(f"   {'recipe':8}{'head':>22}{'lda on its vectors':>22}  own refs  honest   alpha     s", flush=True)
            for recipe in args.recipes:
                gains[recipe].append(tried(task, recipe, args.base, seed, frozen))
    for recipe, points in gains.items():
        print(f"mean gain of lda on vectors by {recipe}: {np.mean(points):+.1f} points over {len(points)} problems")


if __name__ == "__main__":
    main()
