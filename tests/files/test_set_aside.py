"""A damaged journal is kept, a new one begun, and nothing else is taken for damage."""

import os
import sqlite3
from pathlib import Path

import pytest

from refsort.errors import JournalDamaged, JournalError
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.set_aside import open_to_write
from tests.files.helpers import dataset_of, move_all
from tests.trees import read


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Three hundred sorted pictures with their journal, one of them confirmed by hand."""
    images = {f"{n:03}.jpg": b"picture %d" % n for n in range(300)}
    data = dataset_of(tmp_path / "D", {"Images": images})  # type: ignore[dict-item]
    move_all(data)
    journal = Journal(journal_of(data))
    with journal.transaction() as db:
        db.execute("INSERT INTO labels VALUES (?,?,?,?)", (b"h" * 32, b"a", "2026-01-01T00:00:00Z", "labels"))
    journal.close()
    return data


def journal_of(data: Dataset) -> Path:
    return data.state / "journal.db"


def opened(data: Dataset) -> tuple[list[str], Journal]:
    said: list[str] = []
    return said, open_to_write(journal_of(data), data, said.append)


def spoil_a_page(path: Path) -> None:
    """Rubbish over the pages of one table, but for the first page of the file."""
    with sqlite3.connect(path) as db:
        size = db.execute("PRAGMA page_size").fetchone()[0]
        root = db.execute("SELECT rootpage FROM sqlite_master WHERE name='moves'").fetchone()[0]
    with path.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)


def test_a_sound_one_is_opened_as_it_is(data: Dataset) -> None:
    said, journal = opened(data)
    assert said == []
    assert len(journal.standing(1)) == 300
    journal.close()


@pytest.mark.parametrize("how", ["rubbish", "page", "half"])
def test_a_damaged_one_is_kept_and_a_new_one_begun(data: Dataset, how: str) -> None:
    path = journal_of(data)
    if how == "rubbish":
        path.write_bytes(b"rubbish" * 1000)
    elif how == "page":
        spoil_a_page(path)
    else:
        os.truncate(path, path.stat().st_size // 2)
    spoilt, before = path.read_bytes(), read(data.root)
    (data.state / "reports").mkdir()
    (data.state / "reports" / "run-7.html").touch()
    said, journal = opened(data)
    assert len(said) == 1
    assert "can no longer be undone" in said[0]
    assert ("confirmed by hand is forgotten" in said[0]) == (how != "page")
    kept = list(data.state.glob("journal-broken-*/journal.db"))
    assert [p.read_bytes() for p in kept] == [spoilt]
    assert read(data.root) == before
    assert journal.begin_run("sort", "move", {}) == 8, "a page of an old run would be overwritten"
    if how == "page":
        assert [row["class"] for row in journal.rows("SELECT class FROM labels")] == [b"a"]
    journal.close()


def test_numbers_of_moves_go_on_above_those_in_names_of_leftovers(data: Dataset) -> None:
    (data.path("Dataset") / ".refsort-leaving-5").write_bytes(b"left in a move")
    journal_of(data).write_bytes(b"rubbish" * 1000)
    said, journal = opened(data)
    journal.close()
    assert any(".refsort-leaving-5" in text for text in said)
    assert (data.path("Dataset") / ".refsort-leaving-5").read_bytes() == b"left in a move"
    data.path("Images/new.jpg").write_bytes(b"new")
    move_all(data)
    with sqlite3.connect(journal_of(data)) as db:
        assert db.execute("SELECT min(id) FROM moves").fetchone()[0] > 10**12


def test_what_is_no_damage_is_not_set_aside(data: Dataset, tmp_path: Path) -> None:
    path = journal_of(data)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(JournalError, match="newer") as refused:
        open_to_write(path, data, print)
    assert not isinstance(refused.value, JournalDamaged)
    path.unlink()
    path.mkdir()
    with pytest.raises(JournalError, match="can't be used"):
        open_to_write(path, data, print)
    assert path.is_dir()
