"""Classes by words: alone, beside pictures, and beside classes that have only pictures."""

import numpy as np
import pytest

from refsort.decide import ClassWords, Floats, Labels, Rule, make_judge
from refsort.decide.base import Wide
from refsort.decide.lda import with_phrases
from refsort.decide.moments import Moments
from refsort.decide.trust.confidence import fit_confidence
from refsort.decide.words import Prior

NAMES = ["a", "b", "c"]
DIM = 24


def unit(rows: Wide) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


class World:
    """Three classes in a space where pictures and texts lie far apart, as CLIP's do."""

    def __init__(self, seed: int = 0, noise: float = 0.12) -> None:
        self.rng = np.random.default_rng(seed)
        self.noise = noise
        self.centres = 0.35 * np.linalg.qr(self.rng.normal(size=(DIM, DIM)))[0][:3]
        self.gap = self.rng.normal(size=DIM) / DIM**0.5

    def pictures(self, counts: list[int]) -> tuple[Floats, Labels]:
        labels = np.repeat(np.arange(3), counts)
        rows = self.centres[labels] + self.gap + self.noise * self.rng.normal(size=(len(labels), DIM))
        return unit(rows), labels

    def texts(self, scale: float = 1.0) -> Floats:
        return unit(scale * self.centres - self.gap)


def accuracy(world: World, counts: list[int], words: ClassWords | None, mode: str = "lda") -> float:
    references, labels = world.pictures(counts)
    arrivals, truth = world.pictures([200, 200, 200])
    judge = make_judge(mode, references, labels, NAMES, Rule(abstain=False), words)
    decisions, terms = judge.decide(arrivals)
    assert not terms.promise
    return float(np.mean([NAMES.index(d.class_name) == own for d, own in zip(decisions, truth, strict=True)]))


def test_words_help_where_pictures_are_few() -> None:
    gained = []
    for seed in range(5):
        mixed = accuracy(World(seed), [1, 1, 1], ClassWords(World(seed).texts(), np.full(3, 2.0)))
        gained.append(mixed - accuracy(World(seed), [1, 1, 1], None))
    assert min(gained) >= 0 and np.mean(gained) > 0.03


@pytest.mark.parametrize("counts", [[4, 4, 0], [1, 0, 1], [0, 20, 20]])
def test_a_class_by_words_only_lies_where_its_phrase_puts_it(counts: list[int]) -> None:
    world = World(1)
    weight = np.array([0.0 if count else 2.0 for count in counts])
    assert accuracy(world, counts, ClassWords(world.texts(), weight)) > 0.8


def test_words_alone_decide_and_promise_nothing() -> None:
    world = World(2)
    words = ClassWords(world.texts(), np.full(3, 2.0))
    assert accuracy(world, [0, 0, 0], words, "text") > 0.9
    assert accuracy(world, [5, 5, 5], words, "text") > 0.9
    judge = make_judge("text", *world.pictures([0, 0, 0]), NAMES, Rule(), words)
    between = unit((world.centres[:1] + world.centres[1:2]) / 2 + world.gap)
    decisions, terms = judge.decide(between)
    assert decisions[0].verdict == "unsure" and "too close" in decisions[0].reason
    assert "no guarantee" in terms.words
    assert sum(score for _, score in decisions[0].rivals) == pytest.approx(1)


def test_with_enough_pictures_the_promise_is_made_and_kept() -> None:
    moved, wrong = 0, 0
    for seed in range(8):
        world = World(seed, noise=0.13)
        references, labels = world.pictures([6, 6, 6])
        arrivals, truth = world.pictures([60, 60, 60])
        # Words that mix up two of the classes: trials with them must notice.
        words = ClassWords(world.texts()[[1, 0, 2]], np.full(3, 2.0))
        judge = make_judge("lda", references, labels, NAMES, Rule(), words)
        decisions, terms = judge.decide(arrivals)
        assert terms.promise
        sure = [(d.class_name, NAMES[own]) for d, own in zip(decisions, truth, strict=True) if d.verdict == "sure"]
        moved, wrong = moved + len(sure), wrong + sum(a != b for a, b in sure)
    assert moved > 100
    assert wrong / moved <= 0.05


def test_a_class_without_a_picture_takes_the_promise_away() -> None:
    world = World(3)
    references, labels = world.pictures([8, 8, 0])
    judge = make_judge("lda", references, labels, NAMES, Rule(), ClassWords(world.texts(), np.array([0.0, 0.0, 2.0])))
    terms = judge.decide(references)[1]
    assert not terms.promise and "known by words only" in terms.words


def test_neither_the_gap_nor_the_spread_of_the_texts_counts() -> None:
    rng = np.random.default_rng(4)
    means, texts, counts = rng.normal(size=(3, 5)), rng.normal(size=(3, 5)), np.array([2.0, 3.0, 1.0])
    drawn = with_phrases(means, counts, texts, 2.0)
    np.testing.assert_allclose(with_phrases(means, counts, 7 * texts + 3, 2.0), drawn)
    assert np.abs(drawn - means).max() > 0.1


def test_of_no_weight_words_leave_a_class_where_its_pictures_are() -> None:
    rng = np.random.default_rng(5)
    means, texts = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    drawn = with_phrases(means, np.array([2.0, 3.0, 0.0]), texts, np.array([0.0, 0.0, 2.0]))
    np.testing.assert_array_equal(drawn[:2], means[:2])
    assert np.isfinite(drawn).all()


def test_phrases_that_are_all_alike_change_nothing_about_the_order() -> None:
    world = World(6)
    same = np.repeat(world.texts()[:1], 3, axis=0)
    assert accuracy(world, [5, 5, 5], None) - accuracy(World(6), [5, 5, 5], ClassWords(same, np.full(3, 2.0))) < 0.05


def test_trials_hold_words_to_account() -> None:
    """Words that mix up two classes and weigh much: the trials must fail as often as arrivals will."""
    references, labels = World(7).pictures([6, 6, 6])
    good = fit_confidence(references, labels, 3, words=ClassWords(World(7).texts(), np.full(3, 100.0)))
    bad = fit_confidence(references, labels, 3, words=ClassWords(World(7).texts()[[1, 0, 2]], np.full(3, 100.0)))
    assert good is not None and bad is not None
    assert good.calibration.traits.accuracy > 0.8 > 0.5 > bad.calibration.traits.accuracy


def test_a_class_without_pictures_has_finite_scores() -> None:
    references, labels = World(8).pictures([4, 4, 0])
    prior = Prior(World(8).texts().astype(np.float64), np.array([0.0, 0.0, 2.0]))
    rule = prior.discriminant(Moments.of(references.astype(np.float64), labels, 3, DIM))
    assert np.isfinite(rule.scores(references.astype(np.float64))).all()
