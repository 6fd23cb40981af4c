"""`avg`: the mean cosine to a class's references."""

from refsort.decide.base import Floats, Labels, class_means, product


class Average:
    """score(x, c) = mean over the references r of c of cos(x, r).

    For unit vectors this is the scalar product with the plain mean of the references, which is how it is computed.
    """

    def __init__(self, vectors: Floats, labels: Labels, classes: int) -> None:
        self._means = class_means(vectors, labels, classes)

    def scores(self, vectors: Floats) -> Floats:
        """float32[m, d] unit vectors → float32[m, c], each -1 to 1."""
        return product(vectors, self._means)
