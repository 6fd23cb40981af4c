"""Who says what about a sorted picture: followed with real pictures, real moves by hand, a real journal."""

import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from refsort.files.by_hand import Wish, begin, file_by_hand
from refsort.files.confirmed import confirm, confirmed, confirmed_stamp, forget
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file
from refsort.files.journal import SCHEMA_VERSION, Journal
from refsort.files.survey import HandMade, take_survey
from refsort.files.undo import choose, undo
from refsort.sorting import Sorter
from refsort.sorting.sorter import journal_path
from tests.files.helpers import dataset_of, move_all
from tests.learn.discs import config_of, make_discs, prepared_of, sort, sources, truth_of


@pytest.fixture(scope="module")
def sorted_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Discs, sorted by one run."""
    dataset = make_discs(tmp_path_factory.mktemp("data") / "Discos", references=6, arrivals=4)
    sort(dataset)
    return dataset.root


@pytest.fixture
def dataset(sorted_once: Path, tmp_path: Path) -> Dataset:
    """A copy of it, which a test may change."""
    shutil.copytree(sorted_once, tmp_path / "Discos")
    return Dataset(tmp_path / "Discos")


def any_in(dataset: Dataset, folder: str) -> Path:
    return sorted(dataset.path(folder).iterdir())[0]


def by_hand(source: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.move(source, folder / source.name))


def relative(dataset: Dataset, path: Path) -> str:
    return dataset.relative(path)


def test_untouched_sure_pictures_are_trusted_with_their_probability(dataset: Dataset) -> None:
    truth = truth_of(dataset)
    trusted = [label for label in truth.labels if label.source == "trusted"]
    lying = [relative(dataset, p) for p in dataset.path("Dataset").rglob("*.jpg")]
    assert len(trusted) >= 6
    assert {label.path for label in trusted} <= set(lying)
    assert all(0.5 < label.weight < 1 for label in trusted)
    assert all(label.class_name in label.path for label in trusted), "discs are easy"
    assert sum(label.source == "reference" for label in truth.labels) == 18


def test_a_picture_moved_to_another_class_is_corrected_and_no_longer_trusted(dataset: Dataset) -> None:
    moved = by_hand(any_in(dataset, "Dataset/rojo"), dataset.path("Dataset/verde"))
    found = sources(truth_of(dataset))
    assert found[relative(dataset, moved)] == ("verde", "corrected")
    assert sum(path.endswith(moved.name) for path in found) == 1


def test_a_picture_added_by_hand_is_corrected(dataset: Dataset) -> None:
    made = make_discs(dataset.root.parent / "other", 0, 1).path("Images/azul0.jpg")
    made.write_bytes(made.read_bytes() + b" ")
    os.utime(made, (1, 1))
    added = by_hand(made, dataset.path("Dataset/azul"))
    added = added.rename(added.with_name("holiday.jpg"))
    assert sources(truth_of(dataset))[relative(dataset, added)] == ("azul", "corrected")


def test_a_picture_renamed_within_its_class_says_nothing(dataset: Dataset) -> None:
    path = any_in(dataset, "Dataset/rojo")
    renamed = path.rename(path.with_name("renamed.jpg"))
    truth = truth_of(dataset)
    assert relative(dataset, renamed) not in sources(truth)
    assert any(path == relative(dataset, renamed) and "renamed" in why for path, why in truth.left_out)


def test_what_a_program_made_of_a_sorted_picture_says_nothing(dataset: Dataset) -> None:
    path = any_in(dataset, "Dataset/rojo")
    edited = path.with_name(f"{path.stem}_edited.jpg")
    edited.write_bytes(path.read_bytes() + b"!")
    truth = truth_of(dataset)
    assert relative(dataset, edited) not in sources(truth)
    assert any("as if made of" in why for _, why in truth.left_out)


def test_a_picture_changed_in_its_place_says_nothing(dataset: Dataset) -> None:
    path = any_in(dataset, "Dataset/rojo")
    path.write_bytes(path.read_bytes() + b"!")
    truth = truth_of(dataset)
    assert relative(dataset, path) not in sources(truth)
    assert (relative(dataset, path), "changed since it was sorted") in truth.left_out


def test_deleted_and_taken_out_and_set_aside_pictures_are_no_labels(dataset: Dataset, tmp_path: Path) -> None:
    before = sources(truth_of(dataset))
    gone = any_in(dataset, "Dataset/rojo")
    gone.unlink()
    aside = by_hand(any_in(dataset, "Dataset/azul"), dataset.path("Unsure"))
    out = by_hand(any_in(dataset, "Dataset/verde"), tmp_path)
    after = sources(truth_of(dataset))
    assert len(after) == len(before) - 3
    assert not {gone.name, aside.name, out.name} & {Path(path).name for path in after}


def test_an_undone_run_leaves_no_labels(dataset: Dataset) -> None:
    by_hand(any_in(dataset, "Dataset/rojo"), dataset.path("Dataset/verde"))
    Sorter(config_of(dataset)).undo()
    assert sources(truth_of(dataset)) == {}


def test_what_a_person_sorts_after_an_undo_where_the_program_had_it_is_the_persons_word(dataset: Dataset) -> None:
    path = any_in(dataset, "Dataset/rojo")
    Sorter(config_of(dataset)).undo()
    assert not path.exists()
    by_hand(dataset.path(f"Images/{path.name}"), path.parent)
    assert sources(truth_of(dataset)) == {relative(dataset, path): ("rojo", "corrected")}


def test_what_lay_there_before_the_history_begins_says_nothing_until_it_is_confirmed(dataset: Dataset) -> None:
    journal_path(dataset).unlink()
    with prepared_of(dataset) as (journal, _):
        run = journal.begin_run("sort", "move", {})
        with journal.transaction() as db:
            db.execute("UPDATE runs SET started='2999-01-01T00:00:00Z' WHERE id=?", (run,))
    truth = truth_of(dataset)
    assert sources(truth) == {}
    assert len(truth.left_out) == len(list(dataset.path("Dataset").rglob("*.jpg")))
    path = any_in(dataset, "Dataset/rojo")
    with prepared_of(dataset) as (journal, _):
        confirm(journal, [(hash_file(path), "rojo")], "labels")
    assert sources(truth_of(dataset)) == {relative(dataset, path): ("rojo", "confirmed")}


def test_a_confirmed_picture_counts_until_it_is_forgotten_or_moved(dataset: Dataset) -> None:
    path = any_in(dataset, "Dataset/rojo")
    with prepared_of(dataset) as (journal, _):
        confirm(journal, [(hash_file(path), "rojo")], "labels")
    assert sources(truth_of(dataset))[relative(dataset, path)] == ("rojo", "confirmed")
    moved = by_hand(path, dataset.path("Dataset/verde"))
    truth = truth_of(dataset)
    assert sources(truth)[relative(dataset, moved)] == ("verde", "corrected")
    assert len(truth.contradictions) == 1, "the later word goes before, and that is told"
    with prepared_of(dataset) as (journal, _):
        assert forget(journal, [hash_file(moved)]) == 1
        assert confirmed_stamp(journal) == (0, "")
    assert truth_of(dataset).contradictions == []


def test_a_reference_goes_before_a_correction_and_that_is_told(dataset: Dataset) -> None:
    moved = by_hand(any_in(dataset, "Dataset/rojo"), dataset.path("Dataset/verde"))
    shutil.copy(moved, dataset.path("Clases/azul/mine.jpg"))
    truth = truth_of(dataset)
    assert relative(dataset, moved) not in sources(truth)
    assert any("the reference counts" in text for text in truth.contradictions)


def test_a_reference_of_two_classes_is_left_out_and_told(dataset: Dataset) -> None:
    shutil.copy(dataset.path("Clases/azul/r0.jpg"), dataset.path("Clases/rojo/same.jpg"))
    truth = truth_of(dataset)
    paths = {label.path for label in truth.labels}
    assert not paths & {"Clases/azul/r0.jpg", "Clases/rojo/same.jpg"}
    assert len(truth.contradictions) == 1


def test_a_picture_in_a_class_folder_without_references_is_named(dataset: Dataset) -> None:
    moved = by_hand(any_in(dataset, "Dataset/rojo"), dataset.path("Dataset/nuevo"))
    truth = truth_of(dataset)
    assert relative(dataset, moved) not in sources(truth)
    assert any("Clases/nuevo" in why for _, why in truth.left_out)


def test_a_wrongly_sorted_picture_is_not_trusted(dataset: Dataset) -> None:
    """As if the run had been sure of the wrong class: the labels of people and of the others say otherwise."""
    path = any_in(dataset, "Dataset/rojo")
    target = dataset.path(f"Dataset/azul/{path.name}")
    path.rename(target)
    db = sqlite3.connect(journal_path(dataset))
    with db:
        old, new = relative(dataset, path).encode(), relative(dataset, target).encode()
        (text,) = db.execute("SELECT decision FROM moves WHERE target=?", (old,)).fetchone()
        swapped = text.replace('"class": "rojo"', '"class": "azul"')
        assert swapped != text
        db.execute("UPDATE moves SET target=?, decision=? WHERE target=?", (new, swapped, old))
    db.close()
    truth = truth_of(dataset)
    assert relative(dataset, target) not in sources(truth)
    assert any("held out" in why for path, why in truth.left_out if path == relative(dataset, target))


def test_sorting_anyway_makes_nothing_trusted(tmp_path: Path) -> None:
    dataset = make_discs(tmp_path / "Discos", references=6, arrivals=1)
    sort(dataset, unsure="off")
    assert sources(truth_of(dataset)) == {}


def test_corrections_serve_as_references_unless_the_settings_say_no(dataset: Dataset) -> None:
    moved = by_hand(any_in(dataset, "Dataset/rojo"), dataset.path("Dataset/verde"))
    with prepared_of(dataset) as (_, prepared):
        assert prepared.references.corrections == 1
        assert prepared.references.paths[-1] == relative(dataset, moved)
        assert prepared.references.classes[prepared.references.labels[-1]] == "verde"
    with prepared_of(dataset, learn_from_corrections=False) as (_, prepared):
        assert prepared.references.corrections == 0
        assert len(prepared.references.paths) == 18
    Sorter(config_of(dataset)).undo()
    with prepared_of(dataset) as (_, prepared):
        assert prepared.references.corrections == 0, "what was taken back teaches nothing"


def test_only_so_many_of_a_class_are_trusted(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("refsort.learn.truth.TRUSTED", 1)
    classes = [name for name, _ in sources(truth_of(dataset)).values()]
    assert sorted(classes) == sorted(set(classes))


# -- the journal and the survey, without pictures


def test_an_older_journal_gets_the_table_and_keeps_what_it_has(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, {"Images": {"x.jpg": b"x"}})
    move_all(dataset)
    path = journal_path(dataset)
    db = sqlite3.connect(path)
    db.executescript("DROP TABLE labels; PRAGMA user_version=1;")
    db.close()
    journal = Journal(path)
    assert confirmed(journal) == {}
    confirm(journal, [(b"1" * 32, "a"), (b"1" * 32, "b")], "app")
    assert {word.class_name for word in confirmed(journal).values()} == {"b"}
    assert [run.kind for run in journal.runs()] == ["sort"]
    assert len(journal.standing(1)) == 1
    assert journal.rows("PRAGMA user_version")[0][0] == SCHEMA_VERSION
    journal.close()


def test_a_copy_of_a_sorted_picture_in_another_class_is_by_hand_and_sidecars_go_along(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, {"Images": {"x.jpg": b"x", "x.xmp": b"s"}})
    move_all(dataset)
    (tmp_path / "Dataset" / "b").mkdir()
    shutil.copy2(tmp_path / "Dataset/a/x.jpg", tmp_path / "Dataset/b/x.jpg")
    journal = Journal(journal_path(dataset))
    survey = take_survey(dataset, journal)
    assert [placed.path for placed in survey.by_hand()] == ["Dataset/b/x.jpg"]
    assert sorted(survey.standing) == ["Dataset/a/x.jpg"], "a sidecar is no picture"
    journal.close()


def test_what_people_put_is_seen_at_the_next_look_and_folders_are_listed_again_only_then(tmp_path: Path) -> None:
    dataset = dataset_of(tmp_path, {"Images": {"x.jpg": b"x", "y.jpg": b"y"}})
    move_all(dataset)
    journal = Journal(journal_path(dataset))
    clock = [0.0]
    watch = HandMade(dataset, lambda: clock[0])
    assert watch.listing(journal) == frozenset()
    (tmp_path / "Dataset" / "b").mkdir()
    (tmp_path / "Dataset/a/x.jpg").rename(tmp_path / "Dataset/b/x.jpg")
    assert {path for path, _, _ in watch.listing(journal)} == {"Dataset/b/x.jpg"}
    journal.close()
    (tmp_path / "Dataset/b/x.jpg").write_text("longer")
    # The journal is closed: another survey would fail. A change of the file itself shows all the same.
    assert {size for _, size, _ in watch.listing(journal)} == {6}


def test_what_a_person_files_in_the_program_is_corrected_until_it_is_taken_back(dataset: Dataset) -> None:
    path = relative(dataset, any_in(dataset, "Dataset/rojo"))
    journal = Journal(journal_path(dataset))
    (found,) = file_by_hand(dataset, journal, begin(journal), [Wish(path, "verde")])
    assert found.target is not None
    assert sources(truth_of(dataset))[found.target] == ("verde", "corrected")
    undo(dataset, journal, choose(journal, dataset, None, None, found.target), "test")
    journal.close()
    assert sources(truth_of(dataset)).get(path, ("", "trusted"))[1] == "trusted"
