"""Published recall of true CLIP vectors, reproduced through the index; skipped where they are not at hand."""

from pathlib import Path

import numpy as np
import pytest

from refsort.explore.caption_index import caption_content
from refsort.explore.projection import principal_axes, project
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


@pytest.fixture(scope="module")
def products() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit vectors of a thousand products and of their names, and each one's kind."""
    if not (SHARED / "features" / "fashion_clip.npz").is_file():
        pytest.skip("the CLIP vectors are not here")
    data = np.load(SHARED / "features" / "fashion_clip.npz")
    images, texts = (data[side].astype(np.float32) for side in ("image", "text"))
    images, texts = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (images, texts))
    return images, texts, data["label"]


def nearest_other(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """float[n]: how far each point's nearest of the others is, itself not counted."""
    apart = np.linalg.norm(points[:, None] - others, axis=2)
    if points is others:
        np.fill_diagonal(apart, np.inf)
    return np.asarray(apart.min(axis=1))


def test_phrases_are_no_heap_of_their_own_on_the_map(products: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Laid out together, the first axis would part every caption from every picture (the modality gap)."""
    images, texts, _ = products
    both = np.concatenate([images, texts])
    first = (both - both.mean(axis=0)) @ principal_axes(both - both.mean(axis=0), 1)[0][0]
    lower, upper = sorted((first[: len(images)], first[len(images) :]), key=np.mean)
    assert lower.max() < upper.min(), "these vectors do have the gap"
    made = project(images, texts, "pca")
    assert np.abs(made.points.mean(axis=0) - made.texts.mean(axis=0)).max() < 0.1
    assert made.texts.std(axis=0) == pytest.approx(made.points.std(axis=0), rel=0.2)
    assert np.median(nearest_other(made.texts, made.points)) < 2 * np.median(nearest_other(made.points, made.points))


def test_phrases_of_one_kind_lie_where_that_kind_lies(products: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    """Each frequent kind's captions are put on the map alone; so they may share nearly all of what they mean."""
    images, texts, kinds = products
    threads = pytest.importorskip("threadpoolctl")
    frequent = [kind for kind, number in zip(*np.unique(kinds, return_counts=True), strict=True) if number >= 20]
    right = []
    for kind in frequent:
        with threads.threadpool_limits(1):  # beside other tests, more are slower by far
            made = project(images, texts[kinds == kind][:5], "pca")
        centres = np.array([np.median(made.points[kinds == other], axis=0) for other in frequent])
        away = np.linalg.norm(centres - np.median(made.texts, axis=0), axis=1)
        right.append(frequent[int(away.argmin())] == kind)
    assert len(frequent) >= 10 and np.mean(right) >= 0.8
