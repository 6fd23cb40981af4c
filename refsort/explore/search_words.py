"""Indexes and what was found in them, in words."""

from refsort.explore.graph import GRAPH_FROM, installed
from refsort.explore.hits import Found, Hit
from refsort.explore.index import Brought
from refsort.names import cut, show

SHOWN = 8
"""Unreadable pictures that are named."""
CAPTION = 70
"""Bytes of a caption in the table."""


def index_text(result: Brought) -> str:
    """What bringing an index up to date came to."""
    lines = [f"{result.files} pictures ({result.pictures} different ones) by encoder {show(result.encoder)}"]
    if result.rebuilt:
        lines.append(f"  {result.rebuilt}")
    changes = [
        f"{number} {word}"
        for number, word in ((result.new, "new"), (result.renamed, "renamed"), (result.gone, "gone"))
        if number
    ]
    lines.append(f"  {', '.join(changes) or 'nothing new'}, in {result.seconds:.1f} s")
    if result.captions:
        lines.append(f"  {result.captions} captions of {result.captioned} pictures")
    if result.unreadable:
        lines.append(f"  {result.unreadable} files are no readable pictures")
    lines += [f"    {show(path)}: {reason}" for path, reason in result.problems[:SHOWN]]
    if len(result.problems) > SHOWN:
        lines.append(f"    and {len(result.problems) - SHOWN} more")
    lines.append(f"  search: {_how(result)}")
    lines.append(f"  index:  {show(result.folder)} ({result.disk_bytes / 1e6:.1f} MB)")
    if not result.files:
        lines.append("  there is no picture here yet: name another folder, or put some into it")
    return "\n".join(lines)


def _how(result: Brought) -> str:
    graph = result.graph
    if graph is None:
        if result.pictures >= GRAPH_FROM and not installed():
            return "exact; 'python3 run.py install search' adds what is faster with so many"
        return "exact"
    recall = f"recall@10 {100 * graph.recall:.1f} % on {graph.queries} of these pictures"
    if graph.words_recall is not None:
        recall += f", {100 * graph.words_recall:.1f} % on phrases"
    pictures, words = graph.good(words=False), graph.good(words=True)
    if not pictures and not words:
        return f"exact, because the graph of neighbours is not true enough ({recall})"
    if not pictures or not words:
        of = "pictures" if pictures else "phrases"
        return f"by a graph of neighbours for {of} only, exact otherwise ({recall}); built in {graph.seconds:.0f} s"
    parts = f" in {graph.shards} parts" if graph.shards > 1 else ""
    return f"by a graph of neighbours{parts}, {recall}; ranked exactly; built in {graph.seconds:.0f} s"


def found_text(found: Found, *, measure: str) -> str:
    """The hits as a table, best first; `measure` says what the numbers are."""
    if not found.hits:
        return "nothing was found" if found.pictures else "nothing was found: there are no pictures here"
    lines = [f"  {measure}"]
    for number, hit in enumerate(found.hits, start=1):
        lines.append(f"{number:>4}  {hit.similarity:6.3f}  {show(hit.path)}{_also(hit)}")
        if hit.caption:
            lines.append(f"{'':14}{show(cut(hit.caption, CAPTION))}")
    lines.append(f"  {told(found)}")
    return "\n".join(lines)


def told(found: Found) -> str:
    """How was searched, in a line."""
    how = "exact" if found.recall is None else f"graph of neighbours, measured recall {100 * found.recall:.1f} %"
    return f"of {found.pictures} pictures in {1000 * found.seconds:.0f} ms, {how}"


def _also(hit: Hit) -> str:
    kinds = ((hit.copies, "identical"), (hit.near, "nearly the same"))
    found = [f"{len(paths)} {word}" for paths, word in kinds if paths]
    return f"  (+ {', '.join(found)})" if found else ""
