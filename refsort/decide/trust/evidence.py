"""What speaks for and against the winning class of a picture, in seven figures."""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Labels, Wide
from refsort.decide.lda import Discriminant

FIGURES = ("closeness", "nearest", "nearest three", "prototype", "score", "prototype lead", "lead")
"""All larger is better: minus the Mahalanobis distance to the winner's mean; the largest cosine to a reference of the
winner and the mean of the three largest; the centred cosine to the winner's mean; the winner's lda score; and by how
much the last two are ahead of the second class."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """`winner` int[m], `scores` float64[m, c] of lda, `figures` float64[m, 7]."""

    winner: Labels
    scores: Wide
    figures: Wide


@dataclass(frozen=True, slots=True)
class Witness:
    """A rule with the references it was made from, in coordinates: `rows` float64[n, r], `labels` int[n]."""

    rule: Discriminant
    rows: Wide
    labels: Labels

    def examine(self, rows: Wide, outside: Wide) -> Evidence:
        """Coordinates float64[m, r] and squared length beyond the span float64[m] → evidence of each."""
        scores = self.rule.scores(rows)
        winner = scores.argmax(axis=1)
        score, lead = _best_and_lead(scores, winner)
        prototype, prototype_lead = _best_and_lead(self.rule.centred_cosines(rows, outside), winner)
        distance = self.rule.distance(rows, outside)
        if self.rule.gaussian:
            distance = distance - 2 * score  # (x - v̄)ᵀP(x - v̄) = (x - m)ᵀP(x - m) - 2 l(x)
        nearest, three = self._nearest(rows, winner)
        figures = [-distance, nearest, three, prototype, score, prototype_lead, lead]
        return Evidence(winner, scores, np.column_stack(figures))

    def _nearest(self, rows: Wide, winner: Labels) -> tuple[Wide, Wide]:
        """Largest cosine to a reference of the winner, and the mean of the three largest."""
        nearest, three = np.empty(len(rows)), np.empty(len(rows))
        for label in np.unique(winner):
            mine = winner == label
            cosines = rows[mine] @ self.rows[self.labels == label].T
            count = min(3, cosines.shape[1])
            largest = np.partition(cosines, cosines.shape[1] - count, axis=1)[:, -count:]
            nearest[mine], three[mine] = largest.max(axis=1), largest.mean(axis=1)
        return nearest, three


def _best_and_lead(scores: Wide, winner: Labels) -> tuple[Wide, Wide]:
    """Score of the winner and its lead over the best of the others (0 if there is only one class)."""
    at = np.arange(len(scores))
    best = scores[at, winner]
    if scores.shape[1] == 1:
        return best, np.zeros(len(scores))
    others = scores.copy()
    others[at, winner] = -np.inf
    return best, best - others.max(axis=1)
