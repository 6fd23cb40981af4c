"""Batch refinement: the arrivals themselves say a little more about where the classes lie.

An idea of TransCLIP (Zanella, Gérin, Ben Ayed: "Boosting Vision-Language Models with Transduction", arXiv 2406.01837),
in one closed step: each arrival counts as so much of a reference of each class as it is likely to be one.
"""

import numpy as np

from refsort.decide.base import Floats, Labels, Wide
from refsort.decide.lda import Discriminant
from refsort.decide.moments import Moments, Span


def refined_scores(references: Floats, labels: Labels, arrivals: Floats, shares: Wide) -> Wide:
    """Scores of `lda` float64[m, c] after arrivals float32[m, d] have moved the means.

    `shares` float64[m, c]: probability that an arrival is right and of that class. The references stay what they are,
    and the spread within the classes is theirs alone.
    """
    span = Span.of(np.concatenate([references, arrivals]))
    rows = span.coordinates(arrivals)
    moments = Moments.of(span.coordinates(references), labels, shares.shape[1], span.dim)
    counts = moments.counts + shares.sum(axis=0)
    means = (moments.sums + shares.T @ rows) / counts[:, None]
    return Discriminant(moments, means).scores(rows)
