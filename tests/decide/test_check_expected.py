"""What is promised of sorting: the accuracy, and what more references bring."""

import numpy as np
import pytest

from refsort.decide import fit
from refsort.decide.check import check
from refsort.decide.check.classes import wilson
from refsort.decide.check.expected import gain_of_one
from refsort.decide.check.findings import Step
from tests.decide.planted import clusters, hashes, look


def test_more_references_bring_something_where_the_curve_says_so() -> None:
    vectors, labels = clusters(classes=6, each=30, spread=3.0)
    found = check(vectors, labels, 6, hashes(len(labels)))
    sizes = [step.references for step in found.curve.steps]
    assert sizes == [2, 3, 5, 8, 12, 20, 24]
    assert found.curve.steps[-1].accuracy > found.curve.steps[0].accuracy + 0.1
    assert found.curve.one_more is not None
    assert 0 < found.curve.one_more < 0.02


def test_copies_do_not_lengthen_the_curve() -> None:
    vectors, labels = clusters(classes=3, each=6, spread=3.0)
    contents = hashes(18)
    found = check(np.tile(vectors, (2, 1)), np.tile(labels, 2), 3, contents * 2)
    assert [step.references for step in found.curve.steps] == [2, 3, pytest.approx(4.8)]


def test_what_one_more_brings_is_told_only_where_the_law_fits() -> None:
    sizes, now = (2, 3, 5, 8), 10.0
    lawful = [Step(size, 1 - 0.4 * size**-0.5) for size in sizes]
    assert gain_of_one(lawful, now) == pytest.approx(0.4 * (10**-0.5 - 11**-0.5))
    assert gain_of_one(lawful[:2], now) is None
    for accuracies in [(0.5, 0.9, 0.6, 0.9), (0.7, 0.7, 0.7, 0.7), (0.9, 0.95, 0.99, 1.0)]:
        assert gain_of_one([Step(*step) for step in zip(sizes, accuracies, strict=True)], now) is None


def test_the_accuracy_to_expect_is_what_new_pictures_get() -> None:
    everything, truth = clusters(classes=6, each=600, spread=3.0)
    drawn = np.arange(len(truth)) % 600 < 20
    found = look(everything[drawn], truth[drawn])
    scores = fit("lda", everything[drawn], truth[drawn], 6).scores(everything[~drawn])
    assert found.expected is not None
    assert found.expected.low <= (scores.argmax(axis=1) == truth[~drawn]).mean() <= found.expected.high


def test_wilsons_interval() -> None:
    """The example of 81 in 263: 0.255 to 0.366."""
    low, high = wilson(np.asarray(81 / 263), np.asarray(263), 1.96)
    assert (round(float(low), 4), round(float(high), 4)) == (0.2553, 0.3662)
