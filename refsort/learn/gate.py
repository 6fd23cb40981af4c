"""Whether a fine-tuned model may take the place of what is in use: only if it is better where that can be shown.

Both decide the same hold-out: pictures whose class a person has confirmed and which neither has seen. numpy only.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from refsort.decide.base import Flags
from refsort.decide.evaluate import Answers
from refsort.decide.measures import rounded

FEWEST = 50
"""Pictures whose class a person has said, held out or not, without which nothing is ever promoted by itself."""
LOSS = 0.005
"""The loss of accuracy that must be ruled out …"""
CONFIDENCE = 0.9
"""… with this confidence, one-sided."""
CLASS_PICTURES, CLASS_LOSS = 10, 0.05
"""No class with at least so many pictures may lose more than this share of its accuracy."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two on the hold-out, as shares."""

    accuracy: float
    moved: float
    """Of all pictures, at the dataset's `max_wrong`."""
    wrong: float
    """Of the moved ones; 0 if none is moved."""
    moved_wrong: int
    moved_count: int

    @classmethod
    def of(cls, answers: Answers) -> "Side":
        """Of decisions about labelled pictures."""
        right, moved = answers.right, answers.moved
        wrong, count = int((moved & ~right).sum()), int(moved.sum())
        return cls(float(right.mean()), float(moved.mean()), wrong / count if count else 0.0, wrong, count)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {key: rounded(getattr(self, key)) for key in ("accuracy", "moved", "wrong")}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired comparison of n decisions before and after."""

    pictures: int
    before: Side
    after: Side
    lost: int
    """Pictures that only `before` has right."""
    gained: int
    """Pictures that only `after` has right."""
    least_gain: float
    """Of accuracy, with CONFIDENCE."""
    most_gain: float
    p_value: float
    """McNemar's exact test, two-sided: how likely so uneven a split is if both are equally good."""
    class_changes: dict[str, tuple[int, float]]
    """Pictures and change of accuracy of each class on the hold-out."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "pictures": self.pictures,
            "before": self.before.as_dict(),
            "after": self.after.as_dict(),
            "lost": self.lost,
            "gained": self.gained,
            "gain": rounded(self.after.accuracy - self.before.accuracy),
            "interval": [rounded(self.least_gain), rounded(self.most_gain)],
            "p_value": rounded(self.p_value),
            "class_changes": {name: {"pictures": n, "gain": rounded(g)} for name, (n, g) in self.class_changes.items()},
        }


def compare(before: Answers, after: Answers, classes: list[str]) -> Comparison:
    """Two sets of decisions about the same pictures, in the same order. Raises ValueError if they are not, or none."""
    if not len(before.truth) or not np.array_equal(before.truth, after.truth):
        raise ValueError("both sides must have decided the same pictures, and at least one")
    lost, gained = int((before.right & ~after.right).sum()), int((after.right & ~before.right).sum())
    least, most = paired_interval(gained, lost, len(before.truth))
    changes = {}
    for label, name in enumerate(classes):
        own: Flags = before.truth == label
        if own.any():
            changes[name] = (int(own.sum()), float(after.right[own].mean() - before.right[own].mean()))
    sides = Side.of(before), Side.of(after)
    return Comparison(len(before.truth), *sides, lost, gained, least, most, mcnemar(gained, lost), changes)


def objections(found: Comparison, max_wrong: float, confirmed: int) -> list[str]:
    """Why the new one may not take over by itself, in words; empty if it may.

    `confirmed`: how many pictures have their class from a person, those of the hold-out among them.
    """
    said = []
    before, after = found.before, found.after
    if confirmed < FEWEST:
        said.append(f"only {confirmed} corrected or confirmed pictures, {FEWEST} are needed")
    if after.accuracy <= before.accuracy and after.moved <= before.moved:
        said.append("it is no better")
    if found.least_gain < -LOSS:
        said.append(
            f"a loss of accuracy of more than {100 * LOSS:g} points can't be ruled out "
            f"(change {100 * (after.accuracy - before.accuracy):+.1f}, at worst {100 * found.least_gain:+.1f})"
        )
    for name, (pictures, change) in found.class_changes.items():
        if pictures >= CLASS_PICTURES and change < -CLASS_LOSS:
            said.append(f"class {name} loses {-100 * change:.1f} points ({pictures} pictures)")
    if after.moved < before.moved:
        said.append(f"it would move {100 * after.moved:.1f} % of the pictures, until now {100 * before.moved:.1f} %")
    if too_many_wrong(after, before, max_wrong):
        said.append(
            f"{after.moved_wrong} of the {after.moved_count} pictures that it would move are wrong, "
            f"more than max_wrong allows"
        )
    return said


def too_many_wrong(after: Side, before: Side, max_wrong: float) -> bool:
    """Whether more is wrong than chance explains if `max_wrong` held, and more than before."""
    if after.wrong <= max(max_wrong, before.wrong):
        return False
    return binomial_tail(after.moved_wrong, after.moved_count, max_wrong) < 1 - CONFIDENCE


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p-value of a split of the pictures that changed (McNemar 1947); 1 if none did."""
    changed = gained + lost
    return 1.0 if not changed else min(1.0, 2 * binomial_tail(max(gained, lost), changed, 0.5))


def binomial_tail(count: int, of: int, share: float) -> float:
    """Probability of `count` or more among `of` if each comes with probability `share`."""
    ks = np.arange(count, of + 1, dtype=np.float64)
    if not len(ks):
        return 0.0
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, of + 1, dtype=np.float64)))])
    whole = np.arange(count, of + 1)
    logs = factorials[of] - factorials[whole] - factorials[of - whole]
    return float(min(1.0, np.exp(logs + ks * np.log(share) + (of - ks) * np.log1p(-share)).sum()))


def paired_interval(gained: int, lost: int, of: int) -> tuple[float, float]:
    """Bounds on the change of accuracy, each with CONFIDENCE: Tango's score interval for paired shares.

    Unlike a bootstrap it stays honest where few or no pictures changed: with none of 50 it gives ± 3 points, not 0.
    T. Tango, Statistics in Medicine 17 (1998) 891-908.
    """
    limit = NormalDist().inv_cdf(CONFIDENCE)
    change = (gained - lost) / of
    return (
        _root(gained, lost, of, -1.0, change, limit),
        _root(gained, lost, of, change, 1.0, -limit),
    )


def _root(gained: int, lost: int, of: int, low: float, high: float, score: float) -> float:
    """The change between `low` and `high` whose score is `score`; scores fall as the change rises."""
    for _ in range(60):
        middle = (low + high) / 2
        if _score(gained, lost, of, middle) > score:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _score(gained: int, lost: int, of: int, change: float) -> float:
    """How many standard deviations the counts lie above what `change` lets expect (Tango 1998, equation 5)."""
    b = -gained - lost + (2 * of - gained + lost) * change
    c = -lost * change * (1 - change)
    least = (np.sqrt(max(b * b - 8 * of * c, 0.0)) - b) / (4 * of)
    variance = of * (2 * least + change * (1 - change))
    difference = gained - lost - of * change
    if variance <= 0:
        return float(np.sign(difference) * np.inf) if difference else 0.0
    return float(difference / np.sqrt(variance))
