"""Parts are made once; what is new, changed or gone is told from what is not."""

import os
import random
from pathlib import Path

import pytest

from refsort.errors import DatasetError
from refsort.names import from_bytes, to_bytes
from refsort.scale import listing
from refsort.scale.listing import GONE, NONE, Listed, Part, bring_up_to_date, parts_to_do, replaced_rows
from refsort.scale.places import LocalPlace, is_shard, open_place, shards_of
from tests.scale.helpers import write


def taken(source: Path, target: Path, files_a_part: int = 3, again: dict[bytes, int] | None = None) -> list[Part]:
    """The parts after a look at the source."""
    bring_up_to_date(LocalPlace(source), LocalPlace(target), again or {}, files_a_part)
    return list(parts_to_do(LocalPlace(target), set()))


def names(parts: list[Part]) -> list[list[bytes]]:
    return [[row.path for row in part.files] for part in parts]


def test_parts_are_files_in_the_order_of_their_bytes_and_tar_files_one_by_one(tmp_path: Path) -> None:
    source = tmp_path / "source"
    for name in ("b.png", "a/2.png", "a/1.png", "a.png", "a-b/x.png", "m.tar", "z.TGZ", "y", "x.tar/in.png", ".h.png"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(b"x")
    (source / "link.png").symlink_to(source / "b.png")
    assert names(taken(source, source / "vectors")) == [
        [b"a-b/x.png", b"a.png", b"a/1.png"],
        [b"a/2.png", b"b.png"],
        [b"m.tar"],
        [b"x.tar/in.png", b"y"],
        [b"z.TGZ"],
    ]


def test_the_vectors_are_no_pictures_of_the_source_that_they_lie_in(tmp_path: Path) -> None:
    write(tmp_path, 2)
    first = taken(tmp_path, tmp_path / "deep/vectors")
    assert taken(tmp_path, tmp_path / "deep/vectors") == first
    assert len(first) == 1 and len(first[0].files) == 2


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    raw = b"caf\xe9 \xff\n.png"
    Path(os.fsdecode(os.fsencode(source) + b"/" + raw)).write_bytes(b"x")
    assert names(taken(source, tmp_path / "v")) == [[raw]]
    assert to_bytes(from_bytes(raw)) == raw


def test_only_what_is_new_changed_or_gone_makes_a_further_listing(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 7)
    first = taken(source, target)
    assert taken(source, target) == first and not (target / "listing-2.parquet").exists()
    (source / "a/0002.png").unlink()
    (source / "a/0004.png").write_bytes(b"other")
    write(source, 1, start=99)
    later = taken(source, target)
    assert [part.number for part in later] == [0, 1, 2, 3]
    assert names(later)[3] == [b"a/0004.png", b"b/0099.png"]
    assert later[3].files[0].replaces == 0 and later[3].files[1].replaces == NONE
    gone = {b"a/0002.png", b"a/0004.png"}
    assert not gone & {path for part in names(later)[:3] for path in part}, "what later parts have is not done twice"
    place = LocalPlace(target)
    # 0004 lies in part 0, and part 3 has it anew: that counts only once part 3 is done.
    assert replaced_rows(place, place.names(), {0, 1, 2}) == {0: {b"a/0002.png"}}
    assert replaced_rows(place, place.names(), {0, 1, 2, 3}) == {0: gone}


def test_what_could_not_be_had_is_listed_again_once(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 4)
    taken(source, target)
    again = {b"a/0002.png": 0}
    assert names(taken(source, target, again=again))[-1] == [b"a/0002.png"]
    assert len(taken(source, target, again=again)) == 3, "its newest part is no longer the one it was missing from"


@pytest.mark.parametrize("seed", range(12))
def test_after_any_changes_each_file_counts_once(tmp_path: Path, seed: int) -> None:
    """Files come, change, go and come back; parts are done or not, in any order."""
    rng = random.Random(seed)
    source, target = tmp_path / "source", tmp_path / "v"
    source.mkdir()
    place, done = LocalPlace(target), set[int]()
    shown: dict[bytes, tuple[int, int]] = {}
    for _ in range(6):
        for _ in range(rng.randrange(8)):
            path = source / f"{rng.randrange(6)}{rng.choice(['', '.tar'])}"
            if rng.random() < 0.3:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(bytes(rng.randrange(1000)))
        parts = taken(source, target, rng.randrange(1, 4))
        done |= {part.number for part in parts if rng.random() < 0.6}
        rows = _rows_of(target, done)
        assert len({row.path for row in rows}) == len(rows), "a file twice"
        shown = {row.path: (row.size, row.mtime_ns) for row in rows}
    done |= {part.number for part in taken(source, target)}
    shown = {row.path: (row.size, row.mtime_ns) for row in _rows_of(target, done)}
    assert shown == {to_bytes(f.path): (f.size, f.mtime_ns) for f in LocalPlace(source).files()}
    assert place.is_there()


def _rows_of(target: Path, done: set[int]) -> list[Listed]:
    place = LocalPlace(target)
    hidden = replaced_rows(place, place.names(), done)
    listed = [row for n in listing.listing_numbers(place.names()) for row in listing._rows(place, n)]
    return [r for r in listed if r.part != GONE and r.part in done and r.path not in hidden.get(r.part, ())]


def test_tar_files_by_their_names() -> None:
    assert [is_shard(path) for path in (b"a.tar", b"d/A.TAR.GZ", b"a.tgz", b"a.tar/b", b"tar", b"a.tar.bz2")] == [
        *(True, True, True, False, False, False)
    ]
    assert shards_of(b"x.tar/y.tgz/z.png") == [b"x.tar/y.tgz/z.png", b"x.tar", b"x.tar/y.tgz"]


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="nowhere is no folder"):
        open_place(str(tmp_path / "nowhere")).files()


def test_files_of_a_uri_are_local(tmp_path: Path) -> None:
    place = open_place(f"file://{tmp_path}/with%20space")
    assert isinstance(place, LocalPlace) and place.root == tmp_path / "with space"
