"""Class means and within-class covariance of references, cheap to redo without some of them.

Everything is kept in coordinates of the references' own span: with n references of d dimensions that is at most
min(n, d) numbers a vector, and nothing is lost, because what lies outside the span is alike for every class.
"""

from dataclasses import dataclass

import numpy as np

from refsort.decide.base import Floats, Labels, Wide


@dataclass(frozen=True, slots=True)
class Span:
    """An orthonormal basis of the references, float64[d, r], or None where it is the whole space."""

    basis: Wide | None
    dim: int

    @classmethod
    def of(cls, vectors: Floats) -> "Span":
        """The span of float32[n, d]."""
        n, dim = vectors.shape
        if n >= dim:
            return cls(None, dim)
        return cls(np.linalg.qr(vectors.astype(np.float64).T)[0], dim)

    def coordinates(self, vectors: Floats) -> Wide:
        """float32[m, d] → float64[m, r]."""
        wide = vectors.astype(np.float64)
        return wide if self.basis is None else np.asarray(wide @ self.basis)

    def outside(self, vectors: Floats, rows: Wide) -> Wide:
        """float64[m]: squared length of float32[m, d] beyond the span, given their coordinates."""
        return np.asarray(np.maximum((vectors.astype(np.float64) ** 2).sum(axis=1) - (rows**2).sum(axis=1), 0))


@dataclass(frozen=True, slots=True)
class Moments:
    """Sums of references: enough for every mean and covariance, and easily made smaller.

    `counts` float64[c], `sums` float64[c, r], `second` float64[r, r] = Σ x xᵀ, `dim` d of the space around.
    """

    counts: Wide
    sums: Wide
    second: Wide
    dim: int

    @classmethod
    def of(cls, rows: Wide, labels: Labels, classes: int, dim: int) -> "Moments":
        """Of coordinates float64[n, r] with labels int[n]."""
        sums = np.zeros((classes, rows.shape[1]))
        for label in np.unique(labels):
            sums[label] = rows[labels == label].sum(axis=0)
        return cls(np.bincount(labels, minlength=classes).astype(np.float64), sums, rows.T @ rows, dim)

    def without(self, rows: Wide, labels: Labels) -> "Moments":
        """The same without some of the references; costs only what those cost."""
        less = Moments.of(rows, labels, len(self.counts), self.dim)
        return Moments(self.counts - less.counts, self.sums - less.sums, self.second - less.second, self.dim)

    def of_classes(self, present: Labels) -> "Moments":
        """Only these classes, in this order; the others must have been emptied before."""
        return Moments(self.counts[present], self.sums[present], self.second, self.dim)

    @property
    def means(self) -> Wide:
        """float64[c, r]; zero for a class without references."""
        return np.asarray(self.sums / np.maximum(self.counts, 1)[:, None])

    def scatter(self) -> Wide:
        """float64[r, r]: Σ (x - mean of its class)(x - mean of its class)ᵀ."""
        means = self.means
        return np.asarray(self.second - means.T @ (means * self.counts[:, None]))
