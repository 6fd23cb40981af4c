"""How references are held out to judge one another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refsort.decide import fit
from refsort.decide.folds import FOLDS, NEAR, folds, out_of_fold
from tests.decide.test_lda import assert_alike, clusters, sizes_of_classes

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]


def on_a_circle(*degrees: float) -> Floats:
    """Unit vectors in a plane: two of them are near where they stand fewer than ten degrees apart."""
    assert np.cos(np.radians(9)) > NEAR > np.cos(np.radians(11))
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(2, 23), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_each_class_is_spread_evenly(sizes: list[int], seed: int) -> None:
    references, labels, _ = clusters(sizes, 40, seed)
    fold = folds(references, labels)
    for c, size in enumerate(sizes):
        spread = np.bincount(fold[labels == c])
        used = spread[spread > 0]
        assert len(used) == min(FOLDS, size)
        assert used.max() - used.min() <= 1


def test_what_is_left_over_does_not_all_go_to_the_first_fold() -> None:
    references, labels, _ = clusters([6] * FOLDS, 40, seed=1)
    assert np.bincount(folds(references, labels)).tolist() == [6] * FOLDS


@settings(max_examples=60, deadline=None)
@given(
    degrees=st.lists(st.integers(0, 119).map(lambda step: 3 * step), min_size=2, max_size=25),
    seed=st.integers(0, 1000),
)
def test_near_duplicates_of_a_class_share_a_fold(degrees: list[int], seed: int) -> None:
    vectors = on_a_circle(*degrees)
    labels = np.random.default_rng(seed).integers(2, size=len(degrees))
    fold = folds(vectors, labels)
    near = (vectors @ vectors.T >= NEAR) & (labels[:, None] == labels)
    assert (fold[:, None] == fold)[near].all()


def test_a_chain_of_near_duplicates_stays_together() -> None:
    """The two ends are far apart, but whoever holds out one end still sees it in the next picture."""
    fold = folds(on_a_circle(0, 8, 16, 24, 32, 120, 240), np.zeros(7, dtype=np.intp))
    assert len(set(fold[:5])) == 1
    assert len(set(fold)) == 3


def test_near_duplicates_of_two_classes_may_part() -> None:
    fold = folds(on_a_circle(0, 120, 1, 121), np.array([0, 0, 1, 1]))
    assert (fold >= 0).all()
    assert fold[0] != fold[1]
    assert fold[2] != fold[3]


@pytest.mark.parametrize("alone", [on_a_circle(200), on_a_circle(200, 203, 206)], ids=["one picture", "copies"])
def test_a_class_with_nothing_else_is_not_covered(alone: Floats) -> None:
    vectors = np.concatenate([on_a_circle(0, 30, 60, 100), alone])
    labels = np.repeat([0, 1], [4, len(alone)])
    assert (folds(vectors, labels) == -1).tolist() == (labels == 1).tolist()
    found = out_of_fold(vectors, labels, 2)
    assert found.covered.tolist() == (labels == 0).tolist()
    assert not found.right(labels)[labels == 1].any()


def test_where_nothing_can_be_held_out_nothing_is_covered() -> None:
    found = out_of_fold(on_a_circle(0, 90, 180), np.arange(3), 3)
    assert not found.covered.any()
    assert not found.right(np.arange(3)).any()


@settings(max_examples=40, deadline=None)
@given(sizes=sizes_of_classes, seed=st.integers(0, 1000))
def test_folds_do_not_depend_on_the_order_of_the_references(sizes: list[int], seed: int) -> None:
    references, labels, _ = clusters(sizes, 10, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    np.testing.assert_array_equal(folds(references[order], labels[order]), folds(references, labels)[order])


@pytest.mark.parametrize(("sizes", "d"), [([4, 7, 5], 40), ([30, 12, 20], 10), ([2, 2, 2], 12), ([3, 1, 6], 12)])
def test_held_out_scores_are_those_of_a_rule_without_the_fold(sizes: list[int], d: int) -> None:
    references, labels, _ = clusters(sizes, d, seed=2)
    fold = folds(references, labels)
    found = out_of_fold(references, labels, len(sizes))
    for number in range(int(fold.max()) + 1):
        held = fold == number
        rule = fit("lda", references[~held], labels[~held], len(sizes))
        assert_alike(found.scores[held], rule.scores(references[held]))


def test_right_is_where_the_best_class_is_the_own() -> None:
    references, labels, _ = clusters([8, 8, 8], 30, seed=3)
    swapped = labels.copy()
    swapped[0] = (labels[0] + 1) % 3
    right = out_of_fold(references, swapped, 3).right(swapped)
    assert not right[0]
    assert right[1:].mean() > 0.8
