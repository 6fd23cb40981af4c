"""`lda` against its formula written out in d dimensions, and at its edges."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refsort.decide import fit
from refsort.decide.lda import Lda
from refsort.decide.moments import Moments, Span

Floats = NDArray[np.float32]
Wide = NDArray[np.float64]
Labels = NDArray[np.intp]


def clusters(sizes: list[int], d: int, seed: int, arrivals: int = 7) -> tuple[Floats, Labels, Floats]:
    """References in random order, labels, arrivals: unit vectors around a centre for each class."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(len(sizes), d))
    labels = rng.permutation(np.repeat(np.arange(len(sizes)), sizes)).astype(np.intp)
    return near(rng, centres[labels]), labels, near(rng, centres[rng.integers(len(sizes), size=arrivals)])


def near(rng: np.random.Generator, centres: Wide) -> Floats:
    rows = centres + 0.6 * rng.normal(size=centres.shape)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def plain_means(references: Floats, labels: Labels) -> Wide:
    return np.stack([references[labels == c].astype(np.float64).mean(axis=0) for c in range(int(labels.max()) + 1)])


def by_formula(references: Floats, labels: Labels, arrivals: Floats, means: Wide | None = None) -> Wide:
    """l_c(x) as the docstring of Discriminant has it; `means` v̄_c other than the references' own."""
    own = plain_means(references, labels)
    means = own if means is None else means
    x, middle = arrivals.astype(np.float64), means.mean(axis=0)
    n, d = references.shape
    deviations = references - own[labels]
    freedom = n - len(own)
    if freedom == 0 or (deviations**2).sum() / freedom / d < 1e-12:
        return np.array([[cosine(row - middle, mean - middle) for mean in means] for row in x])
    covariance = deviations.T @ deviations / freedom
    tau = np.trace(covariance) / d
    rho = 0.95 * d / (freedom + d)
    precision = np.linalg.inv((1 - rho) * covariance + rho * tau * np.eye(d))
    within = np.trace(precision @ covariance)
    noise = within / (1 - (1 - rho) * within / freedom)
    counts = np.bincount(labels)
    return np.array(
        [
            [
                (row - middle) @ precision @ (v - middle) - ((v - middle) @ precision @ (v - middle) - noise / n) / 2
                for v, n in zip(means, counts, strict=True)
            ]
            for row in x
        ]
    )


def cosine(a: Wide, b: Wide) -> float:
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))


def assert_alike(found: NDArray[np.floating], expected: NDArray[np.floating], tolerance: float = 1e-5) -> None:
    """Scores have no fixed scale: what may differ is a share of the largest."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * max(1.0, float(np.abs(expected).max())))


sizes_of_classes = st.lists(st.integers(1, 6), min_size=1, max_size=5)
seeds = st.integers(0, 10_000)


@settings(max_examples=80, deadline=None)
@given(sizes=sizes_of_classes, d=st.sampled_from([2, 5, 12, 40]), seed=seeds)
def test_scores_are_what_the_formula_says(sizes: list[int], d: int, seed: int) -> None:
    references, labels, arrivals = clusters(sizes, d, seed)
    assert_alike(fit("lda", references, labels, len(sizes)).scores(arrivals), by_formula(references, labels, arrivals))


@pytest.mark.parametrize(("sizes", "d"), [([3, 3, 3], 30), ([15, 15, 15], 30), ([10, 10, 10], 30), ([1, 9, 30], 20)])
def test_fewer_and_more_references_than_dimensions(sizes: list[int], d: int) -> None:
    references, labels, arrivals = clusters(sizes, d, seed=1)
    scores = fit("lda", references, labels, 3).scores(arrivals)
    assert scores.dtype == np.float32
    assert_alike(scores, by_formula(references, labels, arrivals))


@settings(max_examples=40, deadline=None)
@given(sizes=sizes_of_classes, d=st.sampled_from([3, 12, 40]), seed=seeds)
def test_neither_the_order_of_references_nor_the_batch_matters(sizes: list[int], d: int, seed: int) -> None:
    references, labels, arrivals = clusters(sizes, d, seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    rule = fit("lda", references, labels, len(sizes))
    whole = rule.scores(arrivals)
    assert_alike(np.concatenate([rule.scores(row[None]) for row in arrivals]), whole, 1e-6)
    assert_alike(fit("lda", references[order], labels[order], len(sizes)).scores(arrivals), whole, 1e-6)


@pytest.mark.parametrize("sizes", [[4, 4, 4], [40, 40, 40], [1, 1, 1], [1, 2, 5]])
def test_a_rotation_of_the_space_changes_nothing(sizes: list[int]) -> None:
    references, labels, arrivals = clusters(sizes, 24, seed=2)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(24, 24)))[0]
    turned = fit("lda", (references @ turn).astype(np.float32), labels, 3).scores((arrivals @ turn).astype(np.float32))
    assert_alike(turned, fit("lda", references, labels, 3).scores(arrivals))


@pytest.mark.parametrize("d", [3, 30])
def test_one_reference_a_class_makes_centred_prototypes(d: int) -> None:
    references, labels, arrivals = clusters([1] * 8, d, seed=4)
    means = references[np.argsort(labels)].astype(np.float64)
    middle = means.mean(axis=0)
    expected = [[cosine(x - middle, mean - middle) for mean in means] for x in arrivals.astype(np.float64)]
    np.testing.assert_allclose(fit("lda", references, labels, 8).scores(arrivals), expected, atol=1e-6)


@pytest.mark.parametrize("d", [3, 40])
def test_copies_in_one_class_are_no_trouble(d: int) -> None:
    references, labels, arrivals = clusters([5, 5], d, seed=5)
    references[labels == 0] = references[labels == 0][0]
    assert_alike(fit("lda", references, labels, 2).scores(arrivals), by_formula(references, labels, arrivals))


@pytest.mark.parametrize("d", [3, 40])
def test_nothing_but_copies_makes_centred_prototypes(d: int) -> None:
    references, labels, arrivals = clusters([1, 1, 1], d, seed=6)
    once = fit("lda", references, labels, 3).scores(arrivals)
    again = fit("lda", np.repeat(references, 7, axis=0), np.repeat(labels, 7), 3).scores(arrivals)
    np.testing.assert_allclose(again, once, atol=1e-6)


@pytest.mark.parametrize("copies", [1, 4])
def test_classes_of_one_and_the_same_picture_all_score_alike(copies: int) -> None:
    same, _, arrivals = clusters([1], 6, seed=7)
    labels = np.repeat(np.arange(3), copies)
    scores = fit("lda", np.repeat(same, 3 * copies, axis=0), labels, 3).scores(arrivals)
    np.testing.assert_allclose(scores, np.repeat(scores[:, :1], 3, axis=1), rtol=0, atol=1e-6)
    np.testing.assert_allclose(scores, 0, atol=1e-3)


@pytest.mark.parametrize("sizes", [[1, 1, 1], [4, 4, 4], [30, 30, 30]])
def test_two_classes_of_the_same_pictures_tie(sizes: list[int]) -> None:
    references, labels, arrivals = clusters(sizes, 20, seed=8)
    references[labels == 2] = references[labels == 1]
    scores = fit("lda", references, labels, 3).scores(arrivals)
    assert_alike(scores[:, 1], scores[:, 2], 1e-6)
    assert np.abs(scores[:, 0] - scores[:, 1]).min() > 1e-3


def test_many_references_close_together_keep_their_digits() -> None:
    """The sum of squares is a million times the spread here: in single precision nothing would be left of it."""
    rng = np.random.default_rng(9)
    labels = rng.integers(4, size=5000)
    centres = 3.0 * np.eye(16)[0] + 1e-3 * rng.normal(size=(4, 16))
    rows = centres[labels] + 1e-3 * rng.normal(size=(5000, 16))
    references = np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)
    matrix = fit("lda", references[:4000], labels[:4000], 4).scores(references[4000:])
    expected = by_formula(references[:4000], labels[:4000], references[4000:])
    # Each score is one float32 among products of some 1e3 times its size.
    assert_alike(matrix, expected, 1e-3)
    assert (matrix.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.999


@pytest.mark.parametrize(("sizes", "d"), [([4, 6, 5], 40), ([30, 20, 10], 8)])
def test_taking_references_away_equals_counting_the_rest(sizes: list[int], d: int) -> None:
    references, labels, _ = clusters(sizes, d, seed=10)
    span = Span.of(references)
    rows = span.coordinates(references)
    away = np.zeros(len(labels), dtype=bool)
    away[::3] = True
    less = Moments.of(rows, labels, 3, d).without(rows[away], labels[away])
    rest = Moments.of(rows[~away], labels[~away], 3, d)
    for name in ("counts", "sums", "second", "means"):
        np.testing.assert_allclose(getattr(less, name), getattr(rest, name), atol=1e-12)
    np.testing.assert_allclose(less.scatter(), rest.scatter(), atol=1e-12)


def test_taking_a_whole_class_away_leaves_the_others() -> None:
    references, labels, _ = clusters([4, 6, 5], 8, seed=11)
    rows = Span.of(references).coordinates(references)
    gone = labels == 1
    left = Moments.of(rows, labels, 3, 8).without(rows[gone], labels[gone]).of_classes(np.array([2, 0]))
    order = np.where(labels[~gone] == 2, 0, 1)
    rest = Moments.of(rows[~gone], order, 2, 8)
    np.testing.assert_allclose(left.means, rest.means, atol=1e-12)
    np.testing.assert_allclose(left.scatter(), rest.scatter(), atol=1e-12)


@pytest.fixture(params=[[1, 1, 1], [2, 5, 3], [30, 40, 20]], ids=["one each", "few", "many"])
def phrased(request: pytest.FixtureRequest) -> tuple[Floats, Labels, Floats, Floats]:
    """References, labels, arrivals, and a phrase for each of three classes."""
    references, labels, arrivals = clusters(request.param, 20, seed=12)
    return references, labels, arrivals, near(np.random.default_rng(13), np.zeros((3, 20)))


Phrased = tuple[Floats, Labels, Floats, Floats]


def test_phrases_of_no_weight_change_nothing(phrased: Phrased) -> None:
    references, labels, arrivals, phrases = phrased
    without = Lda(references, labels, 3).scores(arrivals)
    assert_alike(Lda(references, labels, 3, phrases, phrase_weight=0).scores(arrivals), without)


@pytest.mark.parametrize("weight", [0.7, 4.0, 1e12])
def test_a_phrase_counts_as_so_many_references(phrased: Phrased, weight: float) -> None:
    references, labels, arrivals, phrases = phrased
    means, counts = plain_means(references, labels), np.bincount(labels)[:, None]
    offsets = phrases - phrases.astype(np.float64).mean(axis=0)
    scale = np.linalg.norm(means - means.mean(axis=0)) / np.linalg.norm(offsets)
    anchors = means.mean(axis=0) + scale * offsets
    drawn = anchors if weight == 1e12 else (counts * means + weight * anchors) / (counts + weight)
    found = Lda(references, labels, 3, phrases, weight).scores(arrivals)
    assert_alike(found, by_formula(references, labels, arrivals, drawn))


def test_what_all_phrases_share_does_not_count(phrased: Phrased) -> None:
    references, labels, arrivals, phrases = phrased
    moved = phrases + np.linspace(-2, 2, 20, dtype=np.float32)
    found = Lda(references, labels, 3, moved, 3.0).scores(arrivals)
    assert_alike(found, Lda(references, labels, 3, phrases, 3.0).scores(arrivals))
