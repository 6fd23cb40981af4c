"""Evaluation against numbers worked out by hand, and its measures on probabilities that are true or are not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refsort.decide import Decision
from refsort.decide.evaluate import NONE, SURE, UNKNOWN, UNSURE, Answers, evaluate, mode_result
from refsort.decide.measures import Share, calibration, risk_coverage

Wide = NDArray[np.float64]


def answers(*rows: tuple[int, int, int, float]) -> Answers:
    """From rows of (truth, best, verdict, probability)."""
    truth, best, verdict, probability = zip(*rows, strict=True)
    chances = np.asarray(probability, dtype=np.float64)
    return Answers(*(np.asarray(column, dtype=np.intp) for column in (truth, best, verdict)), chances, chances / 2)


EXAMPLE = answers(
    (0, 0, SURE, 0.9),
    (0, 0, SURE, 0.8),
    (0, 1, SURE, 0.7),
    (0, 0, UNSURE, 0.5),
    (1, 1, SURE, 0.9),
    (1, 0, UNKNOWN, 0.2),
    (NONE, 1, SURE, 0.7),
    (NONE, 0, UNKNOWN, 0.1),
)
CLASSES = ["a", "b", "c"]


def test_the_shares_are_those_counted_by_hand() -> None:
    found = evaluate(EXAMPLE, CLASSES)
    assert found.accuracy == Share(4, 6)
    assert found.mean_class_accuracy == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.moved == Share(4, 6)
    assert found.wrong == Share(2, 5)
    assert found.members_wrong == Share(1, 4)
    assert found.promised_wrong == pytest.approx(1 - (0.9 + 0.8 + 0.7 + 0.9 + 0.7) / 5)
    assert (found.strays.moved, found.strays.unsure, found.strays.unknown) == (Share(1, 2), Share(0, 2), Share(1, 2))


def test_each_class_by_hand() -> None:
    a, b, c = evaluate(EXAMPLE, CLASSES).per_class
    assert (a.accuracy, a.recall, a.precision) == (Share(3, 4), Share(2, 4), Share(2, 2))
    assert (b.accuracy, b.recall, b.precision) == (Share(1, 2), Share(1, 2), Share(1, 3))
    assert (c.accuracy.value, c.recall.value, c.precision.value) == (None, None, None)


def test_the_confusion_matrix_by_hand() -> None:
    expected = [[2, 1, 0, 1, 0], [0, 1, 0, 0, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 1]]
    assert evaluate(EXAMPLE, CLASSES).confusion.tolist() == expected


def test_without_probabilities_the_margin_orders_and_nothing_is_calibrated() -> None:
    margin = np.array([0.1, 0.3, 0.2])
    three = np.array([0, 0, 1])
    found = evaluate(Answers(three, np.array([0, 1, 1]), np.zeros(3, np.intp), np.full(3, np.nan), margin), ["a", "b"])
    assert (found.calibration, found.promised_wrong) == (None, None)
    np.testing.assert_allclose(found.risk_coverage.risk, [1, 1 / 2, 1 / 3])


def test_only_strays_are_refused() -> None:
    with pytest.raises(ValueError, match="belongs to a class"):
        evaluate(answers((NONE, 0, SURE, 0.9)), CLASSES)


def test_decisions_become_arrays() -> None:
    decisions = [
        Decision("b", 0.7, "a", 0.4, "sure", "", (("b", 0.7), ("a", 0.3)), 0.65),
        Decision("a", 0.6, None, None, "unknown", "far", (("a", 0.6),)),
    ]
    made = Answers.of(decisions, ["a", "b"], np.array([1, NONE]))
    assert (made.best.tolist(), made.verdict.tolist(), made.margin.tolist()) == ([1, 0], [SURE, UNKNOWN], [0.4, 0.6])
    np.testing.assert_array_equal(made.probability, [0.65, np.nan])
    assert (made.right.tolist(), made.moved.tolist(), made.member.tolist()) == (
        [True, False],
        [True, False],
        [True, False],
    )


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_pictures_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 57
    truth, best = rng.integers(-1, 3, n), rng.integers(0, 3, n)
    truth[0] = 0
    whole = Answers(truth, best, rng.integers(0, 3, n), rng.integers(0, 9, n) / 8, rng.random(n))
    order = rng.permutation(n)
    mixed = Answers(*(getattr(whole, name)[order] for name in ("truth", "best", "verdict", "probability", "margin")))
    one, other = evaluate(whole, CLASSES), evaluate(mixed, CLASSES)
    assert (one.per_class, one.confusion.tolist()) == (other.per_class, other.confusion.tolist())
    assert one.calibration is not None and other.calibration is not None
    assert [b.right for b in one.calibration.bins] == [b.right for b in other.calibration.bins]
    assert one.calibration.ece == pytest.approx(other.calibration.ece)
    np.testing.assert_allclose(one.risk_coverage.risk, other.risk_coverage.risk)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (1, 100, 0.0018, 0.0545), (0, 0, 0.0, 1.0)],
)
def test_wilsons_interval(count: int, total: int, low: float, high: float) -> None:
    """Figures of scipy.stats.binomtest(count, total).proportion_ci(method="wilson")."""
    assert Share(count, total).interval == pytest.approx((low, high), abs=5e-5)


def test_calibration_by_hand() -> None:
    probability = np.array([0.2] * 5 + [0.9] * 5)
    right = np.array([True] + [False] * 4 + [True] * 4 + [False])
    found = calibration(probability, right)
    assert [(b.probability, b.right) for b in found.bins] == [
        (pytest.approx(0.2), Share(1, 5)),
        (pytest.approx(0.9), Share(4, 5)),
    ]
    assert found.ece == pytest.approx(0.05)
    assert found.brier == pytest.approx((0.64 + 4 * 0.04 + 4 * 0.01 + 0.81) / 10)


def test_bins_have_equal_mass() -> None:
    found = calibration(np.linspace(0.01, 0.99, 200) ** 3, np.ones(200, dtype=bool))
    assert [b.right.total for b in found.bins] == [20] * 10


def test_the_error_that_chance_makes_is_foretold() -> None:
    """Ten coins: the mean distance of a binomial share from ½ is 0.123."""
    assert calibration(np.full(10, 0.5), np.zeros(10, dtype=bool)).ece_by_chance == pytest.approx(0.123, abs=0.02)


def drawn(n: int, power: float) -> tuple[Wide, NDArray[np.bool_]]:
    """Probabilities p of which p ** power are right: true ones with power 1, overconfident ones above."""
    rng = np.random.default_rng(3)
    probability = rng.random(n)
    return probability, rng.random(n) < probability**power


def test_true_probabilities_have_an_error_near_zero_and_overconfident_ones_have_not() -> None:
    true, boasting = calibration(*drawn(20_000, 1)), calibration(*drawn(20_000, 3))
    assert true.ece < 0.015
    assert true.ece < 2 * true.ece_by_chance
    assert boasting.ece == pytest.approx(1 / 2 - 1 / 4, abs=0.015)  # the mean of p - p³
    assert boasting.ece > 10 * boasting.ece_by_chance
    assert boasting.brier > true.brier


def test_risk_and_coverage_by_hand() -> None:
    found = risk_coverage(np.array([0.6, 0.9, 0.7, 0.8]), np.array([True, True, False, True]))
    np.testing.assert_allclose(found.coverage, [0.25, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(found.risk, [0, 0, 1 / 3, 1 / 4])
    assert found.aurc == pytest.approx((1 / 3 + 1 / 4) / 4)
    assert found.best_aurc == pytest.approx(1 / 16)


def test_an_oracles_order_has_the_best_area_and_the_reverse_the_worst() -> None:
    right = np.random.default_rng(1).random(300) < 0.8
    oracle, chance, fool = (
        risk_coverage(right * 1.0, right),
        risk_coverage(np.zeros(300), right),
        risk_coverage(~right * 1.0, right),
    )
    by_name = risk_coverage(np.where(right, 2.0, 1.0) + np.arange(300) * 1e-6, right)
    assert by_name.aurc == pytest.approx(by_name.best_aurc)
    assert oracle.best_aurc == pytest.approx(by_name.best_aurc)
    assert oracle.aurc < chance.aurc < fool.aurc
    assert chance.aurc == pytest.approx(float((~right).mean()))


def test_a_curve_is_passed_on_with_its_end() -> None:
    found = risk_coverage(np.arange(5000.0), np.arange(5000) % 3 > 0)
    points = found.points()
    assert len(points) == 200
    assert points[-1] == (1.0, pytest.approx(found.risk[-1]))


def test_a_mode_is_marked_by_its_scores() -> None:
    scores = np.array([[0.9, 0.1], [0.6, 0.5], [0.2, 0.8], [0.3, 0.2]], dtype=np.float32)
    found = mode_result("avg", scores, np.array([0, 1, 1, NONE]))
    assert (found.mode, found.accuracy) == ("avg", Share(2, 3))
    assert found.mean_class_accuracy == pytest.approx(0.75)
    # leads 0.8 right, 0.6 right, and 0.1 twice, both wrong
    assert found.aurc == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)


def test_a_mode_with_one_class_is_ordered_by_its_score() -> None:
    found = mode_result("avg", np.array([[0.9], [0.2]], dtype=np.float32), np.array([0, NONE]))
    assert found.aurc == pytest.approx((0 + 1 / 2) / 2)
