"""What is learned from and what is tested with: the hold-out holds only what people have said, and stays."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from refsort.decide import Floats, Labels
from refsort.learn.neighbours import same_pictures
from refsort.learn.truth import Label

SHARE = 0.3
"""Of the corrected and confirmed pictures, those that are held out."""
BY_PEOPLE = ("corrected", "confirmed")


@dataclass(frozen=True, slots=True)
class Split:
    """Indices int[k] into the labels. A trusted picture nearly the same as one of the hold-out is in neither."""

    train: Labels
    holdout: Labels


def split(labels: Sequence[Label], vectors: Floats, classes: Sequence[str], *, share: float = SHARE) -> Split:
    """Divide labels with vectors float32[n, d]; ones of no class in `classes` are in neither part.

    A picture's own hash says whether it is drawn for the hold-out, so whatever comes later it is drawn again, and each
    class gives about its share. Pictures that are the same or nearly so go together: to the training if a reference is
    among them, else to the hold-out if one of them is drawn.
    """
    known = set(classes)
    groups: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(same_pictures(vectors, [label.sha256 for label in labels]).tolist()):
        if labels[row].class_name in known:
            groups[group].append(row)
    train: list[int] = []
    holdout: list[int] = []
    for rows in groups.values():
        said = [row for row in rows if labels[row].source in BY_PEOPLE]
        has_reference = any(labels[row].source == "reference" for row in rows)
        if not has_reference and any(drawn(labels[row].sha256, share) for row in said):
            holdout += said
        else:
            train += rows
    return Split(np.asarray(sorted(train), dtype=np.intp), np.asarray(sorted(holdout), dtype=np.intp))


def drawn(sha256: bytes, share: float) -> bool:
    """Whether a content belongs to that share of all contents; with a larger share it still does."""
    return int.from_bytes(sha256[:8], "big") < share * 2**64
