"""From probabilities to a cut: as many as possible, with no more wrong among them than the user allows."""

import numpy as np

from refsort.decide.base import Wide
from refsort.decide.trust.confidence import Calibration
from refsort.decide.trust.logistic import log_odds, sigmoid

NOTHING = 2.0
"""A cut that no probability reaches."""
LEAST = 0.5
"""An easy dataset could afford to move what is likely wrong; nobody wants that."""
PRIOR = 60.0
"""So many pictures speak for the stated share of strays, against what the arrivals look like."""
MOST = 400.0
"""Arrivals beyond these don't make the estimate any surer: they are alike."""
ROUNDS = 200
RESERVE = 0.9


def largest_set(probability: Wide, weights: Wide, max_wrong: float) -> float:
    """The least probability that is still taken, so that of the taken ones at most `max_wrong` are expected wrong.

    Equal ones are taken together or not at all, and none that is more likely wrong than right.
    """
    order = np.argsort(-probability, kind="stable")
    sorted_down = probability[order]
    whole = np.append(sorted_down[1:] < sorted_down[:-1], True) & (sorted_down >= LEAST)
    taken = np.cumsum(weights[order])
    wrong = np.cumsum(weights[order] * (1 - probability[order]))
    enough = np.flatnonzero(whole & (wrong <= max_wrong * np.maximum(taken, 1e-12)))
    return float(probability[order[enough[-1]]]) if len(enough) else NOTHING


def cut(calibration: Calibration, max_wrong: float, unknown_share: float) -> float:
    """The probability from which a picture is moved: set on the dataset's own trials, mixed with that many strays.

    It aims at RESERVE · max_wrong: the models are right on the mean of many datasets, and none is the mean.
    """
    known = calibration.probability(calibration.known, unknown_share)
    strays = calibration.probability(calibration.strays, unknown_share)
    weights = np.concatenate(
        [np.full(len(known), (1 - unknown_share) / len(known)), np.full(len(strays), unknown_share / len(strays))]
    )
    return largest_set(np.concatenate([known, strays]), weights, RESERVE * max_wrong)


def raised_share(known: Wide, stated: float, count: float | None = None) -> float:
    """The share of strays to reckon with: the stated one, or more if the arrivals look like more. Never less.

    `known` float64[m]: log-odds that each arrival belongs to a class, at equal shares; `count`: how many arrivals they
    stand for. Expectation-maximisation of the mixture's share (Saerens, Latinne, Decaestecker 2002), with the stated
    share as a prior worth PRIOR pictures.
    """
    if stated <= 0 or len(known) == 0:
        return stated
    number = min(float(len(known)) if count is None else count, MOST)
    share = stated
    for _ in range(ROUNDS):
        stray = float((1 - sigmoid(known + float(log_odds(1 - share)))).mean())
        estimate = (number * stray + PRIOR * stated) / (number + PRIOR)
        if abs(estimate - share) < 1e-6:
            break
        share = estimate
    return max(stated, min(share, 0.9))
