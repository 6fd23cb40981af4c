"""The hold-out: only what people said, never a near duplicate of what is learned, and it stays."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from refsort.decide import Floats
from refsort.learn.split import BY_PEOPLE, SHARE, Split, split
from refsort.learn.truth import SOURCES, Label, Source

CLASSES = ["a", "b", "c"]


def label(number: int, source: Source, class_name: str = "a") -> Label:
    sha256 = hashlib.sha256(str(number).encode()).digest()
    return Label(f"Dataset/{class_name}/{number}.jpg", sha256, class_name, source, 1.0)


def apart(n: int, dim: int = 64) -> Floats:
    """Unit vectors far from one another."""
    rows = np.random.default_rng(1).normal(size=(n, dim))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def hashes(labels: Sequence[Label], found: Split) -> tuple[set[bytes], set[bytes]]:
    return {labels[i].sha256 for i in found.train}, {labels[i].sha256 for i in found.holdout}


def mixed(n: int) -> list[Label]:
    return [label(i, SOURCES[i % 4], CLASSES[i % 3]) for i in range(n)]


def test_only_what_people_said_is_held_out_about_its_share_of_each_class() -> None:
    labels = mixed(1200)
    found = split(labels, apart(1200), CLASSES)
    assert sorted([*found.train, *found.holdout]) == list(range(1200))
    assert {labels[i].source for i in found.holdout} == set(BY_PEOPLE)
    for name in CLASSES:
        held = sum(labels[i].class_name == name for i in found.holdout)
        said = sum(la.class_name == name and la.source in BY_PEOPLE for la in labels)
        assert SHARE - 0.12 < held / said < SHARE + 0.12


def test_a_held_out_picture_stays_held_out_whatever_comes_and_in_whatever_order() -> None:
    labels, vectors = mixed(400), apart(400)
    before = hashes(labels[:150], split(labels[:150], vectors[:150], CLASSES))
    order = np.random.default_rng(2).permutation(400)
    shuffled = [labels[i] for i in order]
    after = hashes(shuffled, split(shuffled, vectors[order], CLASSES))
    assert before[1] <= after[1]
    assert before[0] <= after[0]


def groups_of_twins() -> tuple[list[Label], Floats]:
    """Each picture three times, nearly the same."""
    base = apart(100)
    noise = np.random.default_rng(3).normal(size=(300, 64)) * 0.004
    vectors = np.repeat(base, 3, axis=0) + noise
    vectors = np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
    kinds: list[tuple[Source, Source, Source]] = [
        ("corrected", "confirmed", "corrected"),
        ("corrected", "trusted", "confirmed"),
        ("corrected", "reference", "confirmed"),
    ]
    return [label(i, kinds[(i // 3) % 3][i % 3]) for i in range(300)], vectors.astype(np.float32)


def test_near_duplicates_never_straddle() -> None:
    labels, vectors = groups_of_twins()
    found = split(labels, vectors, CLASSES)
    train, holdout = {i // 3 for i in found.train}, {i // 3 for i in found.holdout}
    assert holdout
    assert not train & holdout
    assert all(group % 3 != 2 for group in holdout), "with a reference among them they are learned from"
    neither = set(range(300)) - set(found.train.tolist()) - set(found.holdout.tolist())
    assert {labels[i].source for i in neither} == {"trusted"}


def test_the_same_bytes_never_straddle_even_where_vectors_differ() -> None:
    one = [label(i, "corrected") for i in range(60)]
    labels = [*one, *(Label(f"x/{la.path}", la.sha256, "b", "trusted", 0.9) for la in one)]
    found = split(labels, apart(120), CLASSES)
    assert len(found.holdout)
    train, holdout = hashes(labels, found)
    assert not train & holdout


def test_labels_of_no_class_are_in_neither_part() -> None:
    found = split([label(i, "corrected", "z") for i in range(20)], apart(20), CLASSES)
    assert not len(found.train)
    assert not len(found.holdout)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_labels_are_divided_too(n: int) -> None:
    found = split([label(i, "reference") for i in range(n)], apart(n), CLASSES)
    assert found.train.tolist() == list(range(n))
