"""Published recall of true CLIP vectors, reproduced through the index; skipped where they are not at hand."""

from pathlib import Path

import numpy as np
import pytest

from refsort.explore.index import caption_content
from refsort.explore.query import Part
from refsort.explore.retrieval import retrieval
from refsort.explore.search import Search
from refsort.explore.store import Store
from refsort.files.dataset import Dataset
from refsort.files.identity import look
from tests.conftest import SHARED


def indexed(tmp_path: Path, name: str, each: int) -> tuple[Store, np.ndarray, list[str], int]:
    """An index of these vectors, with `each` captions a picture; a file stands for each picture."""
    if not (SHARED / "features" / name).is_file():
        pytest.skip("the CLIP vectors are not here")
    data = np.load(SHARED / "features" / name)
    images, texts = data["image"][::each].astype(np.float32), data["text"].astype(np.float32)
    images, texts = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (images, texts))
    captions = [str(caption) for caption in data["caption"]]
    store = Store(tmp_path / "index", name, images.shape[1])
    with store.transaction():
        store.add("pictures", [b"%d" % i for i in range(len(images))], images)
        first = {caption_content(caption): i for i, caption in reversed(list(enumerate(captions)))}
        store.add("captions", list(first), texts[list(first.values())])
        for i in range(len(images)):
            (tmp_path / f"{i}.jpg").write_bytes(b"%d" % i)
            stat = look(tmp_path / f"{i}.jpg")
            assert stat is not None
            store.put_file(b"%d.jpg" % i, stat, b"%d" % i, 0.0)
        rows = [(b"%d.jpg" % (i // each), i % each, text, caption_content(text)) for i, text in enumerate(captions)]
        store.db.executemany("INSERT INTO captions VALUES (?,?,?,?)", rows)
    return store, texts, captions, each


@pytest.mark.parametrize(
    ("name", "each", "expected"),
    [
        ("fashion_clip.npz", 1, {1: 0.53, 10: 0.94}),
        ("flickr8k100_clip_vitb32.npz", 5, {1: 0.83, 5: 0.99}),
    ],
)
def test_captions_find_their_pictures(tmp_path: Path, name: str, each: int, expected: dict[int, float]) -> None:
    store, *_ = indexed(tmp_path, name, each)
    found = dict(zip((1, 5, 10), retrieval(store).caption_to_picture, strict=True))
    for at, value in expected.items():
        assert found[at] == pytest.approx(value, abs=0.0051), "as it was published, to two digits"


def test_the_search_itself_finds_them(tmp_path: Path) -> None:
    store, texts, _, each = indexed(tmp_path, "flickr8k100_clip_vitb32.npz", 5)
    search = Search(store, Dataset(tmp_path))
    places = []
    for i, text in enumerate(texts):
        paths = [hit.path for hit in search.find([Part(text)], top=5, near=None).hits]
        places.append(paths.index(f"{i // each}.jpg") if f"{i // each}.jpg" in paths else 5)
    assert np.mean(np.array(places) < 1) == pytest.approx(0.83, abs=0.005)
    assert np.mean(np.array(places) < 5) == pytest.approx(0.99, abs=0.005)


def test_its_own_caption_finds_a_picture_first(tmp_path: Path) -> None:
    store, texts, captions, each = indexed(tmp_path, "flickr8k100_clip_vitb32.npz", 5)
    search = Search(store, Dataset(tmp_path))
    for i in range(0, len(texts), 7):
        for match in ("captions", "both"):
            hit = search.find([Part(texts[i])], top=1, match=match, near=None).hits[0]
            assert (hit.path, hit.caption) == (f"{i // each}.jpg", captions[i])
