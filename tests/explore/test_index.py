"""What is gone, changed, renamed or new never shifts another's vector."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.explore.search import Search
from refsort.explore.store import place
from refsort.names import from_bytes
from tests.encoders.tiny_clip import draw_shape
from tests.explore.helpers import Listener, dated, searching, shapes


def assert_true(search: Search, root: Path) -> None:
    """Each indexed path has the vector that its file gives when it is embedded now, and no other path is indexed."""
    assert search.embedder is not None
    rows = search.store.db.execute(
        "SELECT f.path, v.row FROM files f JOIN vectors v ON v.space='pictures' AND v.content=f.content"
    ).fetchall()
    indexed = {from_bytes(path): np.asarray(search.store.view("pictures")[row]) for path, row in rows}
    files = {str(path.relative_to(root)) for path in root.rglob("*.png") if ".refsort" not in path.parts}
    assert set(indexed) == files
    encoder = search.embedder.encoder
    for path, vector in indexed.items():
        with Image.open(root / path) as image:
            rgb = np.asarray(image.convert("RGB"))
        assert float(encoder.embed_images(encoder.prepare(rgb)[None])[0] @ vector) > 0.9999, path


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_to_files_every_vector_stays_with_its_picture(tmp_path: Path, seed: int) -> None:
    root = tmp_path / "Imágenes 🐕"
    shapes(root, 2, seed=seed)
    chance, rng = random.Random(seed), np.random.default_rng(seed + 100)
    with searching(root) as search:
        assert_true(search, root)
    for _ in range(3):
        files = sorted(path for path in root.rglob("*.png") if ".refsort" not in path.parts)
        chance.shuffle(files)
        for path in files[:6]:
            path.unlink()
        for path in files[6:10]:
            draw_shape(rng, "ring", "blue").save(path)
        files[10].rename(files[11])  # over another
        files[12].rename(root / f"ñandú {chance.random()}.png")
        shutil.copy2(files[13], root / f"copy {chance.random()}.png")
        draw_shape(rng, "bar", "red").save(root / f"new {chance.random()}.png")
        with searching(root) as search:
            assert_true(search, root)


def test_only_what_is_new_is_embedded(tmp_path: Path) -> None:
    shapes(tmp_path, 2)
    first, second, third = Listener(), Listener(), Listener()
    with searching(tmp_path, first):
        pass
    with searching(tmp_path, second):
        pass
    (tmp_path / "red ring").rename(tmp_path / "anillo rojo")
    draw_shape(np.random.default_rng(1), "ring", "red").save(tmp_path / "new.png")
    with searching(tmp_path, third) as search:
        assert search.brought is not None
        assert (search.brought.new, search.brought.renamed, search.brought.gone) == (1, 2, 2)
    assert (first.embedded, second.embedded, third.embedded) == (40, 0, 1)


def test_a_file_that_is_gone_is_not_shown_even_by_an_old_index(tmp_path: Path) -> None:
    shapes(tmp_path, 1)
    with searching(tmp_path) as search:
        gone = search.find([search.phrase("a red ring")], top=1).hits[0].path
    (tmp_path / gone).unlink()
    with searching(tmp_path, update=False) as search:
        assert gone not in [hit.path for hit in search.find([search.phrase("a red ring")], top=40, near=None).hits]


def test_a_damaged_index_is_built_anew_and_says_so_once(tmp_path: Path) -> None:
    shapes(tmp_path, 1)
    with searching(tmp_path) as search:
        assert search.encoder is not None
        folder = place(tmp_path / ".refsort", search.encoder)
    rows = folder / "pictures-1.f32"
    rows.write_bytes(b"\0" * rows.stat().st_size)
    listener = Listener()
    with searching(tmp_path, listener) as search:
        assert_true(search, tmp_path)
    assert [m for m in listener.messages if "damaged" in m] == [m for m in listener.messages if "built anew" in m] != []
    again = Listener()
    with searching(tmp_path, again):
        assert again.messages == []


def test_unreadable_pictures_are_named_once_and_not_opened_again(tmp_path: Path) -> None:
    shapes(tmp_path, 1, colours=["red"])
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    with searching(tmp_path) as search:
        assert search.brought is not None
        assert [path for path, _ in search.brought.problems] == ["broken.jpg"]
    listener = Listener()
    with searching(tmp_path, listener) as search:
        assert search.brought is not None
        assert (listener.embedded, search.brought.problems, search.brought.unreadable) == (0, [], 1)


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with searching(tmp_path) as search:
        assert search.find([search.phrase("a red ring")]).hits == []


def test_the_date_is_that_of_the_photograph(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:07:14 10:00:00"
    draw_shape(np.random.default_rng(0), "ring", "red").save(tmp_path / "photo.jpg", exif=exif)
    draw_shape(np.random.default_rng(1), "ring", "red").save(tmp_path / "drawn.png")
    dated(tmp_path / "drawn.png", 5)
    with searching(tmp_path) as search:
        found = dict(search.store.db.execute("SELECT path, taken FROM files"))
    assert found == {b"photo.jpg": 1_563_098_400.0, b"drawn.png": 1_767_614_400.0}
