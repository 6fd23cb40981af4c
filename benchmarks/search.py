"""How fast and how true search is: the index of refsort beside numpy, scikit-learn and faiss or hnswlib.

    python3 -m benchmarks.search                     1,000,000 vectors of 512 dimensions (about 6 GB of memory)
    python3 -m benchmarks.search --rows 100000
    python3 -m benchmarks.search --shards 250000 [--single] [--features FEATURES [--dim 64]]
                                                     the graph in shards, and with --single beside one over all rows

No such number of pictures is at hand, so the vectors are drawn. They lie as CLIP's do, by what was measured on 2,000
photographs of ten dishes with ViT-B/32: a mean that all share (cosine 0.64 between pictures of different classes),
groups (0.75 within a class), finer clusters of unequal size, and a rest whose variance falls off as 1 / (i + 8), so
that near neighbours have a cosine near 0.88. Independent noise in 512 dimensions has no neighbours worth finding.
Queries are drawn anew from the same clusters ("pictures"), and far from all rows, as phrases are: cosine
about 0.2 with everything ("phrases").

With --features, rows are true CLIP vectors of photographs, each with noise that spreads as they do; queries are more of
these ("pictures"), and true CLIP vectors of captions ("phrases"); with another --dim all are projected at random.

faiss or hnswlib are used if they can be imported; neither is needed by refsort.
"""

import argparse
import hashlib
import json
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsort.explore.graph import Graph, graph_info, open_graph
from refsort.explore.graph_making import make_graph
from refsort.explore.nearest import exact, exact_many
from refsort.explore.shards import forget, shards_of
from refsort.explore.store import Store

Floats = NDArray[np.float32]
DIM = 512
SHARED, GROUP, CLUSTER, REST = 0.635, 0.115, 0.085, 0.165
"""Shares of a vector's squared length."""
PART = 20_000
AT = 10


class World:
    """Where vectors are drawn from."""

    def __init__(self, rows: int, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.spectrum = (1 / np.sqrt(np.arange(DIM) + 8)).astype(np.float32)
        self.turn = np.linalg.qr(self.rng.standard_normal((DIM, DIM)))[0].astype(np.float32)
        self.mean = self._drawn(1)[0]
        clusters = max(50, rows // 50)
        self.groups = self._drawn(max(10, clusters // 20))
        self.group_of = self.rng.integers(0, len(self.groups), clusters)
        self.clusters = self._drawn(clusters)
        weight = 1 / (np.arange(clusters) + 20.0)
        self.often = weight / weight.sum()

    def _drawn(self, count: int) -> Floats:
        """Unit vectors whose variance falls off along turned axes."""
        found = self.rng.standard_normal((count, DIM), dtype=np.float32) * self.spectrum
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True) @ self.turn, dtype=np.float32)

    def pictures(self, count: int) -> Floats:
        own = self.rng.choice(len(self.clusters), count, p=self.often)
        found = np.sqrt(SHARED) * self.mean + np.sqrt(GROUP) * self.groups[self.group_of[own]]
        found = found + np.sqrt(CLUSTER) * self.clusters[own] + np.sqrt(REST) * self._drawn(count)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)

    def phrases(self, count: int) -> Floats:
        """Of a picture what its group and cluster share, weakly, and much that no picture has."""
        own = self.rng.choice(len(self.clusters), count, p=self.often)
        found = 0.2 * self.mean + 0.25 * self.groups[self.group_of[own]] + 0.2 * self.clusters[own]
        found = found + 0.9 * self._drawn(count)
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


class Photographs:
    """Around true vectors of CLIP; drawn again for every call."""

    NOISE = 0.3
    """Share of the squared length."""

    def __init__(self, features: Path, dim: int, seed: int = 0) -> None:
        dishes, flickr, names = (
            np.load(features / name)
            for name in (
                "food10_clip_vitb32.npz",
                "flickr8k100_clip_vitb32.npz",
                "imagenet_text_clip_vitb32.npz",
            )
        )
        self.rng = np.random.default_rng(seed)
        turn = np.linalg.qr(np.random.default_rng(9).standard_normal((DIM, DIM)))[0][:, :dim].astype(np.float32)
        self.turn = turn if dim < DIM else np.eye(DIM, dtype=np.float32)
        self.centres = np.concatenate([dishes["train"], dishes["test"], flickr["image"][::5]]).astype(np.float32)
        _, values, self.axes = np.linalg.svd(self.centres - self.centres.mean(axis=0), full_matrices=False)
        self.spread = (values / np.linalg.norm(values)).astype(np.float32)
        self.captions, self.names = (self._put(found["text"].astype(np.float32)) for found in (flickr, names))

    def _put(self, found: Floats) -> Floats:
        found = found @ self.turn
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)

    def pictures(self, count: int) -> Floats:
        noise = self.rng.standard_normal((count, DIM), dtype=np.float32) * self.spread @ self.axes
        own = self.centres[self.rng.integers(0, len(self.centres), count)]
        return self._put(np.sqrt(1 - self.NOISE) * own + np.sqrt(self.NOISE) * noise)

    def phrases(self, count: int) -> Floats:
        return self.captions[self.rng.permutation(len(self.captions))[:count]]


def timed(search: Callable[[Floats], object], queries: Floats) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds, one query at a time, after three for warmth."""
    for query in queries[:3]:
        search(query)
    found = []
    for query in queries:
        begun = time.perf_counter()
        search(query)
        found.append(1000 * (time.perf_counter() - begun))
    return {f"p{p}_ms": round(float(np.percentile(found, p)), 2) for p in (50, 95, 99)}


def recall(search: Callable[[Floats], NDArray[np.int64]], queries: Floats, truth: NDArray[np.int64]) -> float:
    """Share of the exact ten that are found."""
    return round(float(np.mean([np.isin(t, search(q)).mean() for q, t in zip(queries, truth, strict=True)])), 4)


def say(name: str, **values: object) -> None:
    print(json.dumps({"what": name, **values}), flush=True)


def fill(folder: Path, rows: int, world: World | Photographs, dim: int = DIM) -> Store:
    store = Store(folder, "benchmark", dim)
    if store.count("pictures") == rows:
        world.rng = np.random.default_rng(1)  # queries are none of the rows
        return store
    begun = time.perf_counter()
    for first in range(0, rows, PART):
        part = world.pictures(min(PART, rows - first))
        with store.transaction():
            store.add("pictures", [hashlib.sha256(b"%d" % (first + i)).digest() for i in range(len(part))], part)
    say("rows written", rows=rows, seconds=round(time.perf_counter() - begun, 1), bytes=size(folder))
    return store


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def own_mib() -> int:
    """Memory of the process that is not a mapped file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) // 1024


def in_shards(args: argparse.Namespace, folder: Path) -> None:
    """The graph in shards, and one graph over the same rows."""
    world = Photographs(args.features, args.dim) if args.features else World(args.rows)
    words = world.names[::25] if isinstance(world, Photographs) else world.phrases(40)
    store = fill(folder, args.rows, world, args.dim)
    rows = store.view("pictures")
    queries = {"pictures": world.pictures(args.queries), "phrases": world.phrases(args.queries)}
    begun = time.perf_counter()
    both = exact_many(rows, np.concatenate([*queries.values()]), AT)
    truth = {"pictures": both[: args.queries], "phrases": both[args.queries :]}
    cosine = {
        kind: round(float(np.mean([rows[t[0]] @ q for t, q in zip(truth[kind], queries[kind], strict=True)])), 3)
        for kind in queries
    }
    say("truth", seconds=round(time.perf_counter() - begun, 1), **cosine)
    say("numpy, exact", **timed(lambda q: exact(rows, q, AT), queries["pictures"][:20]))
    for shard_rows in [args.shards, args.rows] if args.single else [args.shards]:
        forget(store.db, "pictures")
        most = [own_mib()]

        def look(_: int, most: list[int] = most) -> None:
            most.append(own_mib())

        begun = time.perf_counter()
        info = make_graph(store, "pictures", look, words, least=0, shard_rows=shard_rows)
        assert info is not None, "usearch is not installed"
        facts = {"shards": info.shards, "rows_per_s": round(args.rows / info.seconds), "build_s": info.seconds}
        say("built", measuring_s=round(time.perf_counter() - begun - info.seconds, 1), memory_mib=max(most), **facts)
        shards = shards_of(store.db, "pictures")
        say("on disk", graph_bytes=sum(shard.size for shard in shards), bytes=size(folder))
        say("measured", recall_rows=info.recall, width=info.expansion, words=info.words_recall, w=info.words_expansion)
        ask(store, queries, truth, info.shards)
        for shard in shards:
            store.graph("pictures", shard.number).unlink()
    store.close()


def ask(store: Store, queries: dict[str, Floats], truth: dict[str, NDArray[np.int64]], shards: int) -> None:
    info, rows = graph_info(store, "pictures"), store.view("pictures")
    assert info is not None
    for threads in (1, 2) if shards > 1 else (1,):
        before, begun = own_mib(), time.perf_counter()
        graph = Graph(store, "pictures", info, threads=threads)
        took = round(time.perf_counter() - begun, 3)
        say("opened", shards=len(graph.parts), threads=threads, seconds=took, memory_mib=own_mib() - before)
        for kind in queries:
            for count in (AT, 100):
                find = lambda q, n=count, k=kind: graph.nearest(rows, q, n, words=k == "phrases")[0]  # noqa: B023, E731
                part = recall(lambda q, f=find: f(q)[:AT], queries[kind], truth[kind])  # type: ignore[misc]
                say(
                    f"{kind}, {count} wanted", shards=shards, threads=threads, recall=part, **timed(find, queries[kind])
                )
        graph.close()


def others(rows: Floats, queries: dict[str, Floats], truth: dict[str, NDArray[np.int64]], slow: Floats) -> None:
    """scikit-learn's brute force, and another library for approximate search if there is one."""
    from sklearn.neighbors import NearestNeighbors

    brute = NearestNeighbors(n_neighbors=AT, algorithm="brute", metric="cosine").fit(rows)
    say("scikit-learn brute force", **timed(lambda q: brute.kneighbors(q[None]), slow))
    try:
        import faiss
    except ImportError:
        say("faiss is not installed")
        return
    begun = time.perf_counter()
    cells = int(4 * np.sqrt(len(rows)) // 4)
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(DIM), DIM, cells, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.train(np.asarray(rows[:: max(1, len(rows) // (40 * cells))]))
    for first in range(0, len(rows), PART):
        index.add(np.asarray(rows[first : first + PART]))
    seconds = round(time.perf_counter() - begun, 1)
    for probes in (16, 64):
        index.nprobe = probes
        find: Callable[[Floats], NDArray[np.int64]] = lambda q: index.search(q[None], AT)[1][0]  # noqa: E731
        found = {f"recall_{kind}": recall(find, queries[kind], truth[kind]) for kind in queries}
        say(f"faiss IVF{cells},SQ8 probes {probes}", build_s=seconds, **timed(find, queries["pictures"]), **found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--to", type=Path, help="keep the index here; one of so many rows that is there is used again")
    parser.add_argument("--shards", type=int, help="rows of a shard")
    parser.add_argument("--single", action="store_true", help="one graph over the same rows as well")
    parser.add_argument("--features", type=Path, help="folder of true CLIP vectors")
    parser.add_argument("--dim", type=int, default=DIM, help="fewer than 512; needs --features")
    args = parser.parse_args()
    if args.dim != DIM and not args.features:
        parser.error("--dim needs --features")
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.to or Path(scratch, "index")
        if args.shards:
            in_shards(args, folder)
            return
        world = World(args.rows)
        store = fill(folder, args.rows, world)
        queries = {"pictures": world.pictures(args.queries), "phrases": world.phrases(args.queries)}
        rows = store.view("pictures")
        truth = {kind: exact_many(rows, found, AT) for kind, found in queries.items()}
        cosine = {
            kind: float(np.mean([rows[t[0]] @ q for t, q in zip(truth[kind], queries[kind], strict=True)]))
            for kind in queries
        }
        say("nearest row, mean cosine", **cosine)
        say("numpy, exact", **timed(lambda q: exact(rows, q, AT), queries["pictures"][:30]))
        info = make_graph(store, "pictures", lambda count: None, world.phrases(40), least=0)
        assert info is not None, "usearch is not installed"
        graph_bytes = store.graph("pictures").stat().st_size
        say("graph built", build_s=info.seconds, expansion=info.expansion, recall_rows=info.recall)
        say("width for words", expansion=info.words_expansion)
        say("graph", recall_words=info.words_recall, graph_bytes=graph_bytes, bytes=size(folder), peak_mib=peak_mib())
        store.close()
        begun = time.perf_counter()
        store = Store(folder, "benchmark", DIM)
        graph = open_graph(store, "pictures")
        say("opened", seconds=round(time.perf_counter() - begun, 4), graph=graph is not None)
        if graph is not None:
            rows = store.view("pictures")
            for kind in queries:
                words = kind == "phrases"
                find = lambda q, words=words: graph.nearest(rows, q, AT, words=words)[0]  # noqa: E731
                say(f"refsort, {kind}", **timed(find, queries[kind]), recall=recall(find, queries[kind], truth[kind]))
        others(rows, queries, truth, queries["pictures"][:5])
        store.close()


if __name__ == "__main__":
    main()
