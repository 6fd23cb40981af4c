"""A dataset's judge: from its references it learns to decide, and how far its decisions can be trusted."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from refsort.decide.base import Floats, Labels, Scorer, check_references, check_vectors
from refsort.decide.decision import Decision, Rule, decide, ranked, second
from refsort.decide.lda import Discriminant
from refsort.decide.moments import Moments, Span
from refsort.decide.refine import refined_scores
from refsort.decide.trust.confidence import FEWEST, Confidence, fit_confidence
from refsort.decide.trust.cut import NOTHING, cut, raised_share
from refsort.decide.trust.foretold import Foretold, foretell
from refsort.decide.trust.logistic import sigmoid
from refsort.decide.words import ClassWords, Prior, TextJudge

EVERYTHING = "everything, however unsure"
NOTEWORTHY = 0.02
"""How much more strays than stated are worth a word; a single picture never is."""
ENOUGH = 5
"""References that each class needs, on the mean, for a promise."""
FIXED_LEAD = 0.4
"""Without calibration: the least lead in centred cosines. Measured over 15 sets, a tenth of strays: it moves 10 % of
the pictures with one reference a class, 9 % of these wrongly, and with two 14 %, 4 % of these wrongly."""


@dataclass(frozen=True, slots=True)
class Terms:
    """On what terms a batch was decided."""

    promise: bool
    """Whether `max_wrong` is promised."""
    cut: float | None
    """Least probability that was moved; None where no probability decides, more than 1 where nothing is good enough."""
    unknown_share: float
    """The share of strays that was reckoned with."""
    words: str
    """The same for a person."""


class Judge(Protocol):
    """Decides arrivals. A batch is decided together: how it looks as a whole may raise the cut, never lower it."""

    classes: list[str]

    def decide(self, vectors: Floats) -> tuple[list[Decision], Terms]:
        """float32[m, d] unit vectors → a decision each, and the terms. Raises ValueError for NaN or zero vectors."""


class ScoreJudge:
    """For a mode that is not calibrated: fixed cuts on score and margin."""

    def __init__(self, scorer: Scorer, classes: list[str], rule: Rule) -> None:
        self.scorer = scorer
        self.classes = classes
        self.rule = rule

    def decide(self, vectors: Floats) -> tuple[list[Decision], Terms]:
        check_vectors(vectors)
        words = f"what is {self.rule.min_margin:g} before the second class (a fixed cut, no guarantee)"
        if not self.rule.abstain:
            words = EVERYTHING
        return decide(self.scorer.scores(vectors), self.classes, self.rule), Terms(False, None, 0.0, words)


class FewJudge:
    """`lda` with too few references to hold any out: a fixed, cautious cut on the lead in centred cosines."""

    def __init__(
        self, vectors: Floats, labels: Labels, classes: list[str], rule: Rule, words: ClassWords | None = None
    ) -> None:
        self.classes = classes
        self.rule = rule
        self.few = f"fewer than {FEWEST} different references a class"
        if words is not None and len(np.unique(labels)) < len(classes):
            self.few = "a class that is known by words only can't be tried out"
        self.span = Span.of(vectors if words is None else np.concatenate([vectors, words.vectors]))
        moments = Moments.of(self.span.coordinates(vectors), labels, len(classes), self.span.dim)
        if words is None:
            self.rule_of_classes = Discriminant(moments)
        else:
            prior = Prior(self.span.coordinates(words.vectors), words.weight)
            self.rule_of_classes = prior.discriminant(moments)

    def decide(self, vectors: Floats) -> tuple[list[Decision], Terms]:
        check_vectors(vectors)
        words = f"what is far before the second class (no guarantee: {self.few})"
        if len(self.classes) == 1:
            words = "nothing: there is one class only, and nothing tells it from anything else"
        rows = self.span.coordinates(vectors)
        cosines = self.rule_of_classes.centred_cosines(rows, self.span.outside(vectors, rows))
        decisions = [self._one(rivals) for rivals in ranked(cosines, self.classes)]
        return decisions, Terms(False, None, 0.0, words if self.rule.abstain else EVERYTHING)

    def _one(self, rivals: tuple[tuple[str, float], ...]) -> Decision:
        runner_up, lead = second(rivals)
        reason = ""
        if self.rule.abstain and lead is None:
            reason = "there is one class only; a second one, of anything else, would tell them apart"
        elif self.rule.abstain and lead is not None and lead < FIXED_LEAD:
            reason = f"{rivals[0][0]} and {runner_up} are too close for so few references"
        return Decision(*rivals[0], runner_up, lead, "unsure" if reason else "sure", reason, rivals)


class CalibratedJudge:
    """`lda` with enough references: moves as many as it can with at most `max_wrong` wrong among them."""

    def __init__(self, confidence: Confidence, vectors: Floats, labels: Labels, classes: list[str], rule: Rule) -> None:
        self.confidence = confidence
        self.vectors = vectors
        self.labels = labels
        self.classes = classes
        self.rule = rule

    def foretold(self) -> dict[str, Foretold]:
        """What arrivals like the references will look like, by winner; `EVERY` for all of them together."""
        return foretell(self.confidence.calibration, self.rule, self.classes)

    def decide(self, vectors: Floats) -> tuple[list[Decision], Terms]:
        check_vectors(vectors)
        evidence = self.confidence.examine(vectors)
        answers = self.confidence.answers(evidence)
        share = raised_share(answers.known, self.rule.unknown_share)
        least = cut(self.confidence.calibration, self.rule.max_wrong, share) if self.rule.abstain else 0.0
        probability = self.confidence.calibration.probability(answers, share)
        doubt_is_strays = answers.known_given(share) < sigmoid(answers.right)
        shares = self.confidence.class_probabilities(evidence.scores)
        if self.rule.refine:
            scores = refined_scores(self.vectors, self.labels, vectors, shares * probability[:, None])
            shares = self.confidence.class_probabilities(scores)
            # Where the batch changes the class, what spoke for the old one does not speak for the new one.
            probability = np.where(shares.argmax(axis=1) == evidence.winner, probability, 0.0)
        rivals = ranked(shares, self.classes)
        decisions = [
            self._one(own, p, least, stray)
            for own, p, stray in zip(rivals, probability.tolist(), doubt_is_strays.tolist(), strict=True)
        ]
        return decisions, self._terms(least, share)

    def _one(self, rivals: tuple[tuple[str, float], ...], probability: float, least: float, stray: bool) -> Decision:
        runner_up, lead = second(rivals)
        if probability >= least:
            return Decision(*rivals[0], runner_up, lead, "sure", "", rivals, probability)
        if stray:
            reason = f"unlike every class; the nearest is {rivals[0][0]}, {100 * probability:.0f} % sure"
            return Decision(*rivals[0], runner_up, lead, "unknown", reason, rivals, probability)
        reason = f"{rivals[0][0]} or {runner_up}: {100 * probability:.0f} % sure"
        return Decision(*rivals[0], runner_up, lead, "unsure", reason, rivals, probability)

    def _terms(self, least: float, share: float) -> Terms:
        if not self.rule.abstain:
            return Terms(False, None, share, EVERYTHING)
        promise = self.confidence.calibration.traits.references >= ENOUGH
        wrong = f"{100 * self.rule.max_wrong:g} %"
        if least >= NOTHING:
            words = f"nothing: with these references no set of pictures is likely to hold at most {wrong} wrong ones"
            words += "; more references or a larger max_wrong would help"
        else:
            words = f"what is at least {100 * least:.0f} % sure, so that at most {wrong} of it is wrong"
        if not promise:
            words += f" (no guarantee: fewer than {ENOUGH} different references a class)"
        if share > self.rule.unknown_share + NOTEWORTHY:
            words += f"; about {100 * share:.0f} % of these pictures look as if they belonged to no class"
        return Terms(promise, least, share, words)


class WordsJudge(TextJudge):
    """Mode `text` as a Judge."""

    def decide(self, vectors: Floats) -> tuple[list[Decision], Terms]:
        return self.decisions(vectors), Terms(False, None, 0.0, self.words if self.rule.abstain else EVERYTHING)


def make_judge(
    mode: str, vectors: Floats, labels: Labels, classes: list[str], rule: Rule, words: ClassWords | None = None
) -> Judge:
    """For references float32[n, d] with labels int[n] into `classes`. Raises ValueError on bad vectors.

    `words` describes the classes: needed by mode `text`, a prior of mode `lda`, where then classes may be without a
    reference; no other mode knows of it.
    """
    if words is not None and (mode == "text" or not len(labels)):
        return WordsJudge(words, classes, rule)
    if words is not None and len(np.unique(labels)) < len(classes):
        check_vectors(vectors)
        return FewJudge(vectors, labels, classes, rule, words)
    check_references(vectors, labels, len(classes))
    if mode != "lda":
        from refsort.decide import SCORERS

        return ScoreJudge(SCORERS[mode](vectors, labels, len(classes)), classes, rule)
    confidence = fit_confidence(vectors, labels, len(classes), words=words)
    if confidence is None:
        return FewJudge(vectors, labels, classes, rule, words)
    return CalibratedJudge(confidence, vectors, labels, classes, rule)
