"""Classes described by words: alone, or beside reference pictures as so many more of them."""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Floats, Labels, Wide, check_vectors, product
from refsort.decide.decision import Decision, Rule, ranked, second
from refsort.decide.lda import Discriminant, with_phrases
from refsort.decide.moments import Moments
from refsort.decide.trust.temperature import softmax

TEXT_LEAD = 0.4
"""Mode text: the least lead, in shares of the softmax over the phrases."""


@dataclass(frozen=True, slots=True)
class ClassWords:
    """`vectors` float32[c, d]: what describes each class; `weight` float64[c]: the references that it is worth.

    Where the weight is 0 only the pictures count, and the vector serves to centre the others. `scale`: the encoder's
    factor between cosine and logit.
    """

    vectors: Floats
    weight: Wide
    scale: float = 100.0


@dataclass(frozen=True, slots=True)
class Prior:
    """The same in coordinates of a span: `rows` float64[c, r]."""

    rows: Wide
    weight: Wide

    def discriminant(self, moments: Moments, present: Labels | None = None) -> Discriminant:
        """The rule for these moments, of all classes or of those `present`; one of them must have references."""
        rows, weight = (self.rows, self.weight) if present is None else (self.rows[present], self.weight[present])
        means = with_phrases(moments.means, moments.counts, rows, weight)
        return Discriminant(moments, means, moments.counts + weight)


class TextScorer:
    """score(x, c) = share of class c in the softmax of scale · cosine."""

    def __init__(self, words: ClassWords) -> None:
        self.words = words

    def scores(self, vectors: Floats) -> Wide:
        """float32[m, d] unit vectors → float64[m, c] that sum to one."""
        logits = self.words.scale * product(vectors, self.words.vectors.astype(np.float64)).astype(np.float64)
        return softmax(logits, 1.0)


class TextJudge:
    """Mode `text`: no pictures to learn from, none to calibrate with; a fixed cut on the lead, and no promise."""

    words = "what is far before the second class (no guarantee: classes by words can't be tried out)"

    def __init__(self, words: ClassWords, classes: list[str], rule: Rule) -> None:
        self.scorer = TextScorer(words)
        self.classes = classes
        self.rule = rule

    def decisions(self, vectors: Floats) -> list[Decision]:
        """float32[m, d] unit vectors → a decision each. Raises ValueError for NaN or zero vectors."""
        check_vectors(vectors)
        return [self._one(rivals) for rivals in ranked(self.scorer.scores(vectors), self.classes)]

    def _one(self, rivals: tuple[tuple[str, float], ...]) -> Decision:
        runner_up, lead = second(rivals)
        reason = ""
        if self.rule.abstain and lead is None:
            reason = "there is one class only; a second one, of anything else, would tell them apart"
        elif self.rule.abstain and lead is not None and lead < TEXT_LEAD:
            reason = f"{rivals[0][0]} and {runner_up} are too close by words alone"
        return Decision(*rivals[0], runner_up, lead, "unsure" if reason else "sure", reason, rivals)
