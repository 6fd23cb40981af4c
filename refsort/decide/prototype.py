"""`prototype`: the cosine to a class's mean reference."""

import numpy as np

from refsort.decide.base import Floats, Labels, Wide, class_means, product


def prototypes(vectors: Floats, labels: Labels, classes: int) -> Wide:
    """Mean reference vector of each class, L2-normalised: float64[c, d].

    Snell, Swersky, Zemel: "Prototypical Networks for Few-shot Learning" (2017), section 2.2, with cosine for distance.
    """
    means = class_means(vectors, labels, classes)
    length = np.linalg.norm(means, axis=1, keepdims=True)
    return np.asarray(means / np.maximum(length, 1e-12))


class Prototype:
    """score(x, c) = cos(x, mean of the references of c).

    Unlike `avg` it doesn't favour a class whose references are alike: there the plain mean is longer.
    """

    def __init__(self, vectors: Floats, labels: Labels, classes: int) -> None:
        self._prototypes = prototypes(vectors, labels, classes)

    def scores(self, vectors: Floats) -> Floats:
        """float32[m, d] unit vectors → float32[m, c], each -1 to 1."""
        return product(vectors, self._prototypes)
