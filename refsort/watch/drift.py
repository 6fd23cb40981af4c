"""Whether arrivals are still what the references foretell. Pure: no clock, no files.

Two figures of the last WINDOW decided pictures, of each class and of all, are compared with the dataset's own trials:
how many were left aside, and how low the probabilities of the winners lie. Both look one way only: arrivals that are
surer than the held-out references are no trouble.

The band. A year at 1,000 pictures a day makes 365,000 pictures; a look at every EVERY_NTH of them, twice (all, and the
own class) for two figures, makes 73,000 looks. RISK = 1e-5 a look keeps the mean number of looks that are wrong below
0.73 a year, whatever the windows have in common (union bound); they overlap, so that the alarms are fewer still. Few
trials say little, and the band is as wide as that: both tests are those for two samples, the window and the trials.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import exp, lgamma, log, sqrt

import numpy as np

from refsort.decide import EVERY, Foretold

WINDOW = 200
FEWEST = 50
"""Pictures before which nothing is said."""
EVERY_NTH = 20
RISK = 1e-5
RISK_BACK = 1e-2
"""An alarm ends only inside this narrower band, so that it does not come and go."""


@dataclass(frozen=True, slots=True)
class Change:
    """An alarm that begins or ends, of a class or EVERY, in words."""

    class_name: str
    begins: bool
    words: str


@dataclass(slots=True)
class _Window:
    foretold: Foretold
    last: deque[tuple[bool, float]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    """Whether it was left aside, and the probability of the winner."""
    since: int = 0


class Drift:
    """Watches the decisions of one judge; another judge needs another Drift."""

    def __init__(self, foretold: Mapping[str, Foretold]) -> None:
        """By class, and EVERY; see `CalibratedJudge.foretold`."""
        self._windows = {name: _Window(values) for name, values in foretold.items()}
        self.alarms: dict[str, str] = {}
        """What is wrong now, in words, by class or EVERY."""

    def add(self, class_name: str, aside: bool, probability: float) -> list[Change]:
        """A decided picture: its winner, whether it was left aside, and the probability. The alarms that change."""
        changes = []
        for name in (EVERY, class_name):
            window = self._windows.get(name)
            if window is None:
                continue
            window.last.append((aside, probability))
            window.since += 1
            if window.since >= EVERY_NTH and len(window.last) >= FEWEST:
                window.since = 0
                changes += self._look(name, window)
        return changes

    def _look(self, name: str, window: _Window) -> list[Change]:
        who = f"class {name}: " if name != EVERY else ""
        if name in self.alarms:
            if _trouble(window, RISK_BACK):
                return []
            del self.alarms[name]
            return [Change(name, False, f"drift is over: {who}arrivals are again as the references foretell")]
        words = _trouble(window, RISK)
        if not words:
            return []
        self.alarms[name] = f"{who}{words}"
        return [Change(name, True, f"drift: {who}{words}; look at some, and at the camera; newer references may help")]


def _trouble(window: _Window, risk: float) -> str:
    """What leaves the band at that risk, in words; empty if nothing does."""
    number, foretold = len(window.last), window.foretold
    aside = sum(was_aside for was_aside, _ in window.last)
    if aside > most_aside(number, foretold.aside, len(foretold.known), risk):
        return f"{aside} of the last {number} pictures were left aside, foretold are {foretold.aside * number:.0f}"
    values = np.sort([probability for _, probability in window.last])
    excess = float((np.arange(1, number + 1) / number - foretold.below(values)).max())
    if excess > widest_gap(number, len(foretold.known), risk):
        own, usual = np.median(values), np.median(foretold.known)
        return f"the last {number} pictures are less sure than foretold (middle {own:.0%}, foretold {usual:.0%})"
    return ""


@lru_cache(maxsize=1024)
def most_aside(number: int, share: float, trials: int, risk: float) -> int:
    """The most of `number` that are left aside but with probability `risk`, if `share` of the trials were.

    Beta-binomial: the share itself is known from the trials only (Jeffreys' prior).
    """
    a, b = share * trials + 0.5, (1 - share) * trials + 0.5
    tail = 0.0
    for count in range(number, 0, -1):
        ways = lgamma(number + 1) - lgamma(count + 1) - lgamma(number - count + 1)
        tail += exp(ways + _log_beta(count + a, number - count + b) - _log_beta(a, b))
        if tail > risk:
            return count
    return 0


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def widest_gap(number: int, trials: int, risk: float) -> float:
    """By how much one of two distribution functions exceeds the other but with probability `risk`.

    One-sided Kolmogorov-Smirnov for two samples, the limit for large ones (Smirnov 1939).
    """
    return sqrt(-log(risk) / 2 * (1 / number + 1 / trials))
