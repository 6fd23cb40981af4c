"""Logistic regression with a Gaussian prior, by Newton's method: small, exact, the same on every machine."""

import numpy as np

from refsort.decide.base import Wide

ROUNDS = 60
CLOSE = 1e-9
SMALLEST = 2.0**-20


def sigmoid(logit: Wide) -> Wide:
    """1 / (1 + exp(-logit)), without overflow."""
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logit)))


def log_odds(probability: Wide | float) -> Wide:
    """log(p / (1 - p))."""
    return np.asarray(np.log(probability) - np.log1p(-np.asarray(probability)))


def fit_logistic(design: Wide, outcome: Wide, weights: Wide, mean: Wide, precision: Wide) -> Wide:
    """Most probable coefficients float64[p] of design float64[n, p] for outcome float64[n] in 0 … 1.

    The prior is normal with this `mean` and `precision` (1/variance), float64[p]; a weight counts observations.
    """

    def loss(coefficients: Wide) -> float:
        logit = design @ coefficients
        gap = coefficients - mean
        return float(weights @ (np.logaddexp(0, logit) - outcome * logit) + 0.5 * (precision * gap) @ gap)

    found = mean.astype(np.float64).copy()
    at = loss(found)
    for _ in range(ROUNDS):
        chance = sigmoid(design @ found)
        slope = design.T @ (weights * (chance - outcome)) + precision * (found - mean)
        curve = (design * (weights * chance * (1 - chance))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curve, slope)
        size = 1.0
        while (ahead := loss(found - size * step)) > at and size > SMALLEST:
            size /= 2  # far from the solution a full step of Newton's can lead away from it
        if ahead > at:
            break
        found, gained, at = found - size * step, at - ahead, ahead
        if gained < CLOSE * max(at, CLOSE):
            break
    return found
