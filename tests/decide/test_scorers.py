"""Scorers against their definitions, and decisions at their edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refsort.decide import SCORERS, Rule, decide, fit
from tests.decide.test_lda import assert_alike, by_formula

Floats = NDArray[np.float32]
Labels = NDArray[np.intp]


def unit_rows(rng: np.random.Generator, n: int, d: int) -> Floats:
    rows = rng.normal(size=(n, d))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


@st.composite
def problems(draw: st.DrawFn) -> tuple[Floats, Labels, Floats, int]:
    """References of classes of unequal size, labels, arrivals, number of classes."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=1, max_size=5))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    d = draw(st.integers(2, 12))
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.intp)
    return unit_rows(rng, sum(sizes), d), labels, unit_rows(rng, draw(st.integers(1, 9)), d), len(sizes)


def by_definition(mode: str, references: Floats, labels: Labels, x: Floats, c: int) -> float:
    if mode == "lda":
        return float(by_formula(references, labels, x[None])[0, c])
    own = references[labels == c].astype(np.float64)
    cosines = [float(r @ x) for r in own]
    if mode == "avg":
        return float(np.mean(cosines))
    if mode == "max":
        return max(cosines)
    mean = own.mean(axis=0)
    return float(x @ mean / np.linalg.norm(mean))


@pytest.mark.parametrize("mode", SCORERS)
@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_scores_are_what_the_definition_says(mode: str, problem: tuple[Floats, Labels, Floats, int]) -> None:
    references, labels, arrivals, classes = problem
    scores = fit(mode, references, labels, classes).scores(arrivals)
    expected = [[by_definition(mode, references, labels, x, c) for c in range(classes)] for x in arrivals]
    assert_alike(scores, np.array(expected))


@pytest.mark.parametrize("mode", SCORERS)
@settings(max_examples=40, deadline=None)
@given(problem=problems(), seed=st.integers(0, 1000))
def test_a_score_depends_neither_on_the_batch_nor_on_the_order_of_references(
    mode: str, problem: tuple[Floats, Labels, Floats, int], seed: int
) -> None:
    references, labels, arrivals, classes = problem
    order = np.random.default_rng(seed).permutation(len(labels))
    whole = fit(mode, references, labels, classes).scores(arrivals)
    single = np.concatenate([fit(mode, references, labels, classes).scores(x[None]) for x in arrivals])
    np.testing.assert_array_equal(whole, single)
    shuffled = fit(mode, references[order], labels[order], classes).scores(arrivals)
    assert_alike(shuffled, whole, 1e-6)


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_max_does_not_care_for_an_exact_duplicate(problem: tuple[Floats, Labels, Floats, int]) -> None:
    references, labels, arrivals, classes = problem
    more, longer = np.concatenate([references, references[:1]]), np.concatenate([labels, labels[:1]])
    np.testing.assert_array_equal(
        fit("max", references, labels, classes).scores(arrivals), fit("max", more, longer, classes).scores(arrivals)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_vectors_that_mean_nothing_are_refused(bad: float) -> None:
    vectors = np.eye(3, dtype=np.float32)
    vectors[1] = bad
    with pytest.raises(ValueError, match=r"NaN|zero"):
        fit("avg", vectors, np.array([0, 1, 2]), 3)


def test_a_class_without_references_is_refused() -> None:
    with pytest.raises(ValueError, match="without a reference"):
        fit("avg", np.eye(3, dtype=np.float32), np.array([0, 0, 2]), 3)


def scores(*rows: list[float]) -> Floats:
    return np.asarray(rows, dtype=np.float32)


def test_best_runner_up_and_margin() -> None:
    (found,) = decide(scores([0.25, 0.75, 0.5]), ["a", "b", "c"], Rule())
    assert (found.class_name, found.score, found.runner_up, found.margin) == ("b", 0.75, "c", 0.25)
    assert [name for name, _ in found.rivals] == ["b", "c", "a"]
    assert found.verdict == "sure"


@pytest.mark.parametrize(
    ("row", "rule", "verdict"),
    [
        ([0.5, 0.4], Rule(min_score=0.6), "unsure"),
        ([0.6, 0.4], Rule(min_score=0.6 - 1e-7), "sure"),
        ([0.5, 0.4], Rule(min_margin=0.2), "unsure"),
        ([0.5, 0.4], Rule(min_margin=0.05), "sure"),
        ([0.5, 0.5], Rule(), "unsure"),
        ([0.5, 0.5], Rule(abstain=False), "sure"),
        ([0.1, 0.0], Rule(min_score=0.9, min_margin=0.9, abstain=False), "sure"),
    ],
)
def test_when_a_picture_is_unsure(row: list[float], rule: Rule, verdict: str) -> None:
    (found,) = decide(scores(row), ["a", "b"], rule)
    assert found.verdict == verdict
    assert found.class_name == "a"
    assert bool(found.reason) == (verdict == "unsure")


def test_one_class_has_no_runner_up_and_no_tie() -> None:
    (found,) = decide(scores([0.5]), ["only"], Rule(min_margin=0.3))
    assert (found.runner_up, found.margin, found.verdict) == (None, None, "sure")


def test_scores_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="NaN"):
        decide(scores([np.nan, 1.0]), ["a", "b"], Rule())
