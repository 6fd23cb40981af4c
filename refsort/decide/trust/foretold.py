"""What a calibration foretells of arrivals, if they are like the references: how sure, and how many left aside."""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Wide
from refsort.decide.decision import Rule
from refsort.decide.trust.confidence import Calibration
from refsort.decide.trust.cut import cut

EVERY = ""
"""In place of a class: all classes together. No class can be called so."""


@dataclass(frozen=True, slots=True)
class Foretold:
    """Of one class, or of all: the trials that it won, as a mixture with the share of strays that is reckoned with.

    `known` and `strays`: probabilities of the own trials, ascending; `stray_share`: weight of the strays among them.
    """

    known: Wide
    strays: Wide
    stray_share: float
    cut: float

    def below(self, probability: Wide) -> Wide:
        """The largest share at or below each probability: without strays, or with as many as are reckoned with."""
        known, strays = _at_or_below(self.known, probability), _at_or_below(self.strays, probability)
        return np.asarray(np.maximum(known, (1 - self.stray_share) * known + self.stray_share * strays))

    @property
    def aside(self) -> float:
        """The largest share left aside."""
        return float(self.below(np.array([np.nextafter(self.cut, -np.inf)]))[0])


def _at_or_below(ascending: Wide, values: Wide) -> Wide:
    if len(ascending) == 0:
        return np.zeros(len(values))
    return np.asarray(np.searchsorted(ascending, values, side="right") / len(ascending), dtype=np.float64)


def foretell(calibration: Calibration, rule: Rule, classes: list[str]) -> dict[str, Foretold]:
    """By winner, and EVERY. A class that won none of the trials of its own pictures is left out."""
    share = rule.unknown_share
    least = cut(calibration, rule.max_wrong, share) if rule.abstain else 0.0
    known = calibration.probability(calibration.known, share)
    strays = calibration.probability(calibration.strays, share)
    found = {EVERY: Foretold(np.sort(known), np.sort(strays), share, least)}
    winners, stray_winners = calibration.winners
    for label, name in enumerate(classes):
        own, others = known[winners == label], strays[stray_winners == label]
        weight, stray_weight = (1 - share) * len(own) / len(known), share * len(others) / len(strays)
        if len(own):
            found[name] = Foretold(np.sort(own), np.sort(others), stray_weight / (weight + stray_weight), least)
    return found
