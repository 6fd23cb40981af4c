"""Captions are gathered path by path, and only what has changed is written."""

from collections.abc import Iterator
from pathlib import Path

from refsort.explore.caption_index import gather_captions
from tests.explore.helpers import Listener, searching, shapes


def test_which_captions_belong_to_which_picture(tmp_path: Path) -> None:
    paths = ["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/3.jpg", "4.jpg"]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "captions.txt").write_text(
        "a/1.jpg,by its path\n1.jpg,of two: nobody's\n3.jpg,by its name\nb\\3.jpg,by its path\nnone.jpg,of nobody\n"
        "./4.jpg,the same\n"
    )
    (tmp_path / "a/1.txt").write_text("beside\nbeside\nby its path\n")
    (tmp_path / "b/1.jpg.txt").write_text("by its whole name\n")
    (tmp_path / "b/2.txt").write_text("of no picture\n")
    (tmp_path / "4.txt").write_text("the same\n")

    def walked() -> Iterator[str]:
        return iter(paths)

    assert list(gather_captions(tmp_path, walked, None)) == [
        ("a/1.jpg", 0, "by its path"),
        ("a/1.jpg", 1, "beside"),
        ("b/1.jpg", 0, "by its whole name"),
        ("b/3.jpg", 0, "by its name"),
        ("b/3.jpg", 1, "by its path"),
        ("4.jpg", 0, "the same"),
    ]
    (tmp_path / "captions.txt").unlink()
    assert [path for path, _, _ in gather_captions(tmp_path, walked, None)] == [
        "a/1.jpg",
        "a/1.jpg",
        "b/1.jpg",
        "4.jpg",
    ]


def test_changed_captions_replace_the_old_ones(tmp_path: Path) -> None:
    shapes(tmp_path, 1, colours=["red"])
    beside = tmp_path / "red ring" / "0.txt"
    known = 0
    for texts, new in ((["one", "two"], 2), (["two"], 0), (["two", "three"], 1), ([], 0)):
        beside.write_text("\n".join(texts))
        listener, known = Listener(), known + new
        with searching(tmp_path, listener) as search:
            rows = search.store.db.execute("SELECT path, number, text FROM captions ORDER BY number").fetchall()
            assert rows == [(b"red ring/0.png", i, text) for i, text in enumerate(texts)]
            assert search.store.count("captions") == known
        assert ("captions" in listener.stages) == bool(new)
