"""Journal, cache and lock: damaged, held, or on their own."""

import os
from pathlib import Path

import numpy as np
import pytest

from refsort.errors import DatasetHeld, JournalError
from refsort.files.cache import Cache, rounded
from refsort.files.identity import look
from refsort.files.journal import Journal
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
