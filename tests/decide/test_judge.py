"""Deciding with a stated error rate: probabilities, cuts, unknown pictures, and what must not change a decision."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from refsort.decide import Decision, Floats, Labels, Rule, Terms, make_judge
from refsort.decide.judge import CalibratedJudge, FewJudge, ScoreJudge
from refsort.decide.trust.confidence import FEWEST, fit_confidence
from refsort.decide.trust.cut import NOTHING, largest_set, raised_share

NAMES = ["águila", "búho", "cuervo", "dodo", "emú"]


class Drawn(NamedTuple):
    """References, arrivals (the last are strays) and the truth."""

    references: Floats
    labels: Labels
    arrivals: Floats
    truth: NDArray[np.intp]


def draw(seed: int, each: int = 8, spread: float = 0.5, classes: int = 4, strays: int = 40) -> Drawn:
    """Clusters in 48 dimensions, `spread` against the distance of the centres; strays are of clusters of their own."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes + 3, 48))

    def unit(rows: NDArray[np.float64]) -> Floats:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)

    labels = np.repeat(np.arange(classes), each).astype(np.intp)
    truth = np.concatenate([np.repeat(np.arange(classes), 40), rng.integers(classes, classes + 3, strays)])
    references = unit(centres[labels] + spread * rng.normal(size=(len(labels), 48)) * 2)
    arrivals = unit(centres[truth] + spread * rng.normal(size=(len(truth), 48)) * 2)
    return Drawn(references, labels, arrivals, truth)


def judged(drawn: Drawn, rule: Rule | None = None, mode: str = "lda") -> tuple[list[Decision], Terms]:
    names = NAMES[: int(drawn.labels.max()) + 1]
    return make_judge(mode, drawn.references, drawn.labels, names, rule or Rule()).decide(drawn.arrivals)


def wrong_and_moved(drawn: Drawn, decisions: list[Decision]) -> tuple[int, int]:
    moved = [(NAMES.index(d.class_name), t) for d, t in zip(decisions, drawn.truth, strict=True) if d.verdict == "sure"]
    return sum(a != b for a, b in moved), len(moved)


def test_few_of_the_moved_ones_are_wrong_and_many_are_moved() -> None:
    wrong = moved = 0
    for seed in range(8):
        drawn = draw(seed)
        decisions, terms = judged(drawn, Rule(max_wrong=0.05, unknown_share=0.2))
        assert terms.promise
        bad, count = wrong_and_moved(drawn, decisions)
        wrong, moved = wrong + bad, moved + count
    assert wrong <= 0.055 * moved
    assert moved > 0.5 * 8 * 160


def test_a_smaller_share_of_wrong_ones_moves_fewer() -> None:
    drawn = draw(1, spread=0.9)
    sets = []
    for max_wrong in (0.2, 0.05, 0.01):
        decisions, _ = judged(drawn, Rule(max_wrong=max_wrong))
        sets.append({i for i, d in enumerate(decisions) if d.verdict == "sure"})
    assert sets[0] > sets[1] > sets[2]


def test_more_strays_stated_move_fewer() -> None:
    drawn = draw(2, spread=0.8)
    moved = [wrong_and_moved(drawn, judged(drawn, Rule(unknown_share=share))[0])[1] for share in (0.0, 0.3, 0.6)]
    assert moved[0] > moved[1] > moved[2]


def test_strays_are_unknown_and_ties_are_unsure() -> None:
    drawn = draw(3, spread=0.3)
    decisions, _ = judged(drawn)
    strays = [d.verdict for d, t in zip(decisions, drawn.truth, strict=True) if t >= 4]
    assert strays.count("unknown") > 0.9 * len(strays)
    means = np.stack([drawn.references[drawn.labels == c].mean(axis=0) for c in (0, 1)])
    between = means.mean(axis=0, keepdims=True)
    between = (between / np.linalg.norm(between)).astype(np.float32)
    (torn,), _ = judged(drawn._replace(arrivals=between, truth=np.array([0])))
    assert torn.verdict != "sure"
    assert {torn.class_name, torn.runner_up} == {"águila", "búho"}


def test_a_drop_full_of_strays_raises_the_cut_and_says_so() -> None:
    drawn = draw(4, spread=0.8, strays=400)
    decisions, terms = judged(drawn, Rule(unknown_share=0.1))
    assert terms.unknown_share > 0.3
    assert "belonged to no class" in terms.words
    alone = [
        judged(drawn._replace(arrivals=x[None], truth=np.array([0])), Rule(unknown_share=0.1))
        for x in drawn.arrivals[:160]
    ]
    together = [d.verdict == "sure" for d in decisions[:160]]
    assert sum(together) < sum(d.verdict == "sure" for (d,), _ in alone)


def test_without_abstaining_everything_is_sorted_to_the_best_class() -> None:
    drawn = draw(5, spread=1.5)
    decisions, terms = judged(drawn, Rule(abstain=False))
    assert {d.verdict for d in decisions} == {"sure"}
    assert not terms.promise


def test_hopeless_references_move_nothing_and_the_reason_is_given() -> None:
    drawn = draw(6, spread=20.0)
    decisions, terms = judged(drawn)
    assert terms.cut == NOTHING
    assert "more references" in terms.words
    assert all(d.reason for d in decisions)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), each=st.integers(3, 7), spread=st.floats(0.2, 2.0))
def test_probabilities_are_probabilities(seed: int, each: int, spread: float) -> None:
    drawn = draw(seed, each, spread, strays=5)
    confidence = fit_confidence(drawn.references, drawn.labels, 4)
    assert confidence is not None
    evidence = confidence.examine(drawn.arrivals)
    np.testing.assert_allclose(confidence.class_probabilities(evidence.scores).sum(axis=1), 1, atol=1e-12)
    for share in (0.0, 0.1, 0.9):
        probability = confidence.calibration.probability(confidence.answers(evidence), share)
        assert ((probability >= 0) & (probability <= 1)).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_neither_the_order_of_references_nor_that_of_arrivals_matters(seed: int) -> None:
    drawn = draw(seed, each=6)
    rng = np.random.default_rng(seed)
    first, _ = judged(drawn)
    swap = rng.permutation(len(drawn.labels))
    other, _ = judged(drawn._replace(references=drawn.references[swap], labels=drawn.labels[swap]))
    for a, b in zip(first, other, strict=True):
        assert a.class_name == b.class_name
        assert a.probability == pytest.approx(b.probability, abs=1e-6)
    turn = rng.permutation(len(drawn.truth))
    turned, _ = judged(drawn._replace(arrivals=drawn.arrivals[turn], truth=drawn.truth[turn]))
    for i, decision in zip(turn, turned, strict=True):
        assert decision.probability == pytest.approx(first[i].probability, abs=1e-9)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize("mode", ["lda", "prototype"])
def test_vectors_that_mean_nothing_are_refused(bad: float, mode: str) -> None:
    drawn = draw(7)
    broken = drawn.arrivals.copy()
    broken[3] = bad
    with pytest.raises(ValueError, match=r"NaN|zero"):
        judged(drawn._replace(arrivals=broken), mode=mode)


@pytest.mark.parametrize(("each", "kind"), [(1, FewJudge), (FEWEST - 1, FewJudge), (FEWEST, CalibratedJudge)])
def test_with_too_few_references_nothing_is_promised(each: int, kind: type) -> None:
    drawn = draw(8, each=each, spread=0.2)
    judge = make_judge("lda", drawn.references, drawn.labels, NAMES[:4], Rule())
    assert isinstance(judge, kind)
    decisions, terms = judge.decide(drawn.arrivals)
    assert not terms.promise
    assert "no guarantee" in terms.words
    wrong, moved = wrong_and_moved(drawn, decisions)
    assert moved > 0
    assert wrong <= 0.1 * moved


def test_with_two_classes_one_left_out_teaches_nothing_about_leads() -> None:
    """Without its only rival a stray has no lead at all; taken for evidence that would make real strays look far."""
    wrong = moved = 0
    for seed in range(20):
        drawn = draw(100 + seed, spread=1.1, classes=2, strays=20)
        bad, count = wrong_and_moved(drawn, judged(drawn, Rule(unknown_share=0.2))[0])
        wrong, moved = wrong + bad, moved + count
    assert moved > 200
    assert wrong <= 0.05 * moved


def test_one_class_alone_moves_nothing() -> None:
    drawn = draw(9, classes=1)
    decisions, terms = judged(drawn)
    assert {d.verdict for d in decisions} == {"unsure"}
    assert "one class" in terms.words


def test_a_class_with_a_single_reference_among_others_is_still_decided() -> None:
    drawn = draw(10, each=6, spread=0.3)
    kept = np.flatnonzero((drawn.labels != 3) | (np.cumsum(drawn.labels == 3) == 1))
    decisions, terms = judged(drawn._replace(references=drawn.references[kept], labels=drawn.labels[kept]))
    assert terms.cut is not None
    assert sum(d.class_name == NAMES[3] for d in decisions[120:160]) > 30


def test_exact_copies_of_references_are_no_evidence() -> None:
    drawn = draw(11, each=4, spread=1.0)
    copies = np.repeat(drawn.references, 5, axis=0)
    judge = make_judge("lda", copies, np.repeat(drawn.labels, 5), NAMES[:4], Rule())
    decisions, terms = judge.decide(drawn.arrivals)
    assert not terms.promise, "five copies of four pictures are four pictures"
    wrong, moved = wrong_and_moved(drawn, decisions)
    assert wrong <= 0.15 * max(moved, 1)


def test_refinement_helps_where_references_are_few_and_never_moves_more() -> None:
    better = 0
    for seed in range(10):
        drawn = draw(20 + seed, each=3, spread=1.1, strays=0)
        right = {}
        for refine in (False, True):
            everything, _ = judged(drawn, Rule(abstain=False, refine=refine))
            right[refine] = sum(NAMES[t] == d.class_name for d, t in zip(everything, drawn.truth, strict=True))
        better += right[True] - right[False]
        plain, refined = (judged(drawn, Rule(max_wrong=0.2, refine=refine))[0] for refine in (False, True))
        for a, b in zip(plain, refined, strict=True):
            assert b.probability is not None
            assert a.probability is not None
            assert b.probability <= a.probability
            assert a.class_name == b.class_name or b.verdict != "sure"
    assert better > 40


def test_other_modes_have_a_fixed_cut_and_say_so() -> None:
    drawn = draw(12)
    judge = make_judge("max", drawn.references, drawn.labels, NAMES[:4], Rule(min_margin=0.05))
    assert isinstance(judge, ScoreJudge)
    decisions, terms = judge.decide(drawn.arrivals)
    assert terms.cut is None
    assert "no guarantee" in terms.words
    assert all(d.probability is None for d in decisions)


def test_the_largest_set_is_the_largest() -> None:
    probability = np.array([0.99, 0.5, 0.9, 0.97, 0.2])
    equal = np.ones(5)
    assert largest_set(probability, equal, 0.05) == 0.9  # (0.01 + 0.03 + 0.10) / 3 = 0.047
    assert largest_set(probability, equal, 0.021) == 0.97
    assert largest_set(probability, equal, 0.001) == NOTHING
    assert largest_set(probability, np.array([1, 1, 9, 1, 1]), 0.05) == 0.97
    assert largest_set(np.array([0.99] * 9 + [0.9] * 9), np.ones(18), 0.03) == 0.99, "equal ones go together"
    assert largest_set(np.array([0.999] * 99 + [0.4]), np.ones(100), 0.05) == 0.999, "more likely wrong than right"


def test_the_share_of_strays_is_raised_by_what_is_seen_and_never_lowered() -> None:
    rng = np.random.default_rng(0)
    known, strays = rng.normal(3, 1, 700), rng.normal(-3, 1, 300)
    mixed = np.concatenate([known, strays])
    assert raised_share(mixed, 0.1) == pytest.approx(0.3, abs=0.06)
    assert raised_share(known, 0.1) == 0.1
    assert raised_share(mixed, 0.0) == 0.0
    assert raised_share(strays[:1], 0.1) < 0.15
