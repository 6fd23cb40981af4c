"""A graph in shards: full ones are never touched again, damage costs time and never an answer."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refsort.explore import shards
from refsort.explore.graph import Graph, graph_info, new_index, open_graph
from refsort.explore.graph_making import make_graph, reconnect, tasks
from refsort.explore.nearest import exact
from refsort.explore.ranking import Opened
from refsort.explore.shards import PROBED_BLOCKS, remember, shards_of, sound
from refsort.explore.store import Store
from refsort.files.identity import FileStat
from tests.explore.helpers import Listener, searching, shapes
from tests.explore.test_store import DIM, die, vectors

pytest.importorskip("usearch")
ROWS = 1000
"""Of a shard."""


def add(store: Store, count: int) -> None:
    first = store.count("pictures")
    with store.transaction():
        store.add("pictures", [b"%d" % (first + i) for i in range(count)], vectors(count, seed=first))
        for i in range(first, first + count):
            store.put_file(b"%d.jpg" % i, FileStat(1, i, 1, 1, 1), b"%d" % i, 0.0)


def make(store: Store) -> list[int]:
    """The shards that are due; how many rows were added."""
    told: list[int] = []
    assert make_graph(store, "pictures", told.append, vectors(20, seed=5), least=100, shard_rows=ROWS) is not None
    return told


def opened(store: Store) -> Graph:
    graph = open_graph(store, "pictures")
    assert graph is not None
    return graph


def assert_exact(store: Store) -> None:
    """The graph, or what is left of it, answers as comparing all rows does, if it is searched as widely as can be."""
    graph, rows = opened(store), store.view("pictures")
    graph.info = replace(graph.info, expansion=4 * ROWS)
    for query in vectors(20, seed=99):
        found, scores = graph.nearest(rows, query, 10)
        assert found.tolist() == exact(rows, query, 10)[0].tolist()
        assert np.allclose(scores, rows[found] @ query)


def stamps(store: Store) -> list[tuple[int, int, bytes]]:
    """Inode, time and bytes of each shard's file."""
    paths = [store.graph("pictures", shard.number) for shard in shards_of(store.db, "pictures")]
    return [(path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in paths]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two and a half shards."""
    store = Store(tmp_path, "one", DIM)
    add(store, 2500)
    assert sum(make(store)) == 2500
    return store


def test_all_shards_together_find_what_is_nearest(store: Store) -> None:
    assert [(shard.first, shard.rows) for shard in shards_of(store.db, "pictures")] == [
        (0, ROWS),
        (ROWS, ROWS),
        (2 * ROWS, 500),
    ]
    info = graph_info(store, "pictures")
    assert info is not None
    assert (info.shards, info.rows, info.queries) == (3, 2500, 200)
    assert info.recall >= 0.99 and info.words_recall is not None
    assert opened(store).loose(2500) == []
    assert_exact(store)


def test_new_rows_touch_the_last_shard_only(store: Store) -> None:
    before = stamps(store)
    add(store, 700)
    assert_exact(store)
    assert sum(make(store)) == 700
    after = stamps(store)
    assert after[:2] == before[:2]
    assert after[2] != before[2] and len(after) == 4
    assert opened(store).loose(3200) == []
    assert_exact(store)


def test_a_few_new_rows_are_worth_no_graph(store: Store) -> None:
    before = stamps(store)
    add(store, 20)
    assert make(store) == [] and stamps(store) == before
    assert opened(store).loose(2520) == [(2500, 2520)]
    assert_exact(store)
    add(store, 20)
    assert sum(make(store)) == 40


def flipped(path: Path) -> None:
    """One byte, and a time that doesn't tell."""
    stat, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: path.write_bytes(b""),
    "flipped": flipped,
    "another's": lambda path: path.write_bytes(path.with_name("pictures-1.0.ann").read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_shard_costs_time_only_and_is_made_again(store: Store, damage: str) -> None:
    before = stamps(store)
    DAMAGE[damage](store.graph("pictures", 1))
    assert opened(store).loose(2500) == [(ROWS, 2 * ROWS)]
    assert_exact(store)
    assert Opened(store).lost("pictures") == ROWS
    assert [task.number for task in tasks(store, "pictures", least=100, shard_rows=ROWS)] == [1]
    assert sum(make(store)) == ROWS
    after = stamps(store)
    assert (after[0], after[2]) == (before[0], before[2])
    assert opened(store).loose(2500) == [] and Opened(store).lost("pictures") == 0
    assert_exact(store)


def test_even_a_small_shard_is_made_again(tmp_path: Path) -> None:
    store = Store(tmp_path, "one", DIM)
    add(store, 2 * ROWS + 20)
    make(store)
    store.graph("pictures", 2).unlink()
    assert Opened(store).lost("pictures") == 20
    assert sum(make(store)) == 20


def test_rows_that_no_search_reaches_are_added_again() -> None:
    """As those are that usearch strands when several threads add at the same time; here they are taken out."""
    rows, mean, every = vectors(2000), np.zeros(DIM, np.float32), np.arange(2000)
    index = new_index(DIM, growing=True)
    index.add(every, rows, threads=1)
    index.remove(every[500:1500:100])
    reconnect(index, rows, mean, 500, 2000)
    assert len(index) == 2000
    index.expansion_search = 4 * ROWS
    assert (np.asarray(index.search(rows, 1).keys, np.int64).ravel() == every).all()


@pytest.mark.parametrize("time", range(3))
def test_every_row_finds_itself(tmp_path: Path, time: int) -> None:
    store = Store(tmp_path, "one", DIM)
    add(store, 2000)
    make(store)
    graph, rows = opened(store), store.view("pictures")
    graph.info = replace(graph.info, expansion=4 * ROWS)
    assert [int(graph.nearest(rows, row, 1)[0][0]) for row in rows] == list(range(2000))


def test_with_every_shard_lost_all_rows_are_compared(store: Store) -> None:
    for shard in range(3):
        store.graph("pictures", shard).unlink()
    assert open_graph(store, "pictures") is None and Opened(store).lost("pictures") == 2500
    assert sum(make(store)) == 2500
    assert_exact(store)


def test_verify_drops_a_damaged_shard_and_keeps_the_rows(store: Store) -> None:
    flipped(store.graph("pictures", 2))
    store.verify()
    assert [store.graph("pictures", shard).exists() for shard in range(3)] == [True, True, False]


KILLS = {
    "while rows are added": "step = lambda count: next(steps)()",
    "before the file is in place": "make.os.replace = lambda old, new: kill()",
    "before it is remembered": "make.remember = kill",
    "while it is measured": "make.exact_many = kill",
}


@pytest.mark.parametrize("when", KILLS)
def test_a_kill_leaves_an_index_that_is_right(tmp_path: Path, when: str) -> None:
    """The first time one shard is extended and the next one begun, the second time the last one is extended."""
    store = Store(tmp_path, "one", DIM)
    add(store, 1500)
    make(store)
    for count, steps in ((700, "iter([int, kill])"), (700, "iter([kill])")):
        add(store, count)
        store.close()
        die(
            tmp_path,
            f"import refsort.explore.graph_making as make\nsteps = {steps}\nstep = lambda count: None\n{KILLS[when]}\n"
            f"make.make_graph(store, 'pictures', step, least=100, shard_rows={ROWS})",
        )
        store = Store(tmp_path, "one", DIM)
        assert_exact(store)
        make(store)
        store.tidy()
        assert opened(store).loose(store.count("pictures")) == []
        assert_exact(store)
    assert sorted(path.name for path in tmp_path.glob("*ann*")) == [f"pictures-1.{n}.ann" for n in range(3)]


def test_copying_rows_to_a_new_generation_begins_the_graph_anew(store: Store) -> None:
    with store.transaction():
        store.db.execute("DELETE FROM files WHERE ino % 2")
    store.tidy()
    assert store.count("pictures") == 1250 and open_graph(store, "pictures") is None
    assert shards_of(store.db, "pictures") == [] and list(store.folder.glob("*.ann")) == []
    assert sum(make(store)) == 1250
    assert_exact(store)


def test_a_time_that_is_another_is_reason_to_look_at_all_blocks(tmp_path: Path) -> None:
    store = Store(tmp_path / "index", "one", DIM)
    path = tmp_path / "file"
    path.write_bytes(os.urandom(8 * PROBED_BLOCKS * shards.BLOCK_BYTES))
    remember(store.db, "pictures", 0, 0, 10, 0.0, path)
    (shard,) = shards_of(store.db, "pictures")
    assert sound(store.db, "pictures", shard, path, whole=True)
    os.utime(path, ns=(1, 1))
    assert sound(store.db, "pictures", shard, path), "a copy"
    (shard,) = shards_of(store.db, "pictures")
    assert shard.mtime_ns == 1
    data = bytearray(path.read_bytes())
    data[shards.BLOCK_BYTES + 5] ^= 1  # in none of the blocks that are probed
    path.write_bytes(data)
    assert not sound(store.db, "pictures", shard, path)
    os.utime(path, ns=(1, 1))
    assert sound(store.db, "pictures", shard, path), "what --check is for"
    assert not sound(store.db, "pictures", shard, path, whole=True)


def test_rows_that_are_renumbered_while_a_shard_is_made_get_none(store: Store) -> None:
    add(store, 1000)

    def other_process(count: int) -> None:
        other = Store(store.folder, "one", DIM)
        with other.transaction():
            other.db.execute("DELETE FROM files WHERE ino % 2")
        other.tidy()
        other.close()

    assert make_graph(store, "pictures", other_process, least=100, shard_rows=ROWS) is None
    assert shards_of(store.db, "pictures") == [] and open_graph(store, "pictures") is None
    assert sum(make(store)) == 1750
    assert_exact(store)


def test_a_search_says_what_a_lost_shard_costs(tmp_path: Path) -> None:
    shapes(tmp_path, 2)
    with searching(tmp_path) as search:
        make_graph(search.store, "pictures", lambda count: None, least=20, shard_rows=15)
        expected = [hit.path for hit in search.find([search.phrase("a red ring")], top=5, exactly=True).hits]
        search.store.graph("pictures", 1).unlink()
    listener = Listener()
    with searching(tmp_path, listener) as search:
        hits = search.find([search.phrase("a red ring")], top=5).hits
    assert [hit.path for hit in hits] == expected
    assert [message.split(" pictures")[0] for message in listener.messages] == ["15 of 40"]
