"""The cache keeps what is in use, lets go of what is not, and never grows past its limit for long."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from refsort.files.cache import PATHS_A_PRUNE, PRUNE_EVERY, Cache, rounded
from refsort.files.identity import FileStat
from tests.e2e.helpers import on, refsort
from tests.e2e.watching import disc, make_dataset

STAT = FileStat(1, 1, 1, 1, 1)


def sha(number: int) -> bytes:
    return number.to_bytes(32, "big")


def put(cache: Cache, numbers: Iterable[int]) -> None:
    for number in numbers:
        cache.put(f"Images/{number:06}.jpg", STAT, sha(number), np.full(8, number, dtype=np.float32))
    cache.flush()


def size(file: Path, table: str = "vectors") -> int:
    db = sqlite3.connect(file)
    count: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    db.close()
    return count


def test_the_oldest_go_and_what_is_in_use_stays(tmp_path: Path) -> None:
    file = tmp_path / "cache.db"
    cache = Cache(file, "f", limit=3000)
    put(cache, range(20))
    cache.keep(sha(number) for number in range(20))
    for begin in range(20, 20_020, 500):
        put(cache, range(begin, begin + 500))
        assert size(file) <= 3000 + PRUNE_EVERY
    assert all(cache.by_hash(sha(number)) is not None for number in range(20)), "references"
    assert cache.by_hash(sha(20_019)) is not None
    assert cache.by_hash(sha(30)) is None
    cache.close()
    assert size(file) == 3000
    assert size(file, "files") <= 3000 + 2 * PATHS_A_PRUNE


def test_what_is_asked_for_counts_as_used_also_by_another_process(tmp_path: Path) -> None:
    file = tmp_path / "cache.db"
    for begin in (0, 1000, 2000):
        cache = Cache(file, "f", limit=3000)
        cache.keep([])
        put(cache, range(begin, begin + 1000))
        cache.close()
    cache = Cache(file, "f", limit=3000)
    cache.keep([])
    assert all(cache.by_path(f"Images/{number:06}.jpg", STAT) is not None for number in range(100))
    put(cache, range(5000, 6500))
    cache.close()
    cache = Cache(file, "f", limit=3000)
    assert all(cache.by_hash(sha(number)) is not None for number in range(100)), "asked for a moment ago"
    assert sum(cache.by_hash(sha(number)) is not None for number in range(100, 1000)) == 0


def test_nothing_is_dropped_before_the_references_are_named_and_never_they(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.db", "f", limit=0)
    put(cache, range(1500))
    assert cache.by_hash(sha(0)) is not None
    cache.keep([sha(1), sha(2)])
    cache.close()
    cache = Cache(tmp_path / "cache.db", "f", limit=0)
    assert [cache.by_hash(sha(number)) is not None for number in range(4)] == [False, True, True, False]


def test_vectors_of_an_encoder_no_longer_used_go_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.db", "old", limit=1000)
    put(cache, range(1000))
    cache.close()
    cache = Cache(tmp_path / "cache.db", "new", limit=1000)
    cache.keep([])
    put(cache, range(1000))
    put(cache, range(1000, 1010))
    cache.close()
    assert Cache(tmp_path / "cache.db", "old").by_hash(sha(3)) is None
    assert Cache(tmp_path / "cache.db", "new").by_hash(sha(1009)) is not None


def test_paths_at_which_nothing_lies_any_more_are_forgotten(tmp_path: Path) -> None:
    (tmp_path / "Images").mkdir()
    (tmp_path / "Images" / "000003.jpg").write_bytes(b"")
    (tmp_path / "Images" / "000004.jpg").symlink_to("nowhere")
    cache = Cache(tmp_path / "cache.db", "f", root=tmp_path)
    put(cache, range(10))
    cache.keep([])
    cache.close()
    assert size(tmp_path / "cache.db", "files") == 2
    assert size(tmp_path / "cache.db") == 10, "the same picture may come again"


def test_a_dataset_that_is_away_has_lost_nothing(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.db", "f", root=tmp_path / "not mounted")
    put(cache, range(10))
    cache.keep([])
    cache.close()
    assert size(tmp_path / "cache.db", "files") == 10


def test_however_many_pass_the_table_of_paths_stays_small(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache.db", "f", limit=100_000, root=tmp_path)
    cache.keep([])
    for begin in range(0, 30_000, 500):
        put(cache, range(begin, begin + 500))
    assert size(tmp_path / "cache.db", "files") <= 2 * PATHS_A_PRUNE + PRUNE_EVERY


def test_a_cache_of_the_version_before_keeps_its_vectors(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / "cache.db")
    db.executescript(
        """
        CREATE TABLE vectors (sha256 BLOB NOT NULL, fingerprint TEXT NOT NULL, vector BLOB NOT NULL,
            PRIMARY KEY (sha256, fingerprint)) WITHOUT ROWID;
        CREATE TABLE files (path BLOB PRIMARY KEY, dev INTEGER, ino INTEGER, size INTEGER, mtime_ns INTEGER,
            sha256 BLOB NOT NULL) WITHOUT ROWID;
        PRAGMA user_version=1;
        """
    )
    vector = np.arange(8, dtype=np.float32)
    with db:
        db.execute("INSERT INTO vectors VALUES (?,?,?)", (sha(1), "f", vector.astype("<f2").tobytes()))
    db.close()
    cache = Cache(tmp_path / "cache.db", "f")
    found = cache.by_hash(sha(1))
    assert found is not None
    np.testing.assert_array_equal(found, rounded(vector))
    cache.keep([])
    put(cache, [2])
    cache.close()
    assert size(tmp_path / "cache.db") == 2


def test_a_command_keeps_to_the_limit_of_the_settings(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "Data" / "Discos")
    for number in range(8):
        (dataset / "Images" / f"{number}.jpg").write_bytes(disc("rojo", number + 20))
    done = refsort("sort", *on(dataset), "--encoder", "builtin", "--cache-limit", "7")
    assert done.code == 0, done.err
    assert size(dataset / ".refsort" / "cache.db") == 7, "six references and one more"
    assert size(dataset / ".refsort" / "cache.db", "files") <= 7
