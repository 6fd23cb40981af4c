"""Exact search is exact, and the graph's recall is measured rather than hoped for."""

from pathlib import Path

import numpy as np
import pytest

from refsort.explore.graph import graph_info, open_graph
from refsort.explore.graph_making import make_graph
from refsort.explore.nearest import best, exact, exact_many
from refsort.explore.store import Store
from tests.explore.test_store import DIM, vectors


def test_best_is_ordered_and_ties_keep_their_order() -> None:
    places, values = best(np.array([1, 3, 2, 3, 0], np.float32), 3)
    assert places.tolist() == [1, 3, 2]
    assert values.tolist() == [3, 3, 2]
    assert best(np.zeros(0, np.float32), 5)[0].tolist() == []


def test_many_queries_give_what_one_at_a_time_gives() -> None:
    rows, queries = vectors(20_000), vectors(5, seed=1)
    together = exact_many(rows, queries, 10)
    assert together.shape == (5, 10)
    for query, found in zip(queries, together, strict=True):
        assert set(found.tolist()) == set(exact(rows, query, 10)[0].tolist())
        assert found[0] == int(np.argmax(rows @ query))


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 1.0])
def test_rows_that_are_not_allowed_are_not_found(share: float) -> None:
    rows = vectors(100)
    allowed = np.arange(100) < 100 * share
    found, scores = exact(rows, rows[7], 10, allowed)
    assert found.tolist() == [row for row in exact(rows, rows[7], 100)[0].tolist() if allowed[row]][:10]
    assert np.allclose(scores, rows[found] @ rows[7])


def fill(folder: Path, count: int, first: int = 0) -> Store:
    store = Store(folder, "one", DIM)
    with store.transaction():
        store.add("pictures", [b"%d" % (first + i) for i in range(count)], vectors(count, seed=first))
    return store


def test_a_graph_is_measured_extended_and_ranks_exactly(tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    store = fill(tmp_path, 3000)
    assert make_graph(store, "pictures", lambda count: None) is None, "so few need none"
    told: list[int] = []
    info = make_graph(store, "pictures", told.append, vectors(20, seed=5), least=1000)
    assert info is not None
    assert info.recall >= 0.99
    assert info.words_recall is not None
    assert sum(told) == 3000
    graph, rows, query = open_graph(store, "pictures"), store.view("pictures"), vectors(1, seed=77)[0]
    assert graph is not None
    for number in (1, 10):
        found, scores = graph.nearest(rows, query, number)
        assert np.array_equal(found, exact(rows, query, number)[0])
        assert np.allclose(scores, rows[found] @ query)
    # Rows that came later are found at once, and belong to the graph after the next index.
    store.close()
    store = fill(tmp_path, 50, first=5000)
    rows = store.view("pictures")
    assert graph.nearest(rows, rows[3020], 1)[0].tolist() == [3020]
    again = make_graph(store, "pictures", told.append, least=1000)
    assert again is not None
    assert (again.rows, sum(told)) == (3050, 3050)


def test_a_damaged_graph_is_not_used(tmp_path: Path) -> None:
    pytest.importorskip("usearch")
    store = fill(tmp_path, 1500)
    make_graph(store, "pictures", lambda count: None, least=1000)
    store.graph("pictures").write_bytes(b"nothing of the kind")
    assert open_graph(store, "pictures") is None
    make_graph(store, "pictures", lambda count: None, least=1000)
    store.set_about(pictures_graph="{")
    assert graph_info(store, "pictures") is None
