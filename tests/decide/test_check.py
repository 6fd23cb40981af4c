"""Faults planted among references are found, and clean references are left in peace."""

import numpy as np
import pytest

from refsort.decide.check import check
from refsort.decide.check.classes import mean_distances
from refsort.decide.check.duplicates import linked, near_pairs
from refsort.decide.check.findings import Finding, Findings
from refsort.decide.check.labels import mislabelled, odds_limit
from refsort.decide.folds import out_of_fold
from tests.decide.planted import DIM, clusters, hashes, look, of, real, unit


def serious(findings: Findings) -> list[Finding]:
    return [finding for finding in findings.findings if finding.severity != "note"]


def test_clean_references_are_left_in_peace() -> None:
    looks = [look(*clusters(seed=seed)) for seed in range(10)]
    assert sum(found.count("error") + found.count("note") for found in looks) == 0
    assert sum(found.count("warning") for found in looks) <= 1, "one of 720 references may be odd"
    assert all(found.expected is not None and found.expected.accuracy == 1.0 for found in looks)
    assert {found.counts for found in looks} == {(12,) * 6}


def test_swapped_labels_are_found_and_no_others() -> None:
    found = 0
    for seed in range(4):
        vectors, truth = clusters(classes=8, each=15, seed=seed)
        swapped = np.random.default_rng(seed).choice(len(truth), 6, replace=False).tolist()
        labels = truth.copy()
        labels[swapped] = (truth[swapped] + 3) % 8
        for finding in of(look(vectors, labels), "mislabelled"):
            (reference,) = finding.references
            assert reference in swapped
            assert finding.classes == (labels[reference], truth[reference])
            assert finding.severity == "warning"
            assert finding.numbers["odds"] > 7
            found += 1
    assert found >= 22, "of 24"


def test_labels_that_mean_nothing_do_not_accuse_everybody() -> None:
    rng = np.random.default_rng(1)
    vectors = unit(rng.normal(size=(300, DIM)))
    labels = rng.permutation(np.repeat(np.arange(5), 60)).astype(np.intp)
    found = look(vectors, labels)
    assert len(of(found, "mislabelled")) <= 0.1 * len(labels)
    assert found.expected is not None
    assert found.expected.low < 0.2 < found.expected.high


@pytest.mark.parametrize(
    ("row", "limit"), [([0.999, 0.0005, 0.0005], 2.0), ([0.8, 0.1, 0.1], np.log(8)), ([0.9, 0.06, 0.04], np.log(15))]
)
def test_the_odds_asked_for_rise_with_the_alarms_to_expect(row: list[float], limit: float) -> None:
    """At 0.9 to 0.06 a right label of the second class would be named 6 times in 100, one of the third 4 times."""
    assert odds_limit(np.tile(row, (50, 1))) == pytest.approx(limit)


def test_the_same_bytes_in_two_classes_are_an_error_and_in_one_a_note() -> None:
    vectors, labels = clusters()
    contents = hashes(len(labels))
    vectors[14], contents[14] = vectors[3], contents[3]
    vectors[50], contents[50] = vectors[49], contents[49]
    within, across = sorted(of(look(vectors, labels, contents), "same_picture"), key=lambda f: -f.references[0])
    assert (across.severity, across.references, across.classes) == ("error", (3, 14), (0, 1))
    assert (within.severity, within.references, within.classes) == ("note", (49, 50), (4,))
    assert of(look(vectors, labels, contents), "near_duplicate") == []


def test_nearly_the_same_picture_in_two_classes_is_an_error_and_in_one_a_note() -> None:
    vectors, labels = clusters()
    jitter = np.random.default_rng(3).normal(size=(3, DIM)) / DIM**0.5
    vectors[[14, 50, 51]] = unit(vectors[[3, 49, 49]] + 0.1 * jitter)
    across, within = of(look(vectors, labels), "near_duplicate")
    assert (across.severity, set(across.references), set(across.classes)) == ("error", {3, 14}, {0, 1})
    assert across.numbers["cosine"] == pytest.approx(float(vectors[3] @ vectors[14]), abs=1e-5)
    assert (within.severity, set(within.references), within.classes) == ("note", {49, 50, 51}, (4,))


def test_the_closest_pair_of_two_classes_opens_a_group_of_near_duplicates() -> None:
    vectors, labels = clusters()
    jitter = np.random.default_rng(3).normal(size=(2, DIM)) / DIM**0.5
    vectors[[4, 14]] = unit(vectors[[3, 3]] + np.array([[0.01], [0.15]]) * jitter)
    (finding,) = of(look(vectors, labels), "near_duplicate")
    assert finding.severity == "error"
    assert set(finding.references) == {3, 4, 14}
    assert len({int(labels[reference]) for reference in finding.references[:2]}) == 2


def test_pictures_all_alike_are_no_duplicates_of_one_another() -> None:
    """A fixed camera: every cosine is above 0.99, and yet the pictures differ."""
    vectors, labels = clusters(classes=2, each=20)
    common = np.zeros(DIM, dtype=np.float32)
    common[0] = 15.0
    alike = unit(vectors + common)
    assert (alike @ alike.T).min() > 0.98
    assert of(look(alike, labels), "near_duplicate") == []


def test_pairs_across_blocks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, _ = clusters(classes=3, each=10)
    whole = near_pairs(vectors, 0.5)[0]
    monkeypatch.setattr("refsort.decide.check.duplicates.BLOCK", 7)
    parts = near_pairs(vectors, 0.5)[0]
    assert len(whole) > 50
    assert sorted(map(tuple, whole.tolist())) == sorted(map(tuple, parts.tolist()))


def test_chains_are_one_group() -> None:
    pairs = np.array([[5, 6], [0, 1], [4, 5], [2, 3], [3, 4]], dtype=np.intp)
    assert linked(8, pairs).tolist() == [0, 0, 2, 2, 2, 2, 2, 7]


def test_a_stranger_is_an_outlier_and_not_mislabelled() -> None:
    vectors, labels = clusters(seed=2)
    means = np.stack([vectors[labels == label].mean(axis=0) for label in range(6)])
    direction = np.random.default_rng(2).normal(size=DIM)
    vectors[20] = unit((direction - means.T @ np.linalg.lstsq(means.T, direction)[0])[None])[0]
    suspects = mislabelled(out_of_fold(vectors, labels, 6), labels)
    assert [finding.references for finding in suspects] == [(20,)], (
        "another class claims it, but only for want of better"
    )
    found = look(vectors, labels)
    assert [finding.references for finding in of(found, "outlier")] == [(20,)]
    assert of(found, "outlier")[0].numbers["z"] < -5
    assert of(found, "mislabelled") == []


@pytest.mark.parametrize(("stranger", "named"), [(0, []), (20, [(11,)])])
def test_small_classes_have_no_outliers_and_hide_none_elsewhere(stranger: int, named: list[tuple[int]]) -> None:
    vectors, labels = clusters()
    vectors[stranger] = unit(-3 * vectors.mean(axis=0, keepdims=True) + 0.3 * vectors[60:61])[0]
    kept = np.concatenate([[0, 1, 2], np.arange(12, 61)])
    vectors, labels = vectors[kept], labels[kept]
    assert np.bincount(labels).tolist() == [3, 12, 12, 12, 12, 1]
    assert [finding.references for finding in of(look(vectors, labels), "outlier")] == named


def test_a_picture_of_a_motley_class_is_no_outlier_elsewhere() -> None:
    """Other classes are alike and tight, so it is near no class by their measure, but by that of its true one it is."""
    vectors, labels = clusters(classes=6, each=20, spread=0.3)
    common = np.random.default_rng(7).normal(size=DIM) / DIM**0.5
    vectors[20:] = unit(vectors[20:] + 1.5 * common)
    vectors[:20] = clusters(classes=6, each=20, spread=1.5)[0][:20]
    named = 0
    for picture in range(20):
        moved = labels.copy()
        moved[picture] = 1
        named += (picture,) in [finding.references for finding in of(look(vectors, moved), "outlier")]
    assert named <= 4, "of 20: a motley class has outliers of its own"


def test_beside_copies_a_usual_picture_is_no_outlier() -> None:
    vectors, labels = clusters(each=6)
    contents = hashes(len(labels))
    vectors[1:5], contents[1:5] = vectors[0], [contents[0]] * 4
    vectors[11] = unit(-vectors.mean(axis=0, keepdims=True))[0]
    assert [finding.references for finding in of(look(vectors, labels, contents), "outlier")] == [(11,)]


def test_a_few_that_happen_to_agree_do_not_make_the_rest_of_a_small_class_outliers() -> None:
    assert sum(len(of(look(*clusters(each=5, seed=seed)), "outlier")) for seed in range(20)) == 0


@pytest.mark.parametrize(("seed", "half"), [(0, 10), (1, 10), (2, 10), (30, 8)])
def test_two_classes_of_the_same_thing_are_found(seed: int, half: int) -> None:
    """With seed 30 few enough are confused that only the distance of the means tells."""
    vectors, labels = clusters(classes=5, each=2 * half, seed=seed)
    rng = np.random.default_rng(seed)
    labels[rng.permutation(np.flatnonzero(labels == 2))[:half]] = 5
    found = look(vectors, labels)
    assert [finding.classes for finding in of(found, "close_classes")] == [(2, 5)]
    assert of(found, "close_classes")[0].numbers["confused"] >= 0.25
    assert set(of(found, "close_classes")[0].references) <= set(np.flatnonzero(np.isin(labels, (2, 5))).tolist())
    assert of(found, "mislabelled") == []


def test_classes_of_four_are_too_small_to_be_called_alike() -> None:
    vectors, labels = clusters(classes=5, each=8)
    labels[np.flatnonzero(labels == 2)[::2]] = 5
    found = look(vectors, labels)
    assert of(found, "close_classes") == []
    assert [finding.classes for finding in of(found, "few_references")] == [(2, 5)]


def test_the_distance_of_means_is_one_for_draws_of_the_same_class() -> None:
    vectors, _ = clusters(classes=1, each=4000)
    labels = np.random.default_rng(0).integers(0, 40, size=4000).astype(np.intp)
    apart = mean_distances(vectors, labels, 40)[np.triu_indices(40, 1)]
    assert apart.mean() == pytest.approx(1.0, abs=0.05)


def test_too_few_and_unequal() -> None:
    vectors, labels = clusters(classes=4, each=40)
    kept = np.concatenate([np.arange(40), [40], [80, 81, 82], np.arange(120, 160)])
    found = look(vectors[kept], labels[kept])
    assert [(f.classes, f.severity) for f in of(found, "one_reference")] == [((1,), "warning")]
    assert [(f.classes, f.severity) for f in of(found, "few_references")] == [((2,), "note")]
    (unequal,) = of(found, "unequal_classes")
    assert (unequal.classes[0], unequal.severity) == (2, "note")
    assert unequal.numbers["ratio"] == pytest.approx(40 / 3)
    assert found.expected is not None
    assert found.expected.recall[1] is None
    assert found.expected.confusion.sum(axis=1).tolist() == [40, 0, 3, 40]


def test_copies_do_not_count_as_more_references() -> None:
    vectors, labels = clusters(classes=2, each=6)
    contents = hashes(12)
    vectors[1:6], contents[1:6] = vectors[0], [contents[0]] * 5
    assert [finding.classes for finding in of(look(vectors, labels, contents), "one_reference")] == [(0,)]


@pytest.mark.parametrize(("dropped", "severity"), [([], "warning"), ([5], "note")])
def test_in_a_class_of_less_than_five_a_suspicion_is_a_note(dropped: list[int], severity: str) -> None:
    vectors, labels = clusters(classes=6, each=4, spread=0.3)
    labels[0] = 1
    (finding,) = of(look(np.delete(vectors, dropped, axis=0), np.delete(labels, dropped)), "mislabelled")
    assert (finding.references, finding.classes, finding.severity) == ((0,), (1, 0), severity)


@pytest.mark.parametrize("each", [1, 2])
def test_next_to_nothing_is_no_crash(each: int) -> None:
    vectors, labels = clusters(classes=3, each=each)
    found = check(vectors, labels, 3, hashes(len(labels)))
    assert (found.expected is None) == (each == 1)
    assert {finding.kind for finding in found.findings} == {"one_reference" if each == 1 else "few_references"}
    assert found.curve.one_more is None


def test_one_class_has_nothing_to_be_confused_with() -> None:
    vectors, labels = clusters(classes=1, each=9)
    found = check(vectors, labels, 1, hashes(9))
    assert (found.findings, found.expected, found.curve.steps) == ((), None, ())


def test_the_order_of_the_files_does_not_matter() -> None:
    vectors, labels = clusters(classes=5, each=10, spread=2.5)
    order = np.random.default_rng(0).permutation(len(labels))
    contents = hashes(len(labels))
    plain, mixed = look(vectors, labels), look(vectors[order], labels[order], [contents[i] for i in order])
    assert plain.findings
    assert {(f.kind, f.classes, f.references) for f in plain.findings} == {
        (f.kind, f.classes, tuple(sorted(order[list(f.references)].tolist()))) for f in mixed.findings
    }
    assert plain.expected is not None
    assert mixed.expected is not None
    np.testing.assert_array_equal(plain.expected.confusion, mixed.expected.confusion)


def test_vectors_that_mean_nothing_are_refused() -> None:
    vectors, labels = clusters()
    vectors[0] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        look(vectors, labels)


@pytest.mark.parametrize("name", ["food10_clip_vitb32", "fashion_clip"])
def test_swaps_among_photographs(name: str) -> None:
    vectors, truth = real(name, 20)
    rng = np.random.default_rng(0)
    found, clean, accused = 0, 0, 0
    for _ in range(3):
        labels, swapped = truth.copy(), rng.choice(len(truth), len(truth) // 20, replace=False)
        labels[swapped] = (truth[swapped] + rng.integers(1, truth.max() + 1, len(swapped))) % (truth.max() + 1)
        named = {finding.references[0] for finding in of(look(vectors, labels), "mislabelled")}
        found += len(named & set(swapped.tolist()))
        accused += len(named - set(swapped.tolist()))
        clean += len(truth) - len(swapped)
    assert found >= 0.9 * 3 * (len(truth) // 20)
    assert accused <= 0.05 * clean


def test_clean_photographs_have_no_errors() -> None:
    vectors, labels = real("food10_clip_vitb32", 25)
    found = look(vectors, labels)
    assert found.count("error") == 0
    assert len(serious(found)) <= 0.06 * len(labels)
    assert of(found, "close_classes") == []


def test_a_dish_in_two_folders_is_found() -> None:
    vectors, truth = real("food10_clip_vitb32", 24)
    found = 0
    for dish in range(0, 10, 3):
        labels = truth.copy()
        labels[np.flatnonzero(labels == dish)[::2]] = 10
        seen = look(vectors, labels)
        pairs = [finding.classes for finding in of(seen, "close_classes")]
        assert not [finding for finding in of(seen, "mislabelled") if {dish, 10} == set(finding.classes) and pairs]
        assert set(pairs) <= {(dish, 10)}
        found += len(pairs)
    assert found >= 3, "of 4"
