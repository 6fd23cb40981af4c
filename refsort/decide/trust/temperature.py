"""One number that turns scores into class probabilities."""

import numpy as np

from refsort.decide.base import Labels, Wide

USUAL = 0.7
"""Logarithm of the temperature that lda scores usually want; one pseudo-observation pulls toward it."""
RANGE = (-4.0, 5.0)
STEPS = 20
GOLDEN = (5**0.5 - 1) / 2
ODDS = (-8.0, 12.0)
"""Log-odds beyond which nothing more is believed."""


def softmax(scores: Wide, temperature: float) -> Wide:
    """float64[m, c] scores → probabilities that sum to one in each row; -inf stays 0."""
    scaled = scores / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def winner_log_odds(scores: Wide, temperature: float) -> Wide:
    """float64[m]: log-odds of the best class against all others together, within ODDS; 0 if there is but one class."""
    if scores.shape[1] == 1:
        return np.zeros(len(scores))
    scaled = np.sort(scores / temperature, axis=1)
    best, others = scaled[:, -1], scaled[:, :-1]
    top = others[:, -1]
    with np.errstate(invalid="ignore"):  # top is -inf where only one class was there
        rest = np.where(np.isneginf(top), best, top + np.log(np.exp(others - top[:, None]).sum(axis=1)))
    return np.asarray(np.clip(best - rest, *ODDS))


def fit_temperature(scores: Wide, labels: Labels) -> float:
    """The temperature under which float64[n, c] scores give the true labels int[n] the largest likelihood.

    Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2; golden-section search.
    """

    def loss(log_temperature: float) -> float:
        own = softmax(scores, float(np.exp(log_temperature)))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(own, 1e-300)).mean() + 0.5 * (log_temperature - USUAL) ** 2 / len(labels))

    low, high = RANGE
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    for _ in range(STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = loss(right)
    return float(np.exp((low + high) / 2))
