"""What a scorer is: from references it learns how alike a new picture is to each class."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
Labels = NDArray[np.intp]
Flags = NDArray[np.bool_]

BLOCK = 4096
"""Rows multiplied at once: bounds the memory."""


class Scorer(Protocol):
    """A rule that scores classes. Deterministic, and one row's scores never depend on the other rows."""

    def scores(self, vectors: Floats) -> Floats:
        """float32[m, d] unit vectors → float32[m, c], larger is more alike."""


def check_references(vectors: Floats, labels: Labels, classes: int) -> None:
    """Raise ValueError unless every class 0 … classes - 1 has a reference and all vectors are finite and not zero."""
    if vectors.ndim != 2 or len(vectors) != len(labels):
        raise ValueError(f"{vectors.shape} vectors do not fit {labels.shape} labels")
    check_vectors(vectors)
    missing = np.flatnonzero(np.bincount(labels, minlength=classes) == 0)
    if len(missing) or (len(labels) and int(labels.max()) >= classes):
        raise ValueError(f"classes without a reference: {missing.tolist()}")


def check_vectors(vectors: Floats) -> None:
    """Raise ValueError for NaN, infinite or zero vectors: no cosine means anything with them."""
    if not np.isfinite(vectors).all():
        raise ValueError("a vector holds NaN or infinity")
    if not np.linalg.norm(vectors, axis=1).all():
        raise ValueError("a vector is zero")


def class_means(vectors: Floats, labels: Labels, classes: int) -> Wide:
    """float64[c, d]: the mean reference of each class, not normalised."""
    sums = np.zeros((classes, vectors.shape[1]), dtype=np.float64)
    np.add.at(sums, labels, vectors.astype(np.float64))
    return np.asarray(sums / np.bincount(labels, minlength=classes)[:, None])


def product(vectors: Floats, matrix: Wide) -> Floats:
    """vectors[m, d] · matrix[c, d]ᵀ, computed in float64 and rounded to float32.

    A product in float32 is twice as fast, but there the last bits depend on how many rows came along and on where a
    reference stands, and that would decide ties: two equal references must score the same. Rounding takes those off.
    """
    result = np.empty((len(vectors), len(matrix)), dtype=np.float32)
    for start in range(0, len(vectors), BLOCK):
        rows = slice(start, start + BLOCK)
        result[rows] = vectors[rows].astype(np.float64) @ matrix.T
    return result
