"""An index takes over vectors that were made elsewhere: what is as it was then, and nothing else."""

import os
from pathlib import Path

import numpy as np
import pytest

from refsort.config import Config
from refsort.errors import DatasetError
from refsort.explore.index import bring_up_to_date
from refsort.explore.search import store_of
from refsort.explore.source import open_source
from refsort.explore.store import Store
from refsort.scale.indexing import take_vectors
from refsort.sorting.events import Reporters
from tests.scale.helpers import CONFIG, local, picture, vectors, write


def taken(root: Path, folder: Path, config: Config = CONFIG) -> int:
    with open_source(config, root, Reporters(), text=False) as source, store_of(source) as store:
        return take_vectors(source, store, str(folder), Reporters())


def files(store: Store) -> dict[bytes, tuple[bytes, float]]:
    query = "SELECT path, content, taken FROM files"
    return {path: (content, date) for path, content, date in store.db.execute(query)}


def test_what_is_as_it_was_is_taken_over_once(tmp_path: Path) -> None:
    root, folder = tmp_path / "pictures", tmp_path / "vectors"
    hashes = write(root, 30)
    (root / "a" / "twin.png").write_bytes(picture(0))
    local(root, folder)
    (root / "a/0002.png").write_bytes(picture(100))  # changed since
    os.utime(root / "a/0004.png", ns=(1, 1))
    (root / "b/0001.png").unlink()
    assert taken(root, folder) == 28
    with open_source(CONFIG, root, Reporters(), text=False) as source, store_of(source) as store:
        found, expected = files(store), vectors(folder)
        left_out = {b"a/0002.png", b"a/0004.png", b"b/0001.png"}
        assert {path: content for path, (content, _) in found.items()} == {
            path: content for path, content in hashes.items() if path not in left_out
        } | {b"a/twin.png": hashes[b"a/0000.png"]}
        assert store.count("pictures") == 27
        for path, row in store.db.execute(
            "SELECT f.path, v.row FROM files f JOIN vectors v ON v.space='pictures' AND v.content=f.content"
        ):
            made = np.frombuffer(expected[path] or b"", np.float32)
            assert np.allclose(store.view("pictures")[row], made / np.linalg.norm(made), atol=1e-6)
        # A second time nothing is written or opened: a date that was put there stays.
        store.db.execute("UPDATE files SET taken=7")
    assert taken(root, folder) == 28
    with open_source(CONFIG, root, Reporters(), text=False) as source, store_of(source) as store:
        assert {date for _, date in files(store).values()} == {7.0}
        brought = bring_up_to_date(source, store, Reporters())
        assert (brought.files, brought.new, brought.gone) == (30, 2, 0)


def test_vectors_below_the_indexed_folder_and_of_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "all" / "inner", 4)
    local(tmp_path / "all" / "inner", tmp_path / "vectors")
    assert taken(tmp_path / "all", tmp_path / "vectors") == 4
    with open_source(CONFIG, tmp_path / "all", Reporters(), text=False) as source, store_of(source) as store:
        assert {path[:6] for path in files(store)} == {b"inner/"}
    write(tmp_path / "other", 1)
    with pytest.raises(DatasetError, match="does not lie in"):
        taken(tmp_path / "other", tmp_path / "vectors")
    with pytest.raises(DatasetError, match="holds no vectors"):
        taken(tmp_path / "other", tmp_path / "nothing")
