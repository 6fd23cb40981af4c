"""Measures of decisions whose truth is known: shares with intervals, calibration, risk and coverage."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsort.decide.base import Flags, Labels, Wide

Z95 = 1.959964
"""Standard normal deviate of a two-sided 95 % interval."""
BINS = 10
DRAWS = 200
"""Simulated worlds in which the probabilities are true; their mean ECE is then known to about 2 %."""
POINTS = 200
"""Points of a curve that are passed on."""


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many, and how sure one can be of the share behind them."""

    count: int
    total: int

    @classmethod
    def of(cls, flags: Flags) -> "Share":
        """How many of bool[n] are set."""
        return cls(int(flags.sum()), len(flags))

    @property
    def value(self) -> float | None:
        """The share, 0 to 1; None of nothing."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of Wilson (1927), for independent pictures: too narrow for many shots of one object."""
        if not self.total:
            return 0.0, 1.0
        share, slack = self.count / self.total, Z95**2 / self.total
        middle = (share + slack / 2) / (1 + slack)
        half = np.sqrt(share * (1 - share) * slack + slack**2 / 4) / (1 + slack)
        return float(max(0.0, middle - half)), float(min(1.0, middle + half))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        low, high = self.interval
        return {
            "share": rounded(self.value),
            "count": self.count,
            "of": self.total,
            "low": rounded(low),
            "high": rounded(high),
        }


def rounded(value: float | None) -> float | None:
    """Six digits are more than any of these numbers deserves."""
    return None if value is None else round(value, 6)


@dataclass(frozen=True, slots=True)
class Bin:
    """Pictures of about the same probability: their mean probability, and how many were right."""

    probability: float
    right: Share


@dataclass(frozen=True, slots=True)
class Calibration:
    """How true probabilities are."""

    bins: tuple[Bin, ...]
    ece: float
    """Expected calibration error: mean over the pictures of |share right - mean probability| of their bin."""
    ece_by_chance: float
    """What it would be on the mean if the probabilities were exactly true: few pictures make even those look wrong."""
    brier: float
    """Mean squared difference of probability and outcome (Brier 1950); lower is better."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ece": rounded(self.ece),
            "ece_by_chance": rounded(self.ece_by_chance),
            "brier": rounded(self.brier),
            "bins": [{"probability": rounded(b.probability), "right": b.right.as_dict()} for b in self.bins],
        }


def calibration(probability: Wide, right: Flags, bins: int = BINS) -> Calibration:
    """Of float64[n] probabilities with outcomes bool[n], n ≥ 1, in bins of equal mass (Nixon et al. 2019).

    Equal probabilities share a bin, so nothing depends on the order of the pictures, and there may be fewer bins.
    """
    own = _equal_mass(probability, bins)
    mass = np.bincount(own).astype(np.float64)
    mean = np.bincount(own, probability) / mass
    gap = np.abs(np.bincount(own, right) / mass - mean)
    rng = np.random.default_rng(0)
    chance = [
        np.abs(np.bincount(own, rng.random(len(own)) < probability) - mass * mean).sum() / len(own)
        for _ in range(DRAWS)
    ]
    return Calibration(
        tuple(Bin(float(mean[b]), Share.of(right[own == b])) for b in range(len(mass))),
        float(mass @ gap / len(own)),
        float(np.mean(chance)),
        float(np.mean((probability - right) ** 2)),
    )


def _equal_mass(values: Wide, bins: int) -> Labels:
    """Number of the bin of each of float64[n], from 0 and without gaps; equal values share one."""
    first = np.searchsorted(np.sort(values), values)
    return np.asarray(np.unique(first * bins // len(values), return_inverse=True)[1], dtype=np.intp)


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """If only the most confident pictures were moved: the share moved, and the share wrong among those.

    `coverage`, `risk` float64[n], for 1 … n pictures.
    """

    coverage: Wide
    risk: Wide

    @property
    def aurc(self) -> float:
        """Area under the curve: the mean risk (Geifman & El-Yaniv 2017); lower is better."""
        return float(self.risk.mean())

    @property
    def best_aurc(self) -> float:
        """The same if every wrong decision came last: no order of the same decisions does better."""
        n = len(self.risk)
        wrong = round(float(self.risk[-1]) * n)
        return float((np.maximum(np.arange(1, n + 1) - (n - wrong), 0) / np.arange(1, n + 1)).mean())

    def points(self) -> list[tuple[float, float]]:
        """At most POINTS pairs (coverage, risk), the last one among them."""
        n = len(self.coverage)
        chosen = np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(np.intp))
        return list(zip(self.coverage[chosen].tolist(), self.risk[chosen].tolist(), strict=True))

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        points = [[round(c, 5), round(r, 5)] for c, r in self.points()]
        return {"aurc": rounded(self.aurc), "best_aurc": rounded(self.best_aurc), "points": points}


def risk_coverage(confidence: Wide, right: Flags) -> RiskCoverage:
    """Of decisions with float64[n] confidence and outcomes bool[n], n ≥ 1.

    Equally confident ones can't be told apart, so each of them counts with the mean outcome of all of them.
    """
    own = np.unique(-confidence, return_inverse=True)[1]
    mean = np.bincount(own, ~right) / np.bincount(own)
    wrong = mean[np.sort(own)]
    number = np.arange(1, len(right) + 1)
    return RiskCoverage(number / len(right), np.cumsum(wrong) / number)
