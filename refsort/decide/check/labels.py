"""References that probably lie in the wrong folder, and references that belong to nothing here.

The first is the idea of confident learning (Northcutt, Jiang, Chuang: "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 2021): held-out probabilities that contradict the label. Their rule asks that another class passes
its mean self-confidence. Measured on eleven sets, that finds four of five swapped labels, and also names every sixth
right one where classes are hard to tell apart. What is done here instead: the temperature is fitted together with the
share of wrong labels, so that swaps don't flatten every probability, and the odds asked for rise until few right labels
are expected among those named.
"""

import numpy as np

from refsort.decide.base import Flags, Floats, Labels, Wide
from refsort.decide.check.findings import FEW, Finding, Severity
from refsort.decide.folds import OutOfFold
from refsort.decide.trust.temperature import softmax

NOISE = (0.05, 0.1, 0.2)
"""Shares of wrong labels that are tried."""
TEMPERATURES = np.geomspace(1e-3, 30.0, 56)
"""Tried ones, in units of the scores' spread."""
LOG_ODDS = 2.0
"""Natural logarithm of the least odds that a picture is called mislabelled at (7 : 1)."""
FALSE_ALARMS = 0.05
"""Share of right labels that may be named, as far as the probabilities tell."""
MOST_ROWS = 4000
"""References that the temperature is fitted on; more add nothing."""

OUTLIER_Z = 5.0
"""Robust standard deviations below its class's usual cosine. Measured: names 1 % of the references of clean sets."""
OTHER_Z = 3.0
"""The same for every other class: a swapped picture is usual in the class it comes from."""
NO_OTHER_Z = 0.5
"""And the cosine to the nearest other class is so far below what is usual in the whole dataset."""
LEAST_FOR_OUTLIER = 4
POOLED = 10.0
"""References that the spread of all classes counts for, beside a class's own."""
TO_SIGMA = 1.4826
"""From a median absolute deviation to a normal distribution's standard deviation."""


def temperature(scores: Wide, labels: Labels) -> float | None:
    """That of float64[n, c] held-out scores whose labels are partly wrong; None if the scores tell nothing.

    A label is right with probability 1 - ε and any class otherwise: P(y) = (1 - ε) softmax(s/T)_y + ε/c. T and ε are
    those of the largest likelihood among TEMPERATURES and NOISE.
    """
    rows = np.unique(np.linspace(0, len(labels) - 1, min(len(labels), MOST_ROWS)).astype(np.intp))
    scores, labels = scores[rows], labels[rows]
    spread = float(np.abs(scores - scores.mean(axis=1, keepdims=True)).mean())
    if not np.isfinite(spread) or spread <= 0:
        return None
    noise = np.asarray(NOISE)[:, None]

    def likelihood(unit: float) -> float:
        own = softmax(scores, unit * spread)[np.arange(len(labels)), labels]
        return float(np.log((1 - noise) * own + noise / scores.shape[1]).mean(axis=1).max())

    best: float = max(TEMPERATURES.tolist(), key=likelihood)
    return best * spread


def mislabelled(held: OutOfFold, labels: Labels) -> list[Finding]:
    """References that another class claims with high odds, the clearest first; notes where their class has but FEW."""
    covered = np.flatnonzero(held.covered)
    if not len(covered) or held.scores.shape[1] < 2:
        return []
    scores, own = held.scores[covered].astype(np.float64), labels[covered]
    degree = temperature(scores, own)
    if degree is None:
        return []
    rows = np.arange(len(own))
    logits = scores / degree
    rivals = logits.copy()
    rivals[rows, own] = -np.inf
    odds = rivals.max(axis=1) - logits[rows, own]
    chances = softmax(scores, degree)
    limit = odds_limit(chances)
    counts = np.bincount(labels)
    found = []
    for row in sorted(np.flatnonzero(odds > limit), key=lambda row: -odds[row]):
        numbers = {"odds": float(np.exp(min(odds[row], 50.0))), "probability": float(chances[row, own[row]])}
        classes = (int(own[row]), int(rivals[row].argmax()))
        severity: Severity = "warning" if counts[own[row]] >= FEW else "note"
        found.append(Finding("mislabelled", severity, (int(covered[row]),), classes, numbers))
    return found


def odds_limit(chances: Wide) -> float:
    """Log odds, LOG_ODDS or more, above which at most FALSE_ALARMS of right labels are expected to be named.

    If the truth is drawn from `chances` float64[n, c], a right label j of picture i shows odds of max_k p_ik / p_ij.
    """
    likely = np.maximum(chances, 1e-300)
    odds = np.log(likely.max(axis=1, keepdims=True) / likely)
    risky = (odds >= LOG_ODDS) & (chances > 1e-6)
    order = np.argsort(-odds[risky], kind="stable")
    alarms = np.cumsum(chances[risky][order]) / len(chances)
    allowed = int(np.searchsorted(alarms, FALSE_ALARMS))
    return LOG_ODDS if allowed == len(order) else max(LOG_ODDS, float(odds[risky][order][allowed]))


def outliers(vectors: Floats, labels: Labels, classes: int) -> list[Finding]:
    """References far from their class's others and from every other class; classes of LEAST_FOR_OUTLIER and more."""
    counts = np.bincount(labels, minlength=classes)
    judged = counts >= LEAST_FOR_OUTLIER
    if not judged.any():
        return []
    sums = np.zeros((classes, vectors.shape[1]))
    np.add.at(sums, labels, vectors.astype(np.float64))
    to_sums = vectors.astype(np.float64) @ sums.T
    rows = np.arange(len(labels))
    own = (to_sums[rows, labels] - 1.0) / np.maximum(counts[labels] - 1, 1)
    cosines = to_sums / counts
    cosines[rows, labels] = own
    centre, spread = _usual(own, labels, counts, judged)
    z = np.where(judged, (cosines - centre) / spread, -np.inf)
    strange = z[rows, labels].copy()
    z[rows, labels] = -np.inf
    lonely = z.max(axis=1) < -OTHER_Z
    if classes > 1:
        cosines[rows, labels] = -1.0
        nearest = cosines.max(axis=1)
        lonely &= nearest < np.median(nearest) - NO_OTHER_Z * _spread(nearest)
    found = np.flatnonzero(judged[labels] & (strange < -OUTLIER_Z) & lonely)
    return [
        Finding("outlier", "warning", (int(i),), (int(labels[i]),), {"cosine": float(own[i]), "z": float(strange[i])})
        for i in sorted(found, key=lambda i: strange[i])
    ]


def _usual(own: Wide, labels: Labels, counts: Labels, judged: Flags) -> tuple[Wide, Wide]:
    """Median and robust standard deviation float64[c] of each class's values, the latter mixed with that of all."""
    centre, spread = np.zeros(len(counts)), np.zeros(len(counts))
    for label in range(len(counts)):
        members = own[labels == label]
        centre[label] = np.median(members)
        spread[label] = TO_SIGMA * np.median(np.abs(members - centre[label]))
    pooled = TO_SIGMA * float(np.median(np.abs(own - centre[labels])[judged[labels]]))
    return centre, np.maximum((counts * spread + POOLED * pooled) / (counts + POOLED), 1e-6)


def _spread(values: Wide) -> float:
    return max(TO_SIGMA * float(np.median(np.abs(values - np.median(values)))), 1e-6)


def nearest_of_class(vectors: Floats, labels: Labels, reference: int, label: int) -> int | None:
    """The reference of class `label` that is most like `reference`; None if there is no other."""
    members = np.flatnonzero(labels == label)
    members = members[members != reference]
    if not len(members):
        return None
    return int(members[np.argmax(vectors[members] @ vectors[reference])])
