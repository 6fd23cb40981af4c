"""Vectors in, decisions out. numpy only: no files, no clock, no printing.

A new rule is a class in a file of its own and a line in SCORERS.
"""

from collections.abc import Callable

from refsort.decide.avg import Average
from refsort.decide.base import Floats, Labels, Scorer, check_references, check_vectors
from refsort.decide.decision import Decision, Rule, decide
from refsort.decide.judge import CalibratedJudge, Judge, Terms, make_judge
from refsort.decide.lda import Lda
from refsort.decide.maximum import Maximum
from refsort.decide.prototype import Prototype
from refsort.decide.trust.foretold import EVERY, Foretold
from refsort.decide.words import ClassWords

SCORERS: dict[str, Callable[[Floats, Labels, int], Scorer]] = {
    "avg": Average,
    "max": Maximum,
    "prototype": Prototype,
    "lda": Lda,
}


def fit(mode: str, vectors: Floats, labels: Labels, classes: int) -> Scorer:
    """A scorer for references float32[n, d] with labels int[n] in 0 … classes - 1. Raises ValueError on bad vectors."""
    check_references(vectors, labels, classes)
    return SCORERS[mode](vectors, labels, classes)


__all__ = [
    "EVERY",
    "SCORERS",
    "CalibratedJudge",
    "ClassWords",
    "Decision",
    "Floats",
    "Foretold",
    "Judge",
    "Labels",
    "Rule",
    "Scorer",
    "Terms",
    "check_vectors",
    "decide",
    "fit",
    "make_judge",
]
