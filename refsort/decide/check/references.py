"""A look at the references before anything moves: what is wrong with them, and how well they will sort."""

from dataclasses import replace

from refsort.decide.base import Floats, Labels, check_references
from refsort.decide.check.classes import close_classes, sizes
from refsort.decide.check.duplicates import different, duplicates
from refsort.decide.check.expected import curve, expected
from refsort.decide.check.findings import SEVERITIES, Curve, Findings
from refsort.decide.check.labels import mislabelled, outliers
from refsort.decide.folds import out_of_fold


def check(vectors: Floats, labels: Labels, classes: int, hashes: list[bytes], *, with_curve: bool = True) -> Findings:
    """Look at references float32[n, d] (unit length) with labels int[n] in 0 … classes - 1 and hashes of their bytes.

    Judged by `lda`, whatever rule will sort. The learning curve takes most of the time.
    Raises ValueError on bad vectors.
    """
    check_references(vectors, labels, classes)
    held = out_of_fold(vectors, labels, classes)
    kept = different(labels, hashes)
    strange = [
        replace(finding, references=tuple(int(kept[i]) for i in finding.references))
        for finding in outliers(vectors[kept], labels[kept], classes)
    ]
    close = close_classes(vectors, labels, held, classes)
    # What is like nothing here has no better folder here either, and in alike classes a picture looks like either.
    lonely = {finding.references for finding in strange}
    alike = {frozenset(finding.classes) for finding in close}
    suspects = [
        finding
        for finding in mislabelled(held, labels)
        if finding.references not in lonely and frozenset(finding.classes) not in alike
    ]
    twice = duplicates(vectors, labels, hashes)
    found = [*twice, *suspects, *strange, *close, *sizes(labels, kept, classes)]
    whole = expected(held, labels, classes)
    return Findings(
        tuple(sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))),
        tuple(int((labels == label).sum()) for label in range(classes)),
        whole,
        curve(vectors[kept], labels[kept], classes, whole) if with_curve else Curve((), None),
    )
