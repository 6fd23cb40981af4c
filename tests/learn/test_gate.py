"""The gate: what may take over, what may not, and that its bounds hold what they say."""

import numpy as np
import pytest

from refsort.decide.evaluate import SURE, UNSURE, Answers
from refsort.learn.gate import CONFIDENCE, Comparison, compare, mcnemar, objections, paired_interval

CLASSES = ["a", "b"]


def answers(truth: np.ndarray, right: np.ndarray, moved: np.ndarray) -> Answers:
    """Decisions between two classes that are right and moved where asked for."""
    best = np.where(right, truth, 1 - truth)
    verdict = np.where(moved, SURE, UNSURE)
    return Answers(truth, best, verdict, np.full(len(truth), 0.9), np.full(len(truth), 0.5))


def comparison(
    pictures: int, *, lost: int = 0, gained: int = 0, moved: tuple[int, int] = (0, 0), already_wrong: int = 0
) -> Comparison:
    """`lost` right ones become wrong, `gained` become right; `moved`: before and after, right ones first."""
    truth = np.arange(pictures) % 2
    before = np.ones(pictures, dtype=bool)
    before[: gained + already_wrong] = False
    after = before.copy()
    after[:gained] = True
    after[pictures - lost :] = False
    sides = []
    for right, count in zip((before, after), moved, strict=True):
        chosen = np.zeros(pictures, dtype=bool)
        chosen[np.argsort(~right, kind="stable")[:count]] = True
        sides.append(answers(truth, right, chosen))
    return compare(sides[0], sides[1], CLASSES)


def test_a_clear_gain_is_promoted() -> None:
    found = comparison(200, gained=20, moved=(100, 120))
    assert objections(found, 0.05, 200) == []
    assert (found.gained, found.lost) == (20, 0)
    assert found.least_gain > 0.05


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (comparison(200, moved=(100, 100)), "no better"),
        (comparison(200, gained=3, lost=3, moved=(100, 120)), "can't be ruled out"),
        (comparison(60, gained=1, moved=(30, 31)), "can't be ruled out"),
        (comparison(400, gained=40, moved=(100, 99)), "it would move 24.8 %"),
    ],
)
def test_what_is_not_promoted_and_why(found: Comparison, why: str) -> None:
    assert any(why in words for words in objections(found, 0.05, 200)), objections(found, 0.05, 200)


def test_with_few_pictures_that_people_have_spoken_of_nothing_is_promoted() -> None:
    found = comparison(40, gained=10, moved=(10, 20))
    assert objections(found, 0.05, 49) == ["only 49 corrected or confirmed pictures, 50 are needed"]
    assert objections(found, 0.05, 50) == []


def test_a_class_that_loses_stops_it_however_much_the_rest_gains() -> None:
    truth = np.array([0] * 20 + [1] * 300)
    before, after = np.ones(320, dtype=bool), np.ones(320, dtype=bool)
    before[100:200] = False
    after[:2] = False
    moved = np.ones(320, dtype=bool)
    found = compare(answers(truth, before, moved), answers(truth, after, moved), CLASSES)
    assert objections(found, 1.0, 200) == ["class a loses 10.0 points (20 pictures)"]


def test_more_wrong_moves_than_allowed_stop_it() -> None:
    found = comparison(400, gained=40, already_wrong=60, moved=(300, 400))
    assert found.after.wrong == pytest.approx(0.15)
    assert any("more than max_wrong allows" in words for words in objections(found, 0.05, 200))
    assert objections(found, 0.2, 200) == []


def test_mcnemar_is_the_sign_test() -> None:
    assert mcnemar(5, 0) == pytest.approx(2 / 32)
    assert mcnemar(0, 5) == pytest.approx(2 / 32)
    assert mcnemar(3, 3) == 1.0
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(15, 5) == pytest.approx(0.04138947, rel=1e-6)


def test_the_interval_is_honest_where_nothing_changed() -> None:
    """Score interval of no change in n: ± z² / (n + z²)."""
    z2 = 1.2815515655446004**2
    assert paired_interval(0, 0, 50) == pytest.approx((-z2 / (50 + z2), z2 / (50 + z2)), rel=1e-4)


@pytest.mark.parametrize(("of", "gain", "loss"), [(60, 0.05, 0.05), (100, 0.10, 0.05), (200, 0.02, 0.03)])
def test_the_bounds_miss_as_seldom_as_they_say(of: int, gain: float, loss: float) -> None:
    rng = np.random.default_rng(of)
    found: dict[tuple[int, int], tuple[float, float]] = {}
    misses = np.zeros(2)
    for gained, lost, _ in rng.multinomial(of, [gain, loss, 1 - gain - loss], size=3000).tolist():
        if (gained, lost) not in found:
            found[gained, lost] = paired_interval(gained, lost, of)
        least, most = found[gained, lost]
        misses += least > gain - loss, most < gain - loss
    assert (misses / 3000 < 1 - CONFIDENCE + 0.03).all(), misses / 3000
    assert (misses / 3000 > 0.04).all(), "bounds that never miss say nothing"


def test_both_sides_must_have_decided_the_same() -> None:
    one = answers(np.array([0, 1]), np.array([True, True]), np.array([True, True]))
    other = answers(np.array([1, 0]), np.array([True, True]), np.array([True, True]))
    with pytest.raises(ValueError, match="same pictures"):
        compare(one, other, CLASSES)
