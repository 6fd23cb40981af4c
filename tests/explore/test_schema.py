"""An index that version 1 made becomes one of now, with everything that was in it."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refsort.encoders import unit
from refsort.explore.graph import open_graph
from refsort.explore.graph_making import make_graph
from refsort.explore.nearest import exact
from refsort.explore.store import Store
from refsort.files.identity import FileStat
from tests.explore.test_store import DIM, vectors

COUNT = 1200


def version_1(folder: Path, *, graph: bool, told: int = COUNT) -> None:
    """What version 1 left: no table of shards, and one graph over all rows, of which it says to hold so many."""
    store = Store(folder, "one", DIM)
    with store.transaction():
        store.add("pictures", [b"%d" % i for i in range(COUNT)], vectors(COUNT))
        store.put_file(b"a.jpg", FileStat(1, 2, 3, 4, 1), b"7", 5.0)
    store.db.execute("DROP TABLE shards")
    store.db.execute("PRAGMA user_version=1")
    if graph:
        from usearch.index import Index

        rows = store.view("pictures")
        mean = rows.mean(axis=0)
        index = Index(ndim=DIM, metric="cos", dtype="i8", connectivity=32, expansion_add=128)
        index.add(np.arange(COUNT), unit(rows - mean), threads=1)
        index.save(str(folder / "pictures-1.ann"))
        info = {"rows": told, "expansion": 9999, "recall": 0.99, "words_expansion": 64, "words_recall": None}
        text = json.dumps(info | {"queries": 200, "seconds": 2.5})
        store.set_about(pictures_graph=text, pictures_mean=mean.astype("<f4").tobytes())
    store.close()


@pytest.mark.parametrize("when", ["whole", "killed between the file and the database"])
def test_its_graph_is_the_first_shard(tmp_path: Path, when: str) -> None:
    pytest.importorskip("usearch")
    version_1(tmp_path, graph=True)
    if when != "whole":
        os.replace(tmp_path / "pictures-1.ann", tmp_path / "pictures-1.0.ann")  # noqa: PTH105
    store = Store(tmp_path, "one", DIM)
    store.verify()
    assert store.db.execute("SELECT path, taken FROM files").fetchall() == [(b"a.jpg", 5.0)]
    graph, rows = open_graph(store, "pictures"), store.view("pictures")
    assert graph is not None and graph.loose(COUNT) == []
    for query in vectors(10, seed=3):
        assert graph.nearest(rows, query, 10)[0].tolist() == exact(rows, query, 10)[0].tolist()
    with store.transaction():
        store.add("pictures", [b"new %d" % i for i in range(500)], vectors(500, seed=8))
    told: list[int] = []
    info = make_graph(store, "pictures", told.append, least=1000)
    assert info is not None
    assert (info.rows, info.shards, sum(told)) == (COUNT + 500, 1, 500)
    store.close()
    again = Store(tmp_path, "one", DIM)
    assert again.db.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_graph_larger_than_a_shard_stays(tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    version_1(tmp_path, graph=True)
    store = Store(tmp_path, "one", DIM)
    with store.transaction():
        store.add("pictures", [b"new %d" % i for i in range(300)], vectors(300, seed=8))
    info = make_graph(store, "pictures", lambda count: None, least=1000, shard_rows=200)
    assert info is not None and info.shards == 3
    graph, rows = open_graph(store, "pictures"), store.view("pictures")
    assert graph is not None and graph.loose(len(rows)) == []
    graph.info = replace(graph.info, expansion=9999)
    for query in vectors(10, seed=3):
        assert graph.nearest(rows, query, 10)[0].tolist() == exact(rows, query, 10)[0].tolist()


def test_a_graph_that_holds_more_than_it_says_finds_nothing_twice(tmp_path: Path) -> None:
    """Version 1, killed between the file and what it said of it."""
    pytest.importorskip("usearch")
    version_1(tmp_path, graph=True, told=COUNT - 100)
    store = Store(tmp_path, "one", DIM)
    graph, rows = open_graph(store, "pictures"), store.view("pictures")
    assert graph is not None and graph.loose(COUNT) == [(COUNT - 100, COUNT)]
    for query in rows[-50:]:
        assert graph.nearest(rows, query, 10)[0].tolist() == exact(rows, query, 10)[0].tolist()


@pytest.mark.parametrize("graph", ["none", "damaged"])
def test_without_a_graph_nothing_else_is_lost(tmp_path: Path, graph: str) -> None:
    version_1(tmp_path, graph=False)
    if graph == "damaged":
        (tmp_path / "pictures-1.ann").write_bytes(b"nothing of the kind")
    store = Store(tmp_path, "one", DIM)
    store.verify()
    assert store.count("pictures") == COUNT and open_graph(store, "pictures") is None
    with store.transaction():
        store.db.executemany(
            "INSERT INTO files VALUES (?,1,1,1,1,?,0,'')", [(b"%d.jpg" % i, b"%d" % i) for i in range(COUNT)]
        )
    store.tidy()
    assert [path.name for path in tmp_path.glob("pictures*")] == ["pictures-1.f32"]
