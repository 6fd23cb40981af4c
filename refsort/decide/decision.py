"""From scores to decisions: which class, or why none."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from refsort.decide.base import Floats

RIVALS = 3
"""How many best classes a decision remembers, for the report."""

Verdict = Literal["sure", "unsure"]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a best class is good enough.

    `min_score`: the least best score. `min_margin`: the least lead over the second class. `abstain` False sorts
    everything to its best class, whatever the scores.
    """

    min_score: float = -1.0
    min_margin: float = 0.0
    abstain: bool = True


@dataclass(frozen=True, slots=True)
class Decision:
    """What the program thinks of one picture."""

    class_name: str
    """The best class, also where the verdict is unsure."""
    score: float
    runner_up: str | None
    """None if there is only one class."""
    margin: float | None
    """Best minus second score."""
    verdict: Verdict
    reason: str
    """Why it is unsure; empty otherwise."""
    rivals: tuple[tuple[str, float], ...]
    """The best classes with their scores, best first."""

    def as_dict(self) -> dict[str, Any]:
        """For the journal and for JSON."""
        return {
            "class": self.class_name,
            "score": round(self.score, 6),
            "runner_up": self.runner_up,
            "margin": None if self.margin is None else round(self.margin, 6),
            "verdict": self.verdict,
            "reason": self.reason,
            "rivals": [[name, round(score, 6)] for name, score in self.rivals],
        }


def decide(scores: Floats, classes: list[str], rule: Rule) -> list[Decision]:
    """float32[m, c] scores → a decision a row. Equal scores rank by the order of `classes`, which is sorted.

    Two classes with exactly the same best score are a tie and so unsure: nothing speaks for one of them.
    """
    if not np.isfinite(scores).all():
        raise ValueError("a score is NaN or infinite")
    ranks = np.argsort(-scores, axis=1, kind="stable")[:, :RIVALS]
    return [_decide_one(row, rank, classes, rule) for row, rank in zip(scores, ranks, strict=True)]


def _decide_one(row: Floats, rank: Any, classes: list[str], rule: Rule) -> Decision:
    rivals = tuple((classes[c], float(row[c])) for c in rank)
    best, score = rivals[0]
    runner_up, second = rivals[1] if len(rivals) > 1 else (None, None)
    margin = None if second is None else score - second
    reason = ""
    if rule.abstain:
        if score < rule.min_score:
            reason = f"best score {score:.3f} is below {rule.min_score:g}"
        elif margin is not None and (margin <= 0 or margin < rule.min_margin):
            reason = f"{best} and {runner_up} are too close: {margin:.3f} apart"
    return Decision(best, score, runner_up, margin, "unsure" if reason else "sure", reason, rivals)
