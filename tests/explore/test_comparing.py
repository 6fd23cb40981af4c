"""A folder and its index are compared sub-folder by sub-folder, and nothing is missed."""

import random
from pathlib import Path

import pytest

from refsort.explore.comparing import compared, rows_in
from refsort.explore.source import Source
from refsort.explore.store import Store
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, look
from refsort.names import from_bytes, to_bytes
from tests.explore.helpers import Listener, searching, shapes
from tests.explore.test_store import DIM


def source_of(root: Path) -> Source:
    return Source(Dataset(root), None, None)  # type: ignore[arg-type]  # only where the pictures lie is asked


def index_all(root: Path, store: Store) -> None:
    """What is fresh gets a row, as if it were embedded; its content is its name."""
    with compared(source_of(root), store) as changes:
        with store.transaction():
            changes.write()
        for path in list(changes.paths()):
            stat = look(root / path)
            assert stat is not None
            store.put_file(to_bytes(path), stat, to_bytes(path), 7.0)


def indexed(store: Store) -> set[str]:
    return {from_bytes(path) for (path,) in store.db.execute("SELECT path FROM files")}


def on_disk(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*.jpg")}


@pytest.mark.parametrize("seed", range(5))
def test_the_files_of_a_folder_are_those_right_in_it(tmp_path: Path, seed: int) -> None:
    """Names that sort before and behind the slash, and bytes that are no text."""
    store, chance = Store(tmp_path, "one", DIM), random.Random(seed)
    names = [b"a", b"a0", b"a-", b"a.", b"\xff", b"0", b"\xff\xff", "ñ".encode(), b"!"]
    paths = {b"/".join(chance.choices(names, k=chance.randint(1, 4))) for _ in range(300)}
    for number, path in enumerate(paths):
        store.put_file(path, FileStat(1, number, 2, 3, 1), None, 0.0)
    for folder in {path.rpartition(b"/")[0] for path in paths} | {b"", b"none"}:
        assert set(rows_in(store.db, folder)) == {path for path in paths if path.rpartition(b"/")[0] == folder}


def test_gone_files_and_folders_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    root, store = tmp_path / "pictures", Store(tmp_path / "index", "one", DIM)
    for name in ("x.jpg", "a/1.jpg", "a/2.jpg", "a.b/1.jpg", "a/c/1.jpg", "a/c/d/1.jpg", "a0/1.jpg", "b/1.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    index_all(root, store)
    assert indexed(store) == on_disk(root)
    for gone in (["a/1.jpg"], ["a/c/1.jpg"], ["b/1.jpg", "a.b/1.jpg"], ["a/c/d/1.jpg"], ["x.jpg"], ["a/2.jpg"]):
        for name in gone:
            (root / name).unlink()
        with compared(source_of(root), store) as changes:
            assert (changes.gone, changes.renamed, changes.fresh) == (len(gone), 0, 0)
        index_all(root, store)
        assert indexed(store) == on_disk(root)
    (root / "a0/1.jpg").rename(tmp_path / "1.jpg")
    index_all(root, store)
    assert indexed(store) == set()


def test_a_file_found_elsewhere_keeps_its_content_and_date(tmp_path: Path) -> None:
    root, store = tmp_path / "pictures", Store(tmp_path / "index", "one", DIM)
    for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    index_all(root, store)
    (root / "c/d").mkdir(parents=True)
    (root / "a/1.jpg").rename(root / "c/d/9.jpg")
    (root / "b/1.jpg").rename(root / "b/2.jpg")  # over another
    with compared(source_of(root), store) as changes:
        assert (changes.gone, changes.renamed, changes.fresh) == (2, 2, 0)
    index_all(root, store)
    found = dict(store.db.execute("SELECT path, content FROM files"))
    assert found == {b"c/d/9.jpg": b"a/1.jpg", b"b/2.jpg": b"b/1.jpg"}
    assert store.db.execute("SELECT DISTINCT taken FROM files").fetchall() == [(7.0,)]
    (root / "b/2.jpg").write_bytes(b"changed")
    with compared(source_of(root), store) as changes:
        assert (changes.renamed, changes.fresh, list(changes.paths())) == (0, 1, ["b/2.jpg"])


def test_what_breaks_off_leaves_a_store_that_can_be_used(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    store = Store(tmp_path / "index", "one", DIM)
    with pytest.raises(KeyboardInterrupt), compared(source_of(tmp_path), store):
        store.db.execute("BEGIN")
        raise KeyboardInterrupt
    index_all(tmp_path, store)
    assert indexed(store) == {"a.jpg"}


def test_pictures_that_change_folders_are_not_embedded_again(tmp_path: Path) -> None:
    shapes(tmp_path, 1, colours=["red", "blue"])
    with searching(tmp_path):
        pass
    moved = sorted(tmp_path.glob("red */0.png"))
    (tmp_path / "new" / "deep").mkdir(parents=True)
    for number, path in enumerate(moved):
        path.rename(tmp_path / "new" / "deep" / f"{number}.png")
    listener = Listener()
    with searching(tmp_path, listener) as search:
        assert search.brought is not None
        found = (search.brought.new, search.brought.renamed, search.brought.gone, search.brought.files)
        assert found == (0, len(moved), len(moved), 2 * len(moved))
    assert listener.embedded == 0
