"""The captions of an index: gathered path by path, so that memory does not grow with the number of pictures."""

import contextlib
import functools
import hashlib
import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from refsort.explore import captions as caption_files
from refsort.explore.source import Source
from refsort.explore.store import Store
from refsort.names import fold, from_bytes, show, to_bytes
from refsort.sorting.events import Reporter

PHRASES_AT_ONCE = 64
FOLDERS = 16
"""Folders whose text files are known at a time."""
UNKNOWN = "NOT EXISTS (SELECT 1 FROM vectors v WHERE v.space='captions' AND v.content=w.content)"
SAME = "c.path=w.path AND c.number=w.number AND c.text=w.text AND c.content=w.content"
STALE = f"NOT EXISTS (SELECT 1 FROM temp.wanted w WHERE {SAME})"
MISSING = f"NOT EXISTS (SELECT 1 FROM captions c WHERE {SAME})"


def caption_content(text: str) -> bytes:
    """What a caption is known by: the same words in another spelling of their accents are the same caption."""
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode("utf-8", "surrogatepass")).digest()


def index_captions(source: Source, store: Store, reporter: Reporter, named: Path | None) -> None:
    """Index the captions as text, where the encoder reads text; those already known cost nothing.

    Raises DatasetError if a captions file is named that isn't there.
    """
    db = store.db
    found = gather_captions(source.dataset.root, lambda: _indexed(store), named)
    db.execute("DROP TABLE IF EXISTS temp.wanted")
    db.execute(
        "CREATE TEMP TABLE wanted (path BLOB, number INTEGER, text TEXT, content BLOB, PRIMARY KEY (path, number))"
        " WITHOUT ROWID"
    )
    try:
        db.execute("BEGIN")  # of a temporary table alone
        db.executemany(
            "INSERT INTO temp.wanted VALUES (?,?,?,?)",
            ((to_bytes(path), number, text, caption_content(text)) for path, number, text in found),
        )
        db.execute("COMMIT")
        any_wanted = db.execute("SELECT 1 FROM temp.wanted LIMIT 1").fetchone() is not None
        if any_wanted and source.encoder.embed_texts(["a"]) is None:
            reporter.message(f"captions are left out: encoder {show(source.encoder.name)} knows no words")
            db.execute("DELETE FROM temp.wanted")
        elif any_wanted:
            _embed(source, store, reporter)
        _replace(store)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")
        db.execute("DROP TABLE IF EXISTS temp.wanted")


def _indexed(store: Store) -> Iterator[str]:
    for (path,) in store.db.execute("SELECT path FROM files ORDER BY path"):
        yield from_bytes(path)


def _embed(source: Source, store: Store, reporter: Reporter) -> None:
    """Rows for captions that have none yet."""
    store.db.execute("CREATE INDEX temp.wanted_by_content ON wanted (content, text)")
    query = f"SELECT count(*) FROM (SELECT DISTINCT content FROM temp.wanted w WHERE {UNKNOWN})"
    if new := int(store.db.execute(query).fetchone()[0]):
        reporter.stage("captions", new)
    query = f"SELECT content, min(text) FROM temp.wanted w WHERE content > ? AND {UNKNOWN} GROUP BY content LIMIT ?"
    last = b""
    while part := dict(store.db.execute(query, (last, PHRASES_AT_ONCE))):
        contents = list(part)
        last = contents[-1]
        vectors = source.encoder.embed_texts(list(part.values()))
        assert vectors is not None
        with store.transaction():
            late = store.known("captions", contents)
            kept = [i for i, content in enumerate(contents) if content not in late]
            if kept:
                store.add("captions", [contents[i] for i in kept], np.asarray(vectors[kept]))
        for _ in part:
            reporter.step()


def _replace(store: Store) -> None:
    """Make the captions of the index those that are wanted; nothing is written if they are."""
    db = store.db
    sides = (f"FROM captions c WHERE {STALE}", f"FROM temp.wanted w WHERE {MISSING}")
    if any(db.execute(f"SELECT 1 {side} LIMIT 1").fetchone() for side in sides):
        with store.transaction():
            db.execute(f"DELETE FROM captions AS c WHERE {STALE}")
            db.execute(f"INSERT INTO captions SELECT * FROM temp.wanted w WHERE {MISSING}")


def gather_captions(
    root: Path, paths: Callable[[], Iterator[str]], named: Path | None
) -> Iterator[tuple[str, int, str]]:
    """(path, number, caption) of every caption of these pictures: of the captions file, then of text files beside."""
    by_path: dict[str, list[str]] = {}
    if file := caption_files.captions_file(root, named):
        entries = caption_files.parse(caption_files.read(file))
        names = {PurePosixPath(name.replace("\\", "/")).name for name, _ in entries}
        present = [path for path in paths() if path.rpartition("/")[2] in names]  # no other can be meant
        for path, caption in caption_files.match(entries, present):
            by_path.setdefault(path, []).append(caption)
    return _numbered(root, paths, by_path)


def _numbered(
    root: Path, paths: Callable[[], Iterator[str]], by_path: dict[str, list[str]]
) -> Iterator[tuple[str, int, str]]:
    texts = functools.lru_cache(FOLDERS)(functools.partial(_texts, root))
    for path in paths():
        folder, _, name = path.rpartition("/")
        found = by_path.get(path, [])
        beside = texts(folder)
        if beside and not beside.isdisjoint((fold(f"{PurePosixPath(name).stem}.txt"), fold(f"{name}.txt"))):
            found = found + _sidecar(root, path)
        yield from ((path, i, text) for i, text in enumerate(dict.fromkeys(found)))


def _texts(root: Path, folder: str) -> frozenset[str]:
    """Folded names of a folder's text files: one look at the folder, in place of two at each picture."""
    try:
        return frozenset(fold(name) for name in os.listdir(root / folder) if name[-4:].lower() == ".txt")  # noqa: PTH208
    except OSError:
        return frozenset()


def _sidecar(root: Path, path: str) -> list[str]:
    beside = caption_files.sidecar(root, path)
    if beside is not None:
        with contextlib.suppress(OSError):
            return caption_files.sidecar_captions(caption_files.read(beside[0]))
    return []
