"""How good decisions about labelled pictures are, and how honest their probabilities. numpy only."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from refsort.decide.base import Flags, Floats, Labels, Wide
from refsort.decide.decision import Decision
from refsort.decide.measures import Calibration, RiskCoverage, Share, calibration, risk_coverage, rounded

NONE = -1
"""The truth of a picture that belongs to no class."""
VERDICTS = ("sure", "unsure", "unknown")
SURE, UNSURE, UNKNOWN = range(3)


@dataclass(frozen=True, slots=True)
class Answers:
    """Decisions about m pictures beside the truth, as arrays.

    `truth` int[m]: the class, or NONE. `best` int[m]: the best class. `verdict` int[m]: index into VERDICTS; what is
    sure is moved. `probability` float64[m]: that the best class is right; NaN where there is none. `margin` float64[m].
    """

    truth: Labels
    best: Labels
    verdict: Labels
    probability: Wide
    margin: Wide

    @classmethod
    def of(cls, decisions: list[Decision], classes: list[str], truth: Labels) -> "Answers":
        """From decisions; where there is no second class the score stands for the margin."""
        label = {name: number for number, name in enumerate(classes)}
        return cls(
            truth,
            np.array([label[d.class_name] for d in decisions], dtype=np.intp),
            np.array([VERDICTS.index(d.verdict) for d in decisions], dtype=np.intp),
            np.array([np.nan if d.probability is None else d.probability for d in decisions]),
            np.array([d.score if d.margin is None else d.margin for d in decisions]),
        )

    @property
    def member(self) -> Flags:
        """bool[m]: whether a picture belongs to a class."""
        return np.asarray(self.truth != NONE)

    @property
    def right(self) -> Flags:
        """bool[m]: whether it belongs to the best class; never so where it belongs to none."""
        return np.asarray(self.best == self.truth)

    @property
    def moved(self) -> Flags:
        """bool[m]."""
        return np.asarray(self.verdict == SURE)


@dataclass(frozen=True, slots=True)
class ClassResult:
    """How one class fared."""

    name: str
    accuracy: Share
    """Of its pictures, those whose best class it is."""
    recall: Share
    """Of its pictures, those that are moved into its folder."""
    precision: Share
    """Of all that is moved into its folder, what belongs there."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        shares = {key: getattr(self, key).as_dict() for key in ("accuracy", "recall", "precision")}
        return {"class": self.name, **shares}


@dataclass(frozen=True, slots=True)
class Strays:
    """What became of the pictures that belong to no class."""

    moved: Share
    unsure: Share
    unknown: Share

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {key: getattr(self, key).as_dict() for key in ("moved", "unsure", "unknown")}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Everything about one set of decisions. A picture that belongs to no class is wrong in whatever class."""

    classes: tuple[str, ...]
    accuracy: Share
    """Of the pictures that belong to a class, those whose best class is right, moved or not."""
    mean_class_accuracy: float
    """The same for each class that has pictures, and their mean: large classes count no more than small ones."""
    moved: Share
    """Of the pictures that belong to a class, those that are moved."""
    wrong: Share
    """Of all that is moved, what lies in a wrong folder."""
    members_wrong: Share
    """The same without those that belong to no class."""
    promised_wrong: float | None
    """What the probabilities say that `wrong` will be; None where there are none or nothing is moved."""
    per_class: tuple[ClassResult, ...]
    confusion: Labels
    """int[c + 1, c + 2]: rows are the true classes and none; columns the classes moved to, unsure, unknown."""
    strays: Strays
    calibration: Calibration | None
    """None where a picture has no probability."""
    risk_coverage: RiskCoverage
    """Ordered by probability, or by margin where there is none."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "classes": list(self.classes),
            "accuracy": self.accuracy.as_dict(),
            "mean_class_accuracy": rounded(self.mean_class_accuracy),
            "moved": self.moved.as_dict(),
            "wrong": self.wrong.as_dict(),
            "members_wrong": self.members_wrong.as_dict(),
            "promised_wrong": rounded(self.promised_wrong),
            "per_class": [result.as_dict() for result in self.per_class],
            "confusion": self.confusion.tolist(),
            "strays": self.strays.as_dict(),
            "calibration": self.calibration.as_dict() if self.calibration else None,
            "risk_coverage": self.risk_coverage.as_dict(),
        }


def evaluate(answers: Answers, classes: list[str]) -> Evaluation:
    """The whole picture. Raises ValueError unless at least one picture belongs to a class."""
    member, right, moved = answers.member, answers.right, answers.moved
    if not member.any():
        raise ValueError("no picture belongs to a class")
    calibrated = not np.isnan(answers.probability).any()
    per_class = tuple(_class_result(answers, label, name) for label, name in enumerate(classes))
    return Evaluation(
        classes=tuple(classes),
        accuracy=Share.of(right[member]),
        mean_class_accuracy=mean_class_accuracy(answers.truth, answers.best),
        moved=Share.of(moved[member]),
        wrong=Share.of(~right[moved]),
        members_wrong=Share.of(~right[moved & member]),
        promised_wrong=float(1 - answers.probability[moved].mean()) if calibrated and moved.any() else None,
        per_class=per_class,
        confusion=confusion(answers, len(classes)),
        strays=Strays(*(Share.of(answers.verdict[~member] == verdict) for verdict in (SURE, UNSURE, UNKNOWN))),
        calibration=calibration(answers.probability, right) if calibrated else None,
        risk_coverage=risk_coverage(answers.probability if calibrated else answers.margin, right),
    )


def _class_result(answers: Answers, label: int, name: str) -> ClassResult:
    own, into = answers.truth == label, answers.moved & (answers.best == label)
    return ClassResult(name, Share.of(answers.right[own]), Share.of(into[own]), Share.of(own[into]))


def mean_class_accuracy(truth: Labels, best: Labels) -> float:
    """Mean over the classes that occur in `truth` of the share of their pictures whose `best` is right."""
    present = np.unique(truth[truth != NONE])
    return float(np.mean([(best[truth == label] == label).mean() for label in present]))


def confusion(answers: Answers, classes: int) -> Labels:
    """int[c + 1, c + 2], see Evaluation."""
    rows = np.where(answers.member, answers.truth, classes)
    columns = np.where(answers.moved, answers.best, classes + answers.verdict - UNSURE)
    counts = np.zeros((classes + 1, classes + 2), dtype=np.intp)
    np.add.at(counts, (rows, columns), 1)
    return counts


@dataclass(frozen=True, slots=True)
class ModeResult:
    """How one way of scoring does on the same vectors, if nothing is left aside."""

    mode: str
    accuracy: Share
    mean_class_accuracy: float
    aurc: float
    """With the lead of the best class over the second as confidence."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "mode": self.mode,
            "accuracy": self.accuracy.as_dict(),
            "mean_class_accuracy": rounded(self.mean_class_accuracy),
            "aurc": rounded(self.aurc),
        }


def mode_result(mode: str, scores: Floats, truth: Labels) -> ModeResult:
    """Of float32[m, c] scores; `truth` int[m] as in Answers."""
    best = np.asarray(scores.argmax(axis=1), dtype=np.intp)
    ordered = np.sort(scores.astype(np.float64), axis=1)
    lead = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else ordered[:, -1]
    member = truth != NONE
    return ModeResult(
        mode,
        Share.of(best[member] == truth[member]),
        mean_class_accuracy(truth, best),
        risk_coverage(lead, best == truth).aurc,
    )
