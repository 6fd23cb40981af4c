"""Journal, cache and lock: damaged, held, or on their own."""

import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refsort.errors import DatasetHeld, JournalError
from refsort.files.cache import Cache, rounded
from refsort.files.identity import FileStat, look
from refsort.files.journal import ASKED_AT_ONCE, Journal, Move
from refsort.files.lock import hold


def test_a_damaged_journal_is_kept_and_said(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"not a database " * 100)
    with pytest.raises(JournalError, match=r"damaged.*can then no longer be undone"):
        Journal(tmp_path / "journal.db")
    assert (tmp_path / "journal.db").read_bytes().startswith(b"not a database")


def test_a_journal_from_a_newer_version_is_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    journal._db.execute("PRAGMA user_version=99")
    journal.close()
    with pytest.raises(JournalError, match="newer"):
        Journal(tmp_path / "journal.db")


def test_commits_reach_the_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    assert journal._db.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert journal._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def vector(seed: int) -> "np.typing.NDArray[np.float32]":
    return np.random.default_rng(seed).normal(size=8).astype(np.float32)


def test_a_vector_comes_back_by_path_and_by_content(tmp_path: Path) -> None:
    picture = tmp_path / "x.jpg"
    picture.write_bytes(b"1")
    stat = look(picture)
    assert stat is not None
    cache = Cache(tmp_path / "cache.db", "f1")
    cache.put("x.jpg", stat, b"h" * 32, vector(1))
    cache.close()
    cache = Cache(tmp_path / "cache.db", "f1")
    found = cache.by_path("x.jpg", stat)
    assert found is not None
    assert found[0] == b"h" * 32
    np.testing.assert_array_equal(found[1], rounded(vector(1)))
    picture.write_bytes(b"22")
    changed = look(picture)
    assert changed is not None
    assert cache.by_path("x.jpg", changed) is None
    assert cache.by_hash(b"h" * 32) is not None
    assert Cache(tmp_path / "cache.db", "another encoder").by_hash(b"h" * 32) is None


def test_a_damaged_cache_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"rubbish" * 1000)
    cache = Cache(tmp_path / "cache.db", "f1")
    assert cache.by_hash(b"h" * 32) is None


def test_the_second_process_is_told_who_holds_the_dataset(tmp_path: Path) -> None:
    with hold(tmp_path / ".refsort", "sort"):
        pid = os.fork()
        if pid == 0:
            code = 9
            try:
                with hold(tmp_path / ".refsort", "sort"):
                    code = 0
            except DatasetHeld as error:
                code = error.exit_code if str(os.getppid()) in str(error) and "refsort sort" in str(error) else 8
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    with hold(tmp_path / ".refsort", "sort"):
        pass


def intent(source: str) -> Move:
    return Move(source, f"Dataset/a/{source}", "move", bytes(32), FileStat(1, 2, 3, 4, 1))


def test_ids_of_moves_go_on_from_the_last_that_was_given(tmp_path: Path) -> None:
    """Also where its row is gone, or another journal has given it: hidden names of files follow from them."""
    with closing(Journal(tmp_path / "journal.db")) as journal:
        run = journal.begin_run("sort", "move", {})
        written = journal.intend(run, [[intent("a"), intent("b")], [intent("c")]])
        assert [(move.id, move.main) for group in written for move in group] == [(1, 1), (2, 1), (3, 3)]
        assert [[move.source for move in group] for group in journal.open_groups()] == [["a", "b"], ["c"]]
        with journal.transaction() as db:
            db.execute("DELETE FROM moves WHERE id=3")
        assert journal.intend(run, [[intent("d")]])[0][0].id == 4
        journal.continue_after(9, 500)
        assert journal.intend(run, [[intent("e")]])[0][0].id == 501
        assert journal.intend(run, [[intent("f")]])[0][0].id == 502


def test_a_batch_with_an_intent_that_can_not_be_written_leaves_none(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        run = journal.begin_run("sort", "move", {})
        with pytest.raises(TypeError):
            journal.intend(run, [[intent("a")], [replace(intent("b"), decision={"no": object()})]])
        assert journal.open_groups() == []
        assert journal.intend(run, [[intent("c")]])[0][0].id == 1


def test_moves_that_left_a_path_are_found_among_many_until_they_are_taken_back(tmp_path: Path) -> None:
    with closing(Journal(tmp_path / "journal.db")) as journal:
        run = journal.begin_run("sort", "move", {})
        names = [f"{number}.jpg" for number in range(3 * ASKED_AT_ONCE)]
        moves = [move for (move,) in journal.intend(run, [[intent(name)] for name in names])]
        journal.finish([(move, "failed" if move.id == 7 else "done", None) for move in moves])
        back = journal.begin_run("undo", "undo", {})
        reverses = replace(intent("5.jpg"), source="Dataset/a/5.jpg", target="5.jpg", reverses=6)
        ((taken_back,),) = journal.intend(back, [[reverses]])
        journal.finish([(taken_back, "done", None)])
        expected = {(name, bytes(32)) for name in names} - {("5.jpg", bytes(32)), ("6.jpg", bytes(32))}
        assert journal.moved_from([*names, "never.jpg", "Dataset/a/5.jpg"]) == expected
        assert journal.moved_from([]) == set()
