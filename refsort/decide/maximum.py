"""`max`: the cosine to the nearest reference of a class."""

import numpy as np

from refsort.decide.base import Floats, Labels, product


class Maximum:
    """score(x, c) = max over the references r of c of cos(x, r)."""

    def __init__(self, vectors: Floats, labels: Labels, classes: int) -> None:
        order = np.argsort(labels, kind="stable")
        self._references = vectors[order].astype(np.float64)
        counts = np.bincount(labels, minlength=classes)
        self._starts = np.concatenate(([0], np.cumsum(counts)[:-1]))

    def scores(self, vectors: Floats) -> Floats:
        """float32[m, d] unit vectors → float32[m, c], each -1 to 1."""
        return np.maximum.reduceat(product(vectors, self._references), self._starts, axis=1)
