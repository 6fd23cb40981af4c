"""Which rule sorts best by a few references: ours beside others from the literature, on photographs and CLIP vectors.

    python benchmarks/fewshot.py PHOTOS [--features FEATURES] [--references 1 2 5 10 20] [--draws 10] [--unequal]
                                 [--methods avg max lda ...] [--phrases] [--augment] [--speed]

PHOTOS holds a folder for each set, in it a folder for each class; they are embedded by the code that sorts. FEATURES
holds `food10_clip_vitb32.npz`, `fashion_clip.npz` and `imagenet_text_clip_vitb32.npz`: true CLIP vectors. Printed is
the mean class accuracy in percent, mean over the draws ± their standard deviation; every method sees the same draws.
Needs scikit-learn, which refsort itself does not.

--unequal draws classes of unequal size. Further tables: --phrases for the weight of phrases (needs --features),
--augment for mirrored and cut references on two sets, --speed for times; "--references" alone leaves out the others.

What the others leave open was settled in their favour: by cross-validation on the references (logistic regression,
ridge) or as the best of a grid on these very sets (C of the SVM; ALPHA and BETA; LAMBDA and GAMMA).
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from accuracy import Labels, Vectors, draw, embed_set
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeClassifierCV
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from refsort.decide import SCORERS, fit
from refsort.decide.base import class_means
from refsort.decide.lda import Lda
from refsort.decide.prototype import prototypes
from refsort.encoders import load
from refsort.encoders.base import unit
from refsort.images import read_picture

Scoring = Callable[[Vectors], NDArray[Any]]
Fitting = Callable[[Vectors, Labels, int], Scoring]
Phrased = tuple["Problem", Vectors]
"""A problem, and a text vector of each of its classes."""

ALPHA, BETA, LAMBDA, GAMMA = 1.0, 20.0, 0.03, 2.0
"""Weight and sharpness of the cache; ProKeR's penalty and the sharpness of its kernel."""
LEAST_ARRIVALS = 5
"""So many pictures of a class are never drawn as references."""
KAPPAS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
NAMED = {"pizza": "pizza, pizza pie", "hamburger": "cheeseburger", "guacamole": "guacamole", "ice_cream": "ice cream"}
"""Dishes that have a class in ImageNet, and how its name begins there."""
AUGMENTED = ("clothing", "trash")


def centred_prototypes(vectors: Vectors, labels: Labels, classes: int) -> Scoring:
    """Cosine to the class mean after the mean of the class means was taken off both."""
    means = class_means(vectors, labels, classes)
    middle = means.mean(axis=0)
    return lambda x: unit(x - middle) @ unit(means - middle).T


def cache(vectors: Vectors, labels: Labels, classes: int) -> Scoring:
    """Tip-Adapter without training (Zhang et al., ECCV 2022), with prototypes in the place of texts."""
    named = prototypes(vectors, labels, classes)
    shares = np.eye(classes)[labels] / np.bincount(labels)
    return lambda x: x @ named.T + ALPHA * np.exp(BETA * (x @ vectors.T - 1)) @ shares


def proker(vectors: Vectors, labels: Labels, classes: int) -> Scoring:
    """Kernel ridge regression on what prototypes leave unexplained (Bendou et al., "ProKeR", CVPR 2025)."""
    named = prototypes(vectors, labels, classes)
    kernel = np.exp(GAMMA * (vectors.astype(np.float64) @ vectors.T - 1))
    kernel.flat[:: len(kernel) + 1] += LAMBDA
    correction = np.linalg.solve(kernel, np.eye(classes)[labels] - vectors @ named.T)
    return lambda x: x @ named.T + np.exp(GAMMA * (x @ vectors.T - 1)) @ correction


def linear(choose: Callable[[int], Any]) -> Fitting:
    """A linear classifier of scikit-learn; `choose` makes it for classes of at least so many references.

    Vectors are centred, scaled to a mean square of one and turned into their own span: a penalty on |w|² can't tell.
    """

    def fitted(vectors: Vectors, labels: Labels, classes: int) -> Scoring:
        middle = vectors.mean(axis=0)
        centred = (vectors - middle).astype(np.float64)
        basis = np.linalg.qr(centred.T)[0] / np.sqrt((centred**2).sum(axis=1).mean())
        model = choose(int(np.bincount(labels).min())).fit(centred @ basis, labels)
        return lambda x: np.eye(classes)[model.predict((x - middle) @ basis)]

    return fitted


def logistic(least: int) -> Any:
    """L2-regularised; C by cross-validation where every class has two references or more."""
    if least < 2:
        return LogisticRegression(C=10, max_iter=300, class_weight="balanced")
    grid = {"Cs": [1, 10, 100], "cv": min(least, 3), "scoring": "neg_log_loss", "use_legacy_attributes": False}
    return LogisticRegressionCV(**grid, l1_ratios=(0,), max_iter=300, class_weight="balanced")


METHODS: dict[str, Fitting] = {mode: lambda v, y, c, mode=mode: fit(mode, v, y, c).scores for mode in SCORERS} | {
    "centred": centred_prototypes,
    "cache": cache,
    "ProKeR": proker,
    "ridge": linear(lambda _: RidgeClassifierCV(np.logspace(-2, 2, 9), class_weight="balanced")),
    "SVM": linear(lambda _: LinearSVC(C=1, class_weight="balanced")),
    "logistic": linear(logistic),
}


class Problem(NamedTuple):
    """A draw: references and arrivals with their labels."""

    vectors: Vectors
    labels: Labels
    arrivals: Vectors
    truth: Labels

    def accuracy(self, scoring: Scoring) -> float:
        """Mean class accuracy in percent."""
        right = scoring(self.arrivals).argmax(axis=1) == self.truth
        return 100 * float(np.mean([right[self.truth == label].mean() for label in np.unique(self.truth)]))


class Set(NamedTuple):
    """Labelled vectors to draw references from; the rest arrives, or, where they are given, `others` with labels."""

    vectors: Vectors
    labels: Labels
    others: tuple[Vectors, Labels] | None = None

    def problem(self, references: int, seed: int, unequal: bool = False) -> Problem:
        """So many references a class at random, or from half to twice as many."""
        rng = np.random.default_rng(seed)
        chosen = draw_unequal(self.labels, references, rng) if unequal else draw(self.labels, references, rng)
        rest = (self.vectors[~chosen], self.labels[~chosen]) if self.others is None else self.others
        return Problem(self.vectors[chosen], self.labels[chosen], *rest)


def draw_unequal(labels: Labels, references: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which pictures are references: the number of each class log-uniform between half and twice `references`."""
    chosen = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        size = max(round(references * 2 ** rng.uniform(-1, 1)), 1)
        chosen[rng.choice(members, min(size, len(members) - LEAST_ARRIVALS), replace=False)] = True
    return chosen


def fashion(features: Path) -> tuple[Vectors, Vectors, Labels]:
    """Pictures, captions and labels of the kinds of products with 25 pictures or more."""
    data = np.load(features / "fashion_clip.npz")
    kinds, counts = np.unique(data["label"], return_counts=True)
    kept = np.isin(data["label"], kinds[counts >= 25])
    images, texts = (unit(data[side][kept].astype(np.float32)) for side in ("image", "text"))
    return images, texts, np.unique(data["label"][kept], return_inverse=True)[1]


def dishes(features: Path, names: Iterable[str] | None = None) -> Set:
    """Ten dishes, or some; references come from `train`, arrivals from `test`."""
    data = np.load(features / "food10_clip_vitb32.npz")
    sides = []
    for part in ("train", "test"):
        label = data[f"{part}_label"]
        kept = np.isin(label, label if names is None else list(names))
        sides.append((unit(data[part][kept].astype(np.float32)), np.unique(label[kept], return_inverse=True)[1]))
    return Set(*sides[0], sides[1])


def cells(rows: Any) -> str:
    """Mean ± standard deviation of each row of float[k, draws]."""
    return "".join(f"{f'{np.mean(row):.1f} ± {np.std(row):.1f}':>13}" for row in rows)


def table(sets: dict[str, Set], methods: list[str], references: int, draws: int, unequal: bool) -> None:
    """A row a method, a column a set, and how far `lda` is ahead of the better of `avg` and `max`."""
    print(f"\n{references} references a class{', from half to twice as many' if unequal else ''}, {draws} draws")
    print(f"{'':9}" + "".join(f"{name:>13}" for name in [*sets, "mean"]))
    means: dict[str, NDArray[np.float64]] = {}
    for method in methods:
        results = []
        for data in sets.values():
            problems = (data.problem(references, seed, unequal) for seed in range(draws))
            results.append(
                [p.accuracy(METHODS[method](p.vectors, p.labels, int(p.labels.max()) + 1)) for p in problems]
            )
        means[method] = np.mean(results, axis=1)
        print(f"{method:9}{cells([*results, np.mean(results, axis=0)])}", flush=True)
    if {"avg", "max", "lda"} <= means.keys():
        ahead = means["lda"] - np.maximum(means["avg"], means["max"])
        shown = "".join(f"{value:>+13.1f}" for value in [*ahead, ahead.mean()])
        print(f"{'lda ahead':9}{shown}   worst: {list(sets)[int(ahead.argmin())]} {ahead.min():+.1f}")


def fashion_phrases(features: Path, references: int, seed: int, captions: int | None, shift: int = 0) -> Phrased:
    """Half of the products arrive, a phrase is the mean of so many captions of the others (None: of all).

    `shift` 1 gives each class the phrase of the next: what a wrong one costs.
    """
    images, texts, labels = fashion(features)
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(np.flatnonzero(labels == c)), 2) for c in np.unique(labels)]
    phrases = np.stack([texts[pool[::-1][:captions]].mean(axis=0) for pool, _ in halves])
    chosen = np.concatenate([pool[:references] for pool, _ in halves])
    arriving = np.concatenate([rest for _, rest in halves])
    problem = Problem(images[chosen], labels[chosen], images[arriving], labels[arriving])
    return problem, np.roll(unit(phrases), shift, axis=0)


def phrase_tables(features: Path, draws: int) -> None:
    """`lda` drawn toward phrases with different weights."""
    text = np.load(features / "imagenet_text_clip_vitb32.npz")
    rows = [next(i for i, name in enumerate(text["name"]) if name.startswith(NAMED[dish])) for dish in sorted(NAMED)]
    names, named = unit(text["text"][rows].astype(np.float32)), dishes(features, NAMED)
    kinds: dict[str, Callable[[int, int], Phrased]] = {
        "four dishes, ImageNet's names": lambda n, seed: (named.problem(n, seed), names),
        "fashion, mean of captions": lambda n, seed: fashion_phrases(features, n, seed, None),
        "fashion, one caption": lambda n, seed: fashion_phrases(features, n, seed, 1),
        "fashion, mean of captions of a wrong class": lambda n, seed: fashion_phrases(features, n, seed, None, 1),
    }
    for kind, make in kinds.items():
        print(f"\n{kind}: lda by weight of the phrase, {draws} draws")
        print(f"{'references':10}" + "".join(f"{name:>13}" for name in ["zero-shot", *KAPPAS]))
        for references in (1, 2, 5, 10):
            results = []
            for problem, phrases in (make(references, seed) for seed in range(draws)):
                rules = (Lda(problem.vectors, problem.labels, len(phrases), phrases, kappa) for kappa in KAPPAS)
                zero_shot = problem.accuracy(fit("prototype", phrases, np.arange(len(phrases)), len(phrases)).scores)
                results.append([zero_shot, *(problem.accuracy(rule.scores) for rule in rules)])
            print(f"{references:10}{cells(np.transpose(results))}")


def views(folder: Path, encoder_name: str) -> Vectors:
    """float32[n, 6, d]: each picture, its mirror image, and its four corners of 80 % of the sides."""
    encoder = load(encoder_name)
    found = []
    for path in sorted(path for path in folder.glob("*/*") if path.is_file()):
        rgb = read_picture(path.read_bytes(), side=encoder.side)
        height, width = (side // 5 for side in rgb.shape[:2])
        corners = [rgb[a : a - height or None, b : b - width or None] for a in (0, height) for b in (0, width)]
        prepared = [encoder.prepare(np.ascontiguousarray(view)) for view in (rgb, rgb[:, ::-1], *corners)]
        found.append(encoder.embed_images(np.stack(prepared)))
    return np.stack(found)


def augmented(photos: Path, encoder: str, references: list[int], draws: int) -> None:
    """`lda` with mirrored and cut references: each view a reference of its own, or their mean one reference."""
    for name in AUGMENTED:
        data, seen = Set(*embed_set(photos / name, encoder)), views(photos / name, encoder)
        classes = int(data.labels.max()) + 1
        print(f"\n{name}: lda with views of each reference, {draws} draws")
        print(f"{'references':10}{'plain':>13}{'+ mirror':>13}{'+ 4 corners':>13}{'mean of 6':>13}")
        for count in references:
            results = []
            for seed in range(draws):
                problem = data.problem(count, seed)
                support = seen[draw(data.labels, count, np.random.default_rng(seed))]
                trials = [(support[:, :k].reshape(-1, support.shape[2]), k) for k in (1, 2, 6)]
                trials.append((unit(support.mean(axis=1)), 1))
                rules = [Lda(rows, np.repeat(problem.labels, k), classes) for rows, k in trials]
                results.append([problem.accuracy(rule.scores) for rule in rules])
            print(f"{count:10}{cells(np.transpose(results))}")


def speed(methods: list[str], classes: int = 1000, references: int = 5, dim: int = 512, arrivals: int = 1000) -> None:
    """Milliseconds to fit and to score; logistic regression with one C, without the search for it."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(classes, dim))
    labels = np.repeat(np.arange(classes), references)
    near = [centres[y] + rng.normal(size=(len(y), dim)) for y in (labels, rng.integers(classes, size=arrivals))]
    vectors, x = (unit(rows.astype(np.float32)) for rows in near)
    print(f"\n{classes} classes of {references} references, {dim} dimensions: ms to fit, to score {arrivals} arrivals")
    for method in methods:
        begun = time.perf_counter()
        scoring = (linear(lambda _: logistic(1)) if method == "logistic" else METHODS[method])(vectors, labels, classes)
        fitted = time.perf_counter()
        scoring(x)
        print(f"{method:9}{1000 * (fitted - begun):>10.0f}{1000 * (time.perf_counter() - fitted):>10.0f}", flush=True)


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--encoders", nargs="+", default=["builtin"])
    parser.add_argument("--references", nargs="*", type=int, default=[1, 2, 5, 10, 20])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    for flag in ("--unequal", "--phrases", "--augment", "--speed"):
        parser.add_argument(flag, action="store_true")
    args = parser.parse_args()
    if args.phrases and not args.features:
        parser.error("--phrases needs --features")
    warnings.filterwarnings("ignore", "The number of unique classes")
    # One thread: the matrices are small, and threads would wait for one another.
    with threadpool_limits(1):
        for encoder in args.encoders if args.references else []:
            sets = {
                path.name: Set(*embed_set(path, encoder)) for path in sorted(args.photos.iterdir()) if path.is_dir()
            }
            if args.features:
                images, _, labels = fashion(args.features)
                sets |= {"food10": dishes(args.features), "fashion": Set(images, labels)}
            print(f"{encoder}: mean class accuracy in %")
            for references in args.references:
                table(sets, args.methods, references, args.draws, args.unequal)
        if args.augment:
            augmented(args.photos, args.encoders[0], args.references or [1, 5, 20], args.draws)
        if args.phrases:
            phrase_tables(args.features, args.draws)
        if args.speed:
            speed(args.methods)


if __name__ == "__main__":
    main()
