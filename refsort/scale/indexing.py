"""An index for searching out of vectors that were embedded elsewhere: nothing is decoded or encoded again.

Only files that lie below the folder that is indexed, with the size and time they had when they were embedded, are taken
over. Everything else is left to `bring_up_to_date`, which embeds it as always.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np

from refsort.errors import DatasetError
from refsort.explore.index import date_of
from refsort.explore.source import Source
from refsort.explore.store import Store, fingerprint_of
from refsort.files.identity import FileStat, look
from refsort.names import from_bytes, show, to_bytes
from refsort.scale.vectors import matrix, read_vectors, vectors_at
from refsort.sorting.events import Reporter


def take_vectors(source: Source, store: Store, folder: str, reporter: Reporter) -> int:
    """Put the vectors of a folder into the index; how many files were taken over.

    Raises DatasetError if there are none, they are of another encoder, or of a source outside the indexed folder.
    """
    place, about = vectors_at(folder)
    if about.fingerprint != fingerprint_of(source.encoder):
        raise DatasetError(
            f"{show(place.name)} holds vectors of {show(about.encoder)}, and the index is of "
            f"{show(source.encoder.name)}; their vectors can't be compared"
        )
    root, origin = source.dataset.root.resolve(), Path(about.source).resolve()
    if not origin.is_relative_to(root):
        raise DatasetError(f"the vectors are of {show(about.source)}, which does not lie in {show(str(root))}")
    relative = os.path.relpath(origin, root).replace(os.sep, "/")
    prefix = "" if relative == "." else f"{relative}/"
    taken = 0
    for batch in read_vectors(folder, ("path", "size", "mtime_ns", "sha256", "vector")):
        taken += _take(source, store, batch, prefix)
    reporter.message(f"{taken} pictures were taken over from {show(place.name)}")
    return taken


def _take(source: Source, store: Store, batch: Any, prefix: str) -> int:
    vectors, there = matrix(batch)
    keys = ("path", "size", "mtime_ns", "sha256")
    files: list[tuple[bytes, FileStat, bytes]] = []
    rows: dict[bytes, int] = {}
    same = 0
    for row, (path, size, mtime_ns, sha256) in enumerate(
        zip(*(batch.column(k).to_pylist() for k in keys), strict=True)
    ):
        name = prefix + from_bytes(path)
        stat = look(source.dataset.path(name)) if there[row] else None
        if stat is None or (stat.size, stat.mtime_ns) != (size, mtime_ns):
            continue
        if store.holds(to_bytes(name), stat, sha256):  # of an earlier time: its date is known as well
            same += 1
            continue
        files.append((to_bytes(name), stat, sha256))
        rows.setdefault(sha256, row)
    if not files:
        return same
    dates = [date_of(source, from_bytes(path), stat) for path, stat, _ in files]  # opens each; not while others wait
    with store.transaction():
        known = store.known("pictures", rows)
        new = [content for content in rows if content not in known]
        if new:
            found = vectors[[rows[content] for content in new]]
            store.add("pictures", new, np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32))
        for (path, stat, content), date in zip(files, dates, strict=True):
            store.put_file(path, stat, content, date)
    return same + len(files)
