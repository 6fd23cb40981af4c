"""The table of a folder's pictures and some phrases."""

from collections.abc import Sequence

import numpy as np

from refsort.errors import DatasetError
from refsort.explore.phrases import Table, Tell, compare, label_vectors
from refsort.explore.source import Source, pictures
from refsort.names import show
from refsort.sorting.events import Reporter


def similarity(
    source: Source,
    labels: Sequence[str],
    reporter: Reporter,
    *,
    parts: Sequence[str] | None = None,
    ensemble: bool = False,
) -> Table:
    """Pictures × phrases; vectors that are known are not computed again.

    `source` needs an encoder with a text side. Raises DatasetError if there is no readable picture, and EncoderError.
    """
    found = list(pictures(source.dataset, parts))
    if not found:
        raise DatasetError(f"{show(str(source.dataset.root))} holds no pictures")
    return table_of(source, found, labels, reporter, ensemble=ensemble)


def table_of(
    source: Source, wanted: Sequence[str], labels: Sequence[str], reporter: Reporter, *, ensemble: bool = False
) -> Table:
    """The same for these pictures, by their paths; what can't be read is told and left out.

    Raises DatasetError if none can be.
    """
    tell: Tell = reporter.message
    texts = label_vectors(source.encoder, labels, tell, ensemble=ensemble)
    reporter.stage("pictures", len(wanted))
    paths, vectors = [], []
    for picture in source.embedder.stream(wanted):
        reporter.step()
        if picture.vector is None:
            tell(f"{show(picture.path)} is left out: {picture.reason}")
            continue
        paths.append(picture.path)
        vectors.append(picture.vector)
    if not paths:
        raise DatasetError(f"no picture in {show(str(source.dataset.root))} can be read")
    return compare(source.encoder, paths, np.stack(vectors), labels, texts)
