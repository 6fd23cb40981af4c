"""The drift alarm: silent while arrivals are as foretold, quick when they are not, and silent again afterwards."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refsort.decide import EVERY, CalibratedJudge, Decision, Foretold, Rule, make_judge
from refsort.sorting import Item, Reporters
from refsort.watch.alarm import Alarm
from refsort.watch.drift import RISK, WINDOW, Change, Drift, most_aside, widest_gap
from tests.decide.test_judge import NAMES, draw

CUT = 0.9


def drawn(rng: np.random.Generator, number: int, hardness: float) -> "np.typing.NDArray[np.float64]":
    """Probabilities; the larger the hardness the lower they are."""
    return np.asarray(rng.beta(6.0, 0.3 * hardness, number))


def foretold(seed: int, trials: int) -> Foretold:
    rng = np.random.default_rng(seed)
    return Foretold(np.sort(drawn(rng, trials, 1.0)), np.sort(rng.beta(1.0, 3.0, trials)), 0.1, CUT)


def feed(
    drift: Drift, probabilities: "np.typing.NDArray[np.float64]", classes: int = 1
) -> Iterator[tuple[int, Change]]:
    """The changes with the number of the picture at which they came."""
    for number, probability in enumerate(probabilities.tolist()):
        for change in drift.add(f"c{number % classes}", probability < CUT, probability):
            yield number, change


@pytest.mark.parametrize(("seed", "trials", "strays"), [(1, 2000, 0.0), (2, 2000, 0.1), (3, 60, 0.1)])
def test_a_hundred_thousand_pictures_as_foretold_raise_no_alarm(seed: int, trials: int, strays: float) -> None:
    rng = np.random.default_rng(seed + 100)
    values = {name: foretold(seed, trials) for name in (EVERY, "c0", "c1")}
    every = values[EVERY]
    known, stray = rng.choice(every.known, 100_000), rng.choice(every.strays, 100_000)
    probabilities = np.where(rng.random(100_000) < strays, stray, known)
    assert list(feed(Drift(values), probabilities, classes=2)) == []


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([100, 400, 2000]), st.sampled_from([5.0, 8.0]))
def test_a_shift_is_noticed_within_a_few_hundred_pictures_and_so_is_its_end(
    seed: int, trials: int, hardness: float
) -> None:
    rng = np.random.default_rng(seed)
    drift = Drift({EVERY: foretold(seed, trials)})
    assert list(feed(drift, drawn(rng, 1000, 1.0))) == []
    begun = list(feed(drift, drawn(rng, 400, hardness)))
    assert [(change.class_name, change.begins) for _, change in begun] == [(EVERY, True)], "once"
    assert list(drift.alarms) == [EVERY]
    ended = list(feed(drift, drawn(rng, 600, 0.8)))
    assert [change.begins for _, change in ended] == [False]
    assert drift.alarms == {}


def test_pictures_that_are_less_sure_but_still_moved_are_noticed_too() -> None:
    rng = np.random.default_rng(4)
    known = np.sort(rng.uniform(0.97, 1.0, 500))
    drift = Drift({EVERY: Foretold(known, np.sort(rng.uniform(0, 0.8, 500)), 0.1, CUT)})
    begun = list(feed(drift, rng.uniform(0.91, 0.97, 200)))
    assert len(begun) == 1
    assert "less sure than foretold" in begun[0][1].words


def test_surer_ones_are_no_trouble() -> None:
    assert list(feed(Drift({EVERY: foretold(1, 500)}), np.full(5000, 0.9999))) == []


def test_one_class_of_ten_is_named_where_the_whole_hides_it() -> None:
    rng = np.random.default_rng(5)
    values = {name: foretold(5, 2000) for name in (EVERY, *(f"c{n}" for n in range(10)))}
    probabilities = rng.choice(values[EVERY].known, 6000)
    probabilities[3::10] = drawn(rng, 600, 6.0)
    assert {change.class_name for _, change in feed(Drift(values), probabilities, classes=10)} == {"c3"}


def test_the_band_is_wide_where_trials_are_few_and_matches_the_binomial_where_they_are_many() -> None:
    assert most_aside(WINDOW, 0.1, 20, RISK) > most_aside(WINDOW, 0.1, 200, RISK) > most_aside(WINDOW, 0.1, 10**7, RISK)
    limit = most_aside(WINDOW, 0.1, 10**7, RISK)

    def above(count: int) -> float:
        return sum(math.comb(WINDOW, k) * 0.1**k * 0.9 ** (WINDOW - k) for k in range(count + 1, WINDOW + 1))

    assert above(limit) <= RISK < above(limit - 1)
    rng = np.random.default_rng(6)
    trials, window = rng.random((4000, 100)), rng.random((4000, 100))
    both = np.sort(np.concatenate([trials, window], axis=1), axis=1)
    gaps = [
        (np.searchsorted(np.sort(w), b, "right") - np.searchsorted(np.sort(t), b, "right")).max() / 100
        for t, w, b in zip(trials, window, both, strict=True)
    ]
    share = np.mean(np.array(gaps) > widest_gap(100, 100, 0.01))
    assert 0.002 <= share <= 0.012, "the statistic takes steps of 0.01"


class Told(Reporters):
    """Remembers messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def judge_and_decisions(seed: int, spread: float) -> tuple[CalibratedJudge, list[Decision]]:
    """A real judge, and what it decides about 500 arrivals so much more spread than the references."""
    references = draw(seed, each=12, strays=0)
    judge = make_judge("lda", references.references, references.labels, NAMES[:4], Rule(unknown_share=0.1))
    assert isinstance(judge, CalibratedJudge)
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(seed).normal(size=(7, 48))
    rows = centres[rng.integers(0, 4, 500)] + spread * rng.normal(size=(500, 48)) * 2
    vectors = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return judge, [decision for row in vectors for decision in judge.decide(row[None])[0]]


def tell(alarm: Alarm, decisions: list[Decision]) -> None:
    for number, decision in enumerate(decisions):
        kind = "sorted" if decision.verdict == "sure" else decision.verdict
        alarm.item(Item(f"Images/{number}.jpg", kind, decision=decision))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(4))
def test_a_real_judge_arrivals_like_its_references_and_others(seed: int) -> None:
    judge, alike = judge_and_decisions(seed, 0.5)
    told = Told()
    alarm = Alarm(told)
    alarm.follow(judge, list)
    tell(alarm, alike)
    assert (told.messages, alarm.words()) == ([], [])
    tell(alarm, judge_and_decisions(seed, 1.5)[1])
    assert any(words.startswith("drift: ") for words in told.messages)
    assert alarm.words()
    same, _ = judge_and_decisions(seed, 0.5)
    alarm.follow(same, list)
    assert alarm.words(), "the same references anew change nothing"
    alarm.follow(judge_and_decisions(seed + 10, 0.5)[0], list)
    assert alarm.words() == []


def test_what_was_kept_before_does_not_count_again() -> None:
    judge, _ = judge_and_decisions(1, 0.5)
    _, others = judge_and_decisions(1, 1.5)
    told = Told()
    alarm = Alarm(told)
    alarm.follow(judge, lambda: [f"Images/{number}.jpg" for number in range(500)])
    tell(alarm, others)
    assert told.messages == []
