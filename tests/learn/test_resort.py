"""Sorting again: what moves, what never does, and taking it back."""

import shutil
from pathlib import Path

import pytest

from refsort.files.confirmed import confirm
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file
from refsort.learn.resorting import Resorted, carry_out, plan
from refsort.sorting import Reporters, Sorter
from refsort.sorting.sorter import journal_path
from tests.learn.discs import COLOURS, config_of, disc, make_discs, prepared_of, sort, sources, truth_of
from tests.trees import contents, read


@pytest.fixture(scope="module")
def sorted_wrongly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs sorted by references of which two classes' were swapped, with a sidecar each; the references are right now.

    Then `azul` lies in `rojo` and the other way round, and refsort was sure of it.
    """
    dataset = make_discs(tmp_path_factory.mktemp("data") / "Discos", references=8, arrivals=3)
    for path in sorted(dataset.path("Images").iterdir()):
        path.with_suffix(".xmp").write_text(f"of {path.name}", encoding="utf-8")
    swap(dataset)
    sort(dataset)
    swap(dataset)
    return dataset.root


def swap(dataset: Dataset) -> None:
    one, other, aside = (dataset.path(f"Clases/{name}") for name in ("azul", "rojo", ".aside"))
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


@pytest.fixture
def dataset(sorted_wrongly: Path, tmp_path: Path) -> Dataset:
    shutil.copytree(sorted_wrongly, tmp_path / "Discos")
    return Dataset(tmp_path / "Discos")


def resort(dataset: Dataset, *, aside: bool = False, dry: bool = False, **settings: object) -> Resorted:
    config = config_of(dataset, **settings)
    with prepared_of(dataset, **settings) as (journal, prepared):
        result = plan(config, dataset, journal, prepared, Reporters(), aside=aside)
        if not dry:
            carry_out(config, dataset, journal, prepared, result, Reporters())
    return result


def lying(dataset: Dataset, folder: str) -> set[str]:
    path = dataset.path(folder)
    return {p.name for p in path.iterdir()} if path.is_dir() else set()


def test_wrongly_sorted_pictures_go_to_their_class_with_what_goes_with_them_and_undo_brings_them_back(
    dataset: Dataset,
) -> None:
    wrong = {name for name in lying(dataset, "Dataset/rojo") if name.startswith("azul")}
    assert len([name for name in wrong if name.endswith(".jpg")]) >= 2, "the swap was learned"
    whole, before = contents(dataset.root), read(dataset.root)
    dry = resort(dataset, dry=True)
    assert read(dataset.root) == before, "a dry run moves nothing"
    assert dry.run is None
    result = resort(dataset)
    assert [c.path for c in result.changes] == [c.path for c in dry.changes]
    assert result.count("done") == len(result.changes) > 0
    for change in result.changes:
        assert change.after == f"Dataset/{Path(change.path).name.rstrip('0123456789.jpg')}", "only to the right one"
        assert dataset.path(change.target or "").with_suffix(".xmp").read_text() == f"of {Path(change.path).name}"
        assert not dataset.path(change.path).with_suffix(".xmp").exists()
    assert contents(dataset.root) == whole
    assert resort(dataset, dry=True).changes == [], "a second time there is nothing to do"
    Sorter(config_of(dataset)).undo()
    assert read(dataset.root) == before


def test_undoing_the_first_run_finds_what_was_resorted_since(dataset: Dataset) -> None:
    assert resort(dataset).count("done")
    undone = Sorter(config_of(dataset)).undo(1)
    assert undone.left == []
    assert len(lying(dataset, "Images")) == 18


def test_what_a_person_put_or_confirmed_never_moves(dataset: Dataset) -> None:
    moved = [change.path for change in resort(dataset, dry=True).changes if "rojo/azul" in change.path]
    confirmed, put = dataset.path(moved[0]), dataset.path(moved[1])
    with prepared_of(dataset) as (journal, _):
        confirm(journal, [(hash_file(confirmed), "rojo")], "labels")
    dataset.path("Dataset/verde").mkdir(exist_ok=True)
    put = put.rename(dataset.path("Dataset/verde") / put.name)
    result = resort(dataset, learn_from_corrections=False, aside=True)
    assert confirmed.exists()
    assert put.exists()
    assert result.held["confirmed by a person"] == 1
    assert result.held["put there by a person"] == 1


def test_what_a_person_brings_back_after_a_resort_stays_for_good(dataset: Dataset) -> None:
    change = next(change for change in resort(dataset).changes if change.state == "done")
    old, new = dataset.path(change.path), dataset.path(change.target or "")
    new.rename(old)
    assert sources(truth_of(dataset))[change.path] == (change.before.split("/")[1], "corrected")
    resort(dataset, learn_from_corrections=False)
    assert old.exists()


def test_a_picture_changed_since_stays(dataset: Dataset) -> None:
    path = dataset.path(resort(dataset, dry=True).changes[0].path)
    path.write_bytes(path.read_bytes() + b"!")
    resort(dataset)
    assert path.exists()


def test_a_class_without_references_keeps_its_pictures(dataset: Dataset) -> None:
    shutil.rmtree(dataset.path("Clases/rojo"))
    before = lying(dataset, "Dataset/rojo")
    resort(dataset, aside=True)
    assert lying(dataset, "Dataset/rojo") == before


def test_from_one_class_to_another_only_what_is_surer_than_the_promise(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resort(dataset, dry=True).changes
    monkeypatch.setattr("refsort.learn.resorting.SURER", 1e9)
    assert [change for change in resort(dataset, dry=True).changes if change.before.startswith("Dataset/")] == []


def test_out_of_a_class_to_unsure_only_if_that_is_asked_for(tmp_path: Path) -> None:
    dataset = make_discs(tmp_path / "Discos", references=8, arrivals=1)
    for number in range(4):
        disc(dataset.path(f"Images/odd{number}.jpg"), (200, 200, 40), number)
    sort(dataset, unsure="off")
    assert resort(dataset).changes == []
    result = resort(dataset, aside=True)
    assert {c.after for c in result.changes} <= {"Unsure", "Unknown"}
    assert any("odd" in c.path for c in result.changes)


def test_unsure_pictures_go_to_their_class_when_new_references_make_them_sure(tmp_path: Path) -> None:
    dataset = make_discs(tmp_path / "Discos", references=2, arrivals=4)
    sort(dataset)
    aside = {name for folder in ("Unsure", "Unknown") for name in lying(dataset, folder)}
    assert aside, "with two references nothing much is sure"
    for base, (name, colour) in enumerate(COLOURS.items()):
        for number in range(2, 10):
            disc(dataset.path(f"Clases/{name}/r{number}.jpg"), colour, 1000 * base + number)
    result = resort(dataset)
    assert result.count("done") >= 1
    assert all(Path(c.path).name.startswith(c.decision.class_name) for c in result.changes)


def test_copies_are_left_to_sort(tmp_path: Path) -> None:
    dataset = make_discs(tmp_path / "Discos", references=8, arrivals=2)
    swap(dataset)
    sort(dataset, action="copy")
    swap(dataset)
    result = resort(dataset)
    assert result.changes == []
    assert result.run is None
    assert journal_path(dataset).exists()
