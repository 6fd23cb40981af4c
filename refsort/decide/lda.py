"""`lda`: a shrunk Gaussian discriminant on the references. No training loop, one linear layer when applied.

The idea is that of Wang et al., "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation" (ICLR 2024): classes
differ in their means and share one covariance, shrunk toward a multiple of the identity as the references are few.
"""

import numpy as np

from refsort.decide.base import Floats, Labels, Wide, product
from refsort.decide.moments import Moments, Span

SHRINK = 0.95
"""Of the usual d/(N + d): a little less was a little better with few references and with many."""
LEAST_SPREAD = 1e-12
"""Variance under which references are taken for copies of one another."""


class Discriminant:
    """The rule in coordinates of a span. With v̄_c the class means, m their mean, N = n - c degrees of freedom,

    S = Σ (x - v̄_y)(x - v̄_y)ᵀ / N, τ = tr(S)/d, ρ = 0.95 · d/(N + d), P = [(1 - ρ) S + ρ τ I]⁻¹:

        l_c(x) = (x - m)ᵀ P (v̄_c - m) - ½ [(v̄_c - m)ᵀ P (v̄_c - m) - s/n_c]

    The mean of n_c pictures is longer than the true one by their noise, s/n_c on the mean; without that term a class
    with few references among classes with many hardly ever wins (measured: 3 points of accuracy at 1 to 4 references).

    Where no class has two different references there is no spread to measure: the score is then the cosine of x - m and
    v̄_c - m ("centred prototypes"; measured 1.5 points better than plain ones with one reference a class).
    """

    def __init__(self, moments: Moments, means: Wide | None = None, counts: Wide | None = None) -> None:
        """`means` float64[c, r]: others than the references' own, for a prior; `counts` float64[c] is behind them."""
        means = moments.means if means is None else means
        counts = moments.counts if counts is None else counts
        freedom = float(moments.counts.sum()) - int((moments.counts > 0).sum())
        self.centre = means.mean(axis=0)
        offsets = means - self.centre
        length = np.linalg.norm(offsets, axis=1, keepdims=True)
        self.directions = np.asarray(offsets / np.maximum(length, LEAST_SPREAD))
        scatter = moments.scatter()
        spread = float(np.trace(scatter)) / max(freedom, 1.0) / moments.dim
        self.gaussian = freedom > 0 and spread > LEAST_SPREAD
        if not self.gaussian:
            return
        shrink = SHRINK * moments.dim / (freedom + moments.dim)
        self.floor = shrink * spread
        covariance = (1 - shrink) / freedom * scatter
        covariance.flat[:: len(covariance) + 1] += self.floor
        self.precision = np.linalg.inv(covariance)
        self.weights = offsets @ self.precision
        within = float((self.precision * scatter).sum()) / freedom  # tr(P S), too small for pictures that made S
        noise = within / (1 - (1 - shrink) * within / freedom)  # the same for a picture left out
        self.bias = 0.5 * ((self.weights * offsets).sum(axis=1) - noise / counts)

    def scores(self, rows: Wide) -> Wide:
        """float64[m, r] → float64[m, c]; a difference of two is a log-likelihood ratio, or of two cosines."""
        centred = rows - self.centre
        if self.gaussian:
            return np.asarray(centred @ self.weights.T - self.bias)
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        return np.asarray(centred @ self.directions.T / np.maximum(length, LEAST_SPREAD))

    def centred_cosines(self, rows: Wide, outside: Wide) -> Wide:
        """float64[m, c]: cosine of x - m and v̄_c - m; `outside` float64[m] is |x|² beyond the span."""
        centred = rows - self.centre
        length = np.sqrt((centred**2).sum(axis=1) + outside)[:, None]
        return np.asarray(centred @ self.directions.T / np.maximum(length, LEAST_SPREAD))

    def distance(self, rows: Wide, outside: Wide) -> Wide:
        """float64[m]: squared Mahalanobis distance (x - m)ᵀ P (x - m)."""
        centred = rows - self.centre
        if not self.gaussian:
            return np.asarray((centred**2).sum(axis=1) + outside)
        return np.asarray(((centred @ self.precision) * centred).sum(axis=1) + outside / self.floor)


def with_phrases(means: Wide, counts: Wide, phrases: Wide, weight: float | Wide) -> Wide:
    """Class means float64[c, d] drawn toward phrases float64[c, d] as if each were `weight` more references.

    Both sides are centred and of one spread, so that neither the gap between images and texts nor how far the texts lie
    apart counts: (n_c v̄_c + κ_c a_c)/(n_c + κ_c) with a_c = m + g (t_c - t̄). m, t̄ and g = |V̄ - m|/|T - t̄| are taken
    over the classes with references, of which there must be one. A class without any lies where its phrase puts it;
    `weight` float64[c] must not be 0 there.
    """
    pictured = counts > 0
    centre = means[pictured].mean(axis=0)
    offsets = phrases - phrases[pictured].mean(axis=0)
    spread = np.linalg.norm(offsets[pictured])
    scale = np.linalg.norm(means[pictured] - centre) / spread if spread > LEAST_SPREAD else 0.0
    share = (counts / (counts + weight))[:, None]
    drawn = share * means + (1 - share) * (centre + (scale or 1.0) * offsets)
    return np.asarray(np.where(share < 1, drawn, means))


class Lda:
    """score(x, c) = l_c(x), see Discriminant."""

    def __init__(
        self,
        vectors: Floats,
        labels: Labels,
        classes: int,
        phrases: Floats | None = None,
        phrase_weight: float = 2.0,
    ) -> None:
        """`phrases` float32[c, d]: a text vector of each class, worth `phrase_weight` references.

        Accuracy with weights 0, 1, 2, 4, 8 at two references a class: good phrases 86.5, 90.0, 90.9, 92.3, 92.9; poor
        ones 86.5, 88.1, 87.7, 85.8, 80.7. 2 is the largest that cost at most 0.2 with poor phrases, at 1 to 10
        references (benchmarks/fewshot.py).
        """
        spanned = vectors if phrases is None else np.concatenate([vectors, phrases])
        span = Span.of(spanned)
        moments = Moments.of(span.coordinates(vectors), labels, classes, span.dim)
        means = moments.means
        if phrases is not None:
            means = with_phrases(means, moments.counts, span.coordinates(phrases), phrase_weight)
        rule = Discriminant(moments, means)
        self._cosine = not rule.gaussian
        matrix = rule.directions if self._cosine else rule.weights
        self._centre = rule.centre if span.basis is None else span.basis @ rule.centre
        self._matrix = matrix if span.basis is None else matrix @ span.basis.T
        self._bias = self._matrix @ self._centre + (0 if self._cosine else rule.bias)

    def scores(self, vectors: Floats) -> Floats:
        """float32[m, d] unit vectors → float32[m, c]: log-likelihoods but for a constant, or cosines."""
        scores = product(vectors, self._matrix).astype(np.float64) - self._bias
        if self._cosine:
            length = np.linalg.norm(vectors.astype(np.float64) - self._centre, axis=1, keepdims=True)
            scores /= np.maximum(length, LEAST_SPREAD)
        return np.asarray(scores, dtype=np.float32)
