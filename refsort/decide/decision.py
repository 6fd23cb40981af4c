"""From scores to decisions: which class, or why none."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from refsort.decide.base import Floats, Wide

RIVALS = 3
"""How many best classes a decision remembers, for the report."""

Verdict = Literal["sure", "unsure", "unknown"]


@dataclass(frozen=True, slots=True)
class Rule:
    """When a best class is good enough.

    `max_wrong`: the share of moved pictures that may be wrong, where the mode is calibrated (lda); `unknown_share`: the
    share of arrivals that belong to no class. `min_score` and `min_margin`: least best score and least lead over the
    second class, where it is not. `abstain` False sorts everything to its best class, whatever the scores. `refine`:
    the arrivals of a batch refine the class means (lda).
    """

    min_score: float = -1.0
    min_margin: float = 0.0
    abstain: bool = True
    max_wrong: float = 0.05
    unknown_share: float = 0.1
    refine: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What the program thinks of one picture."""

    class_name: str
    """The best class, also where the verdict is not sure."""
    score: float
    """Of the best class: a probability where the mode is calibrated, a cosine otherwise."""
    runner_up: str | None
    """None if there is only one class."""
    margin: float | None
    """Best minus second score."""
    verdict: Verdict
    reason: str
    """Why it is not sure; empty otherwise."""
    rivals: tuple[tuple[str, float], ...]
    """The best classes with their scores, best first."""
    probability: float | None = None
    """That the best class is right, strays considered; None where the mode is not calibrated."""

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
            "probability": None if self.probability is None else round(self.probability, 6),
        }


def ranked(scores: Floats | Wide, classes: list[str]) -> list[tuple[tuple[str, float], ...]]:
    """The best RIVALS classes of each row of float[m, c], best first; equal ones in the order of `classes`."""
    if not np.isfinite(scores).all():
        raise ValueError("a score is NaN or infinite")
    ranks = np.argsort(-scores, axis=1, kind="stable")[:, :RIVALS]
    best = np.take_along_axis(scores, ranks, axis=1)
    return [
        tuple((classes[c], score) for c, score in zip(rank, row, strict=True))
        for rank, row in zip(ranks.tolist(), best.tolist(), strict=True)
    ]


def decide(scores: Floats, classes: list[str], rule: Rule) -> list[Decision]:
    """float32[m, c] scores → a decision a row, by `min_score` and `min_margin`.

    Two classes with exactly the same best score are a tie and so unsure: nothing speaks for one of them.
    """
    return [_decide_one(rivals, rule) for rivals in ranked(scores, classes)]


def _decide_one(rivals: tuple[tuple[str, float], ...], rule: Rule) -> Decision:
    best, score = rivals[0]
    runner_up, margin = second(rivals)
    reason = ""
    if rule.abstain:
        if score < rule.min_score:
            reason = f"best score {score:.3f} is below {rule.min_score:g}"
        elif margin is not None and (margin <= 0 or margin < rule.min_margin):
            reason = f"{best} and {runner_up} are too close: {margin:.3f} apart"
    return Decision(best, score, runner_up, margin, "unsure" if reason else "sure", reason, rivals)


def second(rivals: tuple[tuple[str, float], ...]) -> tuple[str | None, float | None]:
    """Name of the second class and the lead over it, if there is one."""
    if len(rivals) < 2:
        return None, None
    return rivals[1][0], rivals[0][1] - rivals[1][1]
