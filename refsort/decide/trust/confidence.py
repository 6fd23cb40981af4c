"""How likely a decision of `lda` is right: learned across many datasets, adjusted by the dataset's own references.

Two questions are answered apart, because they fail for different reasons: does the picture belong to a known class at
all (P(known)), and if so, is the winner its class (P(right | known)). Each is a logistic model of the evidence. Its
coefficients were learned once, on arrivals of labelled sets (see tools/learn_confidence.py), with the evidence
standardised by what a dataset's own held-out references show; they are the prior of a second fit on the dataset's own
trials. A last, small model looks at both answers together, where it matters: among pictures that look acceptable.
"""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Floats, Labels, Wide
from refsort.decide.folds import distinct
from refsort.decide.lda import Discriminant
from refsort.decide.moments import Moments, Span
from refsort.decide.trust.evidence import Evidence, Witness
from refsort.decide.trust.learned import LEARNED, Learned
from refsort.decide.trust.logistic import fit_logistic, log_odds, sigmoid
from refsort.decide.trust.temperature import fit_temperature, softmax, winner_log_odds
from refsort.decide.trust.trials import Trials, try_out
from refsort.decide.words import ClassWords, Prior

FEWEST = 3
"""References that the middle class needs; with fewer nothing can be held out that resembles a real arrival."""
Z_LIMIT = 6.0
SPREAD = 4
"""The first figures, those that don't compare classes: they carry how well strays stand apart."""
COMPARING = slice(3, None)
"""Figures that mean nothing where only one class is left."""
LIMITS = {"right": (-6.0, 8.0), "known": (-6.0, 6.0)}
OWN_PRECISION = {"offset": 1.0, "slope": 2.0, "figures": 4.0}
OWN_WEIGHT = 0.3
"""What one of the own trials counts: they are fewer and more alike than their number says."""
USUAL_SHARE = 0.2
"""The share of strays at which a dataset is summed up."""


@dataclass(frozen=True, slots=True)
class Standard:
    """Evidence on the scale of the dataset's own held-out references."""

    temperature: float
    mean: Wide
    deviation: Wide
    usual_odds: float

    @classmethod
    def of(cls, trials: Trials) -> "Standard":
        """From the trials: the right ones among them set the scale, if there are a few."""
        temperature = fit_temperature(trials.known.scores, trials.labels)
        right = trials.right > 0
        figures = trials.known.figures[right] if right.sum() >= 5 else trials.known.figures
        odds = winner_log_odds(trials.known.scores, temperature)
        return cls(temperature, figures.mean(axis=0), figures.std(axis=0) + 1e-6, float(odds.mean()))

    def apply(self, evidence: Evidence, *, one_class: bool = False) -> Wide:
        """float64[m, 8]: log-odds of the winner, then the seven figures in standard deviations."""
        odds = winner_log_odds(evidence.scores, self.temperature)
        figures = np.clip((evidence.figures - self.mean) / self.deviation, -Z_LIMIT, Z_LIMIT)
        if one_class:
            odds, figures[:, COMPARING] = np.full(len(odds), self.usual_odds), 0.0
        return np.column_stack([odds, figures])


@dataclass(frozen=True, slots=True)
class Traits:
    """A dataset as a whole: references a class, accuracy of the trials, how far strays stand apart."""

    references: float
    accuracy: float
    apart: Wide

    def design(self, standard: Wide) -> Wide:
        """float64[m, 8] → float64[m, 19], the input of the two shared models."""
        count = len(standard)
        odds, figures = standard[:, 0], standard[:, 1:]
        plenty, easy = np.log(self.references) - np.log(5.0), float(log_odds(np.clip(self.accuracy, 0.02, 0.99)))
        constants = np.tile([plenty, easy, float(self.apart.mean()), 1.0], (count, 1))
        return np.column_stack(
            [
                odds,
                np.minimum(odds, 2),
                figures,
                figures[:, :SPREAD] * self.apart,
                odds * plenty,
                odds * easy,
                constants,
            ]
        )


@dataclass(frozen=True, slots=True)
class Answers:
    """Log-odds float64[m] of the two questions, adjusted to the dataset; the share of strays is not in them yet."""

    right: Wide
    known: Wide

    def known_given(self, unknown_share: float) -> Wide:
        """P(known), float64[m], if that share of all arrivals belongs to no class."""
        if unknown_share <= 0:
            return np.ones(len(self.known))
        return sigmoid(self.known + float(log_odds(1 - unknown_share)))

    def both(self, unknown_share: float) -> Wide:
        """P(known) · P(right | known), float64[m]."""
        return np.asarray(self.known_given(unknown_share) * sigmoid(self.right))


@dataclass(frozen=True, slots=True)
class Adjusted:
    """One of the two models, after the dataset's own trials have had their say."""

    shared: Wide
    own: Wide
    limits: tuple[float, float]

    def log_odds(self, design: Wide, standard: Wide) -> Wide:
        """float64[m]."""
        return np.asarray(_own_design(self._base(design), standard) @ self.own)

    def _base(self, design: Wide) -> Wide:
        return np.clip(design @ self.shared, *self.limits)

    @classmethod
    def fit(
        cls, shared: Wide, limits: tuple[float, float], design: Wide, standard: Wide, outcome: Wide, weights: Wide
    ) -> "Adjusted":
        """With outcomes float64[k] of the own trials and what each counts."""
        own = _own_design(np.clip(design @ shared, *limits), standard)
        mean = np.zeros(own.shape[1])
        mean[1] = 1.0
        figures = [OWN_PRECISION["figures"]] * (own.shape[1] - 2)
        precision = np.array([OWN_PRECISION["offset"], OWN_PRECISION["slope"], *figures])
        return cls(shared, fit_logistic(own, outcome, weights, mean, precision), limits)


def _own_design(base: Wide, standard: Wide) -> Wide:
    return np.column_stack([np.ones(len(base)), base, np.minimum(standard[:, 0], 3) / 2, standard[:, 1:] / 2])


class Calibration:
    """What a dataset's own trials say about how far its decisions can be trusted."""

    def __init__(self, trials: Trials, references: float, learned: Learned) -> None:
        """`references`: how many a class has, on the mean."""
        self.standard = Standard.of(trials)
        self.right = trials.right
        self.winners = trials.known.winner, trials.strays.winner
        self._known = self.standard.apply(trials.known)
        self._strays = self.standard.apply(trials.strays, one_class=trials.known.scores.shape[1] == 2)
        accuracy = (float(self.right.sum()) + 1) / (len(self.right) + 2)
        self.traits = Traits(references, accuracy, _apart(self._known[:, 1:], self._strays[:, 1:]))
        self.learn(learned)

    def learn(self, learned: Learned) -> None:
        """Take these coefficients for prior and fit them to the own trials."""
        self.learned = learned
        design, count = self.traits.design(self._known), len(self._known)
        weights = np.full(count, OWN_WEIGHT)
        self._is_right = Adjusted.fit(learned.right, LIMITS["right"], design, self._known, self.right, weights)
        both = np.vstack([self._known, self._strays])
        outcome = np.repeat([1.0, 0.0], [count, len(self._strays)])
        half = OWN_WEIGHT * len(both) / 2  # known and strays weigh alike
        weights = np.where(outcome > 0, half / count, half / len(self._strays))
        self._is_known = Adjusted.fit(learned.known, LIMITS["known"], self.traits.design(both), both, outcome, weights)
        self.known, self.strays = self.answer(self._known), self.answer(self._strays)
        self.summary = self._sum_up()

    @property
    def trial_evidence(self) -> tuple[Wide, Wide]:
        """Standardised evidence of the own trials: held-out pictures float64[k, 8], strays float64[s, 8]."""
        return self._known, self._strays

    def answer(self, standard: Wide) -> Answers:
        """For standardised evidence float64[m, 8]."""
        design = self.traits.design(standard)
        return Answers(self._is_right.log_odds(design, standard), self._is_known.log_odds(design, standard))

    def _sum_up(self) -> Wide:
        """float64[4]: how the own trials look to the models so far; see `final_design`."""
        both = self.known.both(USUAL_SHARE)
        top = np.argsort(-both, kind="stable")[: max(3, len(both) * 3 // 10)]
        missed = float(log_odds((len(top) - self.right[top].sum() + 0.5) / (len(top) + 5)))
        gap = float(np.percentile(self.known.known, 80) - np.percentile(self.strays.known, 80))
        return np.array([np.clip((both - 0.7) / 0.3, 0, 1).mean(), both.mean(), np.clip(gap, -2, 4), missed])

    def probability(self, answers: Answers, unknown_share: float) -> Wide:
        """float64[m]: that the winner is right, if that share of all arrivals belongs to no class."""
        return sigmoid(self.final_design(answers, unknown_share) @ self.learned.final)

    def final_design(self, answers: Answers, unknown_share: float) -> Wide:
        """float64[m, 11], the input of the last model."""
        both = np.clip(log_odds(np.clip(answers.both(unknown_share), 1e-6, 1 - 1e-6)), -3, 7)
        plenty = np.log(self.traits.references) - np.log(5.0)
        columns = [both, np.minimum(both, 3), both * self.summary[0], both * plenty, np.clip(answers.known, -4, 6)]
        constants = np.tile([*self.summary, plenty, 1.0], (len(both), 1))
        return np.column_stack([*columns, constants])


@dataclass(frozen=True, slots=True)
class Confidence:
    """Fitted to the references of one dataset."""

    span: Span
    witness: Witness
    calibration: Calibration

    def examine(self, vectors: Floats) -> Evidence:
        """Evidence for arrivals float32[m, d]."""
        rows = self.span.coordinates(vectors)
        return self.witness.examine(rows, self.span.outside(vectors, rows))

    def answers(self, evidence: Evidence) -> Answers:
        """The two answers for each picture."""
        return self.calibration.answer(self.calibration.standard.apply(evidence))

    def class_probabilities(self, scores: Wide) -> Wide:
        """float64[m, c] scores of `lda` → probabilities of the classes that sum to one, strays not considered."""
        return softmax(scores, self.calibration.standard.temperature)


def _apart(known: Wide, strays: Wide) -> Wide:
    """float64[4]: by how many standard deviations known pictures and strays differ in the first figures."""
    gap = known.mean(axis=0) - strays.mean(axis=0)
    spread = np.sqrt((known.var(axis=0) + strays.var(axis=0)) / 2 + 1e-6)
    return np.asarray(np.clip(gap / spread, -1, 4)[:SPREAD])


def fit_confidence(
    vectors: Floats, labels: Labels, classes: int, learned: Learned = LEARNED, words: ClassWords | None = None
) -> Confidence | None:
    """For references float32[n, d] with labels int[n]; None where they are too few to hold any out."""
    counts = distinct(vectors, labels, classes)
    if classes < 2 or np.median(counts) < FEWEST:
        return None
    span = Span.of(vectors if words is None else np.concatenate([vectors, words.vectors]))
    prior = None if words is None else Prior(span.coordinates(words.vectors), words.weight)
    trials = try_out(span, vectors, labels, classes, prior)
    if trials is None:
        return None
    rows = span.coordinates(vectors)
    moments = Moments.of(rows, labels, classes, span.dim)
    rule = prior.discriminant(moments) if prior else Discriminant(moments)
    return Confidence(span, Witness(rule, rows, labels), Calibration(trials, float(counts.mean()), learned))
