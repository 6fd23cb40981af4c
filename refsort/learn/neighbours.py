"""Which labels show one picture: the same bytes, or pictures so alike that one gives the other away."""

from collections.abc import Sequence

import numpy as np

from refsort.decide import Floats, Labels
from refsort.decide.check.duplicates import linked, near_limit, near_pairs
from refsort.decide.folds import NEAR


def same_pictures(vectors: Floats, hashes: Sequence[bytes]) -> Labels:
    """int[n]: equal numbers for those of float32[n, d] that are linked by equal bytes or by near duplicates.

    Near is what `refsort check` calls near, and a cosine of NEAR in any case.
    """
    first: dict[bytes, int] = {}
    same = [(first.setdefault(digest, row), row) for row, digest in enumerate(hashes)]
    pairs = np.asarray([pair for pair in same if pair[0] != pair[1]], dtype=np.intp).reshape(-1, 2)
    if len(vectors):
        near, _ = near_pairs(vectors, min(near_limit(vectors), NEAR))
        pairs = np.concatenate([pairs, near])
    return linked(len(vectors), pairs)
