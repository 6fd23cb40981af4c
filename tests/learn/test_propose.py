"""Groups that look alike, and classes made of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from refsort.errors import DatasetError, UnsafeName
from refsort.files.dataset import Dataset
from refsort.learn.clustering import average_linkage, bound, cut_tree, similarities
from refsort.learn.new_class import make_references, move_group
from refsort.learn.proposing import Group, Proposal, keep_proposal, kept_group, propose
from refsort.sorting import Reporters, Sorter
from tests.learn.discs import config_of, disc, make_discs, prepared_of, sort
from tests.trees import contents, read


@pytest.fixture(scope="module")
def with_strangers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs of three known colours, sorted, and eight of a fourth in Unknown/, each with a sidecar."""
    dataset = make_discs(tmp_path_factory.mktemp("data") / "Discos", references=6, arrivals=1)
    sort(dataset)
    for number in range(8):
        disc(dataset.path(f"Unknown/s{number}.jpg"), (235, 225, 30), 9000 + number)
        dataset.path(f"Unknown/s{number}.xmp").write_text(str(number), encoding="utf-8")
    return dataset.root


@pytest.fixture
def dataset(with_strangers: Path, tmp_path: Path) -> Dataset:
    shutil.copytree(with_strangers, tmp_path / "Discos")
    return Dataset(tmp_path / "Discos")


def proposed(dataset: Dataset) -> Proposal:
    with prepared_of(dataset) as (journal, prepared):
        found = propose(dataset, journal, prepared, Reporters())
    keep_proposal(dataset, found)
    return found


def test_strangers_that_look_alike_are_one_group(dataset: Dataset) -> None:
    found = proposed(dataset)
    assert found.groups
    strangers = [path for path, _ in found.groups[0].pictures if Path(path).name.startswith("s")]
    assert len(strangers) >= 6
    assert proposed(dataset).groups == found.groups, "the same pictures, the same groups"


def test_a_class_is_made_of_copies_and_only_ever_adds(dataset: Dataset) -> None:
    group = proposed(dataset).groups[0]
    typical = Path(group.pictures[0][0]).name
    dataset.path("Clases/amarillo").mkdir()
    dataset.path(f"Clases/amarillo/{typical}").write_bytes(b"somebody's own")
    before = read(dataset.root)
    made = make_references(dataset, kept_group(dataset, 1), "amarillo", 3)
    assert len(made.references) == 3
    assert dataset.path(f"Clases/amarillo/{typical}").read_bytes() == b"somebody's own"
    assert f"Clases/amarillo/{Path(typical).stem}_2.jpg" in made.references
    for path in made.references:
        dataset.path(path).unlink()
    assert read(dataset.root) == before, "nothing else was touched, and no part is left"


def test_made_twice_the_same_pictures_are_not_copied_again(dataset: Dataset) -> None:
    proposed(dataset)
    first = make_references(dataset, kept_group(dataset, 1), "amarillo", 3)
    again = make_references(dataset, kept_group(dataset, 1), "amarillo", 3)
    assert not set(first.references) & set(again.references)
    folder = dataset.path("Clases/amarillo")
    assert len({p.read_bytes() for p in folder.iterdir()}) == len(list(folder.iterdir()))


def test_a_picture_that_is_another_one_by_now_is_not_copied(dataset: Dataset) -> None:
    group = proposed(dataset).groups[0]
    changed = group.pictures[0][0]
    dataset.path(changed).write_bytes(dataset.path(changed).read_bytes() + b"!")
    made = make_references(dataset, kept_group(dataset, 1), "amarillo", 3)
    assert [path for path, _ in made.left] == [changed]
    assert len(made.references) == 3
    assert not [p for p in dataset.path("Clases/amarillo").iterdir() if p.name.startswith(".")]


def test_the_group_moves_with_its_sidecars_and_undo_brings_it_back(dataset: Dataset) -> None:
    group = proposed(dataset).groups[0]
    before = read(dataset.root)
    made = make_references(dataset, kept_group(dataset, 1), "amarillo", 3)
    whole = contents(dataset.root)
    with prepared_of(dataset) as (journal, _):
        move_group(dataset, journal, group, made)
    assert made.left == []
    assert len(made.moved) == len(group.pictures)
    assert all(dataset.path(path).with_suffix(".xmp").exists() for path in made.moved)
    assert contents(dataset.root) == whole
    Sorter(config_of(dataset)).undo()
    shutil.rmtree(dataset.path("Clases/amarillo"))
    assert read(dataset.root) == before


def test_a_picture_that_is_another_one_by_now_is_not_moved(dataset: Dataset) -> None:
    group = proposed(dataset).groups[0]
    changed = dataset.path(group.pictures[-1][0])
    changed.write_bytes(changed.read_bytes() + b"!")
    made = make_references(dataset, group, "amarillo", 3)
    with prepared_of(dataset) as (journal, _):
        move_group(dataset, journal, group, made)
    assert changed.exists()
    assert len(made.moved) == len(group.pictures) - 1
    assert [path for path, _ in made.left] == [group.pictures[-1][0]]


def test_a_file_in_the_place_of_the_class_folder_is_refused(dataset: Dataset) -> None:
    group = proposed(dataset).groups[0]
    dataset.path("Clases/amarillo").write_bytes(b"mine")
    with pytest.raises(DatasetError, match="no folder"):
        make_references(dataset, group, "amarillo", 3)
    assert dataset.path("Clases/amarillo").read_bytes() == b"mine"


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", "AZUL", "con"])
def test_an_unsafe_name_is_refused_before_anything_is_written(dataset: Dataset, name: str) -> None:
    group = proposed(dataset).groups[0]
    before = read(dataset.root)
    with pytest.raises(UnsafeName):
        make_references(dataset, group, name, 3)
    assert read(dataset.root) == before
    assert len(list(dataset.path("Clases").iterdir())) == 3


def test_a_class_folder_that_is_a_link_out_of_the_dataset_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    dataset.path("Clases/amarillo").symlink_to(tmp_path / "elsewhere")
    group = proposed_without_link(dataset)
    with pytest.raises(DatasetError):
        make_references(dataset, group, "amarillo", 3)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def proposed_without_link(dataset: Dataset) -> Group:
    link = dataset.path("Clases/amarillo")
    target = link.readlink()
    link.unlink()
    group = proposed(dataset).groups[0]
    link.symlink_to(target)
    return group


def test_groups_that_were_never_shown_or_are_gone_are_named(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="nothing was proposed"):
        kept_group(dataset, 1)
    group = proposed(dataset).groups[0]
    with pytest.raises(DatasetError, match="no group 99"):
        kept_group(dataset, 99)
    shutil.rmtree(dataset.path("Unknown"))
    with pytest.raises(DatasetError, match="still there"):
        make_references(dataset, group, "amarillo", 3)
    assert not dataset.path("Clases/amarillo").exists()


# -- the numbers


def clumps(rng: np.random.Generator, sizes: list[int], spread: float, dim: int = 24) -> tuple[np.ndarray, np.ndarray]:
    centres = np.linalg.qr(rng.normal(size=(dim, len(sizes))))[0].T
    labels = np.repeat(np.arange(len(sizes)), sizes)
    rows = centres[labels] + spread * rng.normal(size=(len(labels), dim)) / np.sqrt(dim)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32), labels


def test_the_tree_is_that_of_average_linkage() -> None:
    hierarchy = pytest.importorskip("scipy.cluster.hierarchy")
    distance = pytest.importorskip("scipy.spatial.distance")
    vectors, _ = clumps(np.random.default_rng(0), [9, 14, 5], 1.5)
    similar = vectors @ vectors.T
    theirs = hierarchy.linkage(distance.squareform(1 - similar.astype(np.float64), checks=False), "average")
    mine = average_linkage(similar)
    np.testing.assert_allclose(sorted(1 - s for *_, s in mine), sorted(theirs[:, 2]), atol=1e-5)
    cut = float(np.sort(theirs[:, 2])[-3:-1].mean())
    own, other = cut_tree(28, mine, 1 - cut), hierarchy.fcluster(theirs, cut, "distance")
    assert ((own[:, None] == own) == (other[:, None] == other)).all()


def test_the_bound_learned_from_known_classes_parts_new_ones() -> None:
    vectors, labels = clumps(np.random.default_rng(1), [6] * 8 + [12, 9], 0.8)
    known = labels < 8
    similar, among = similarities(vectors[~known], vectors[known], labels[known], 8)
    least = bound(among, labels[known])
    assert -1 < least < 1
    groups = cut_tree(21, average_linkage(similar), least)
    new = labels[~known]
    for name, least_found in ((8, 10), (9, 7)):
        largest = np.bincount(groups[new == name]).argmax()
        inside = new[groups == largest]
        assert (inside == name).sum() >= least_found
        assert (inside == name).mean() >= 0.85


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 0, 0]])
def test_where_references_can_not_tell_a_usual_bound_is_taken(labels: list[int]) -> None:
    assert bound(np.eye(3, dtype=np.float32), np.asarray(labels, dtype=np.intp)) == pytest.approx(0.3)
