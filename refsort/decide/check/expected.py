"""How well sorting would go, and what more references would bring."""

import numpy as np

from refsort.decide.base import Floats, Labels, Wide
from refsort.decide.check.classes import wilson
from refsort.decide.check.findings import Curve, Expected, Step
from refsort.decide.folds import FOLDS, OutOfFold
from refsort.decide.lda import Lda

NINE_OF_TEN = 2.0
"""Standard deviations. 1.645 would do for one set of references; which ones were chosen matters too. Measured on eight
sets: the interval holds the true accuracy in 91 % of draws of 5 references a class, 88 % of 10, 81 % of 3."""
STEPS = (2, 3, 5, 8, 12, 20, 30, 50)
"""References a class that are tried."""
DRAWS = 5
MOST_DRAWN = 600
"""References in a draw: bounds the time."""
MOST_JUDGED = 2000
USUAL_SLOPE = 0.5
"""Error falls as references^-0.5: 0.3 to 0.8 on seven sets with 2 to 10 references."""
LEAST_SLOPE = 0.05
MISFIT = 0.2
"""Largest departure of an error rate from the power law, as a share of it."""


def expected(held: OutOfFold, labels: Labels, classes: int) -> Expected | None:
    """Recall, confusion and mean class accuracy from held-out scores; None if they tell nothing.

    Recall and confusion are those of the cross-validation, which had to do with a fifth less (with few references: one
    less) in each class; the accuracy and its interval are put right for that by the usual power law.
    """
    own = labels[held.covered]
    if classes < 2 or not len(own):
        return None
    confusion = np.zeros((classes, classes), dtype=np.intp)
    np.add.at(confusion, (own, held.scores[held.covered].argmax(axis=1)), 1)
    counts = confusion.sum(axis=1)
    judged = counts > 0
    recall = np.diag(confusion) / np.maximum(counts, 1)
    # A mean of rates is as sharp as one rate of so many trials.
    trials = judged.sum() ** 2 / (1 / counts[judged]).sum()
    accuracy = recall[judged].mean()
    low, high = wilson(accuracy, trials, NINE_OF_TEN)
    # Where nothing is learned, more references don't help: the law holds as far as the rule beats chance.
    skill = max(0.0, 1 - (1 - accuracy) / (1 - 1 / classes))
    fewer = 1 - skill * (1 - (held_size(labels, classes) / _typical(labels, classes)) ** USUAL_SLOPE)
    rates = tuple(float(rate) if known else None for rate, known in zip(recall, judged, strict=True))
    now, worst, best = (float(1 - (1 - share) * fewer) for share in (accuracy, low, high))
    return Expected(now, worst, best, rates, confusion)


def _typical(labels: Labels, classes: int) -> float:
    """Median number of references a class, 2 or more."""
    return max(float(np.median(np.bincount(labels, minlength=classes))), 2.0)


def held_size(labels: Labels, classes: int) -> float:
    """References that a typical class had left in the cross-validation."""
    typical = _typical(labels, classes)
    return typical * (1 - 1 / min(FOLDS, typical))


def curve(vectors: Floats, labels: Labels, classes: int, whole: Expected | None) -> Curve:
    """Accuracy by references a class, from a few draws of float32[n, d] without near duplicates, judged by the rest.

    The last point is that of the cross-validation. The same references give the same curve.
    """
    if whole is None:
        return Curve((), None)
    last = held_size(labels, classes)
    rng = np.random.default_rng(0)
    steps = []
    for size in STEPS:
        if size >= last or size * classes > MOST_DRAWN:
            break
        rates = [_one_draw(vectors, labels, classes, size, rng) for _ in range(DRAWS)]
        steps.append(Step(float(size), float(np.mean(rates))))
    known = [rate for rate in whole.recall if rate is not None]
    steps.append(Step(last, sum(known) / len(known)))
    return Curve(tuple(steps), gain_of_one(steps, _typical(labels, classes)))


def _one_draw(vectors: Floats, labels: Labels, classes: int, size: int, rng: np.random.Generator) -> float:
    """Mean class accuracy of the references that were not drawn."""
    order = rng.permutation(len(labels))
    rank = np.empty(len(labels), dtype=np.intp)
    for label in range(classes):
        members = order[labels[order] == label]
        rank[members] = np.arange(len(members))
    counts = np.bincount(labels, minlength=classes)
    drawn = rank < np.minimum(size, np.maximum(counts - 1, 1))[labels]
    rest = order[~drawn[order]][:MOST_JUDGED]
    right = Lda(vectors[drawn], labels[drawn], classes).scores(vectors[rest]).argmax(axis=1) == labels[rest]
    totals = np.bincount(labels[rest], minlength=classes)
    hits = np.bincount(labels[rest], weights=right, minlength=classes)
    return float((hits[totals > 0] / totals[totals > 0]).mean())


def gain_of_one(steps: list[Step], now: float) -> float | None:
    """Gain from `now` references a class to one more, if error = a · references^-b describes the steps."""
    sizes = np.asarray([step.references for step in steps])
    errors: Wide = 1.0 - np.asarray([step.accuracy for step in steps])
    if len(steps) < 3 or not (errors > 0).all():
        return None
    slope, height = np.polyfit(np.log(sizes), np.log(errors), 1)
    misfit = np.abs(np.exp(height + slope * np.log(sizes)) / errors - 1).max()
    if slope > -LEAST_SLOPE or misfit > MISFIT:
        return None
    return float(np.exp(height) * (now**slope - (now + 1) ** slope))
