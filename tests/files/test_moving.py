"""Moving: nothing is replaced, groups stay together, changed files stay."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from refsort.files import claim, leaving, taking
from refsort.files.identity import FileStat
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.taken import TakenNames
from tests.files.helpers import dataset_of, move_all, requests_for
from tests.trees import contents, read


def test_a_file_moves_with_its_bytes_and_time(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"one"}})
    os.utime(data.path("Images/x.jpg"), ns=(1_000_000_000, 1_234_567_890_123_456_789))
    (outcome,) = move_all(data)
    assert outcome.targets == ["Dataset/a/x.jpg"]
    assert read(data.root) == {"Dataset": {"a": {"x.jpg": b"one"}}}
    assert data.path("Dataset/a/x.jpg").stat().st_mtime_ns == 1_234_567_890_123_456_789


@pytest.mark.parametrize("way", ["rename", "link", "placeholder"])
def test_a_taken_name_is_never_replaced(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    only(way, monkeypatch)
    data = dataset_of(
        tmp_path / "D",
        {"Images": {"x.jpg": b"new", "s": {"x.jpg": b"newer"}}, "Dataset": {"a": {"x.jpg": b"old"}}},
    )
    data.path("Dataset/a/x_3.jpg").symlink_to("nowhere")
    before = contents(data.root)
    assert {o.status for o in move_all(data)} == {"done"}
    assert contents(data.root) == before
    assert data.path("Dataset/a/x.jpg").read_bytes() == b"old"
    assert data.path("Dataset/a/x_2.jpg").read_bytes() == b"new"
    assert data.path("Dataset/a/x_3.jpg").is_symlink()
    assert data.path("Dataset/a/x_4.jpg").read_bytes() == b"newer"
    assert list(data.path("Images").rglob("*.jpg")) == []


def only(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take better ways of claiming a name out, as on file systems that have none."""
    if way in ("link", "placeholder"):
        monkeypatch.setattr(claim, "_exclusive_rename", lambda: None)
    if way == "placeholder":
        monkeypatch.setattr(claim, "link", lambda source, target: False)


@pytest.mark.parametrize(("taken", "arrival"), [("FOTO.JPG", "foto.jpg"), ("caf\u00e9.jpg", "cafe\u0301.jpg")])
def test_names_equal_on_other_systems_count_as_taken(tmp_path: Path, taken: str, arrival: str) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {arrival: b"new"}, "Dataset": {"a": {taken: b"old"}}})
    (outcome,) = move_all(data)
    assert outcome.targets[0].endswith("_2.jpg")


def test_a_name_taken_behind_our_back_is_found_by_claiming(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"new"}})
    journal = Journal(data.state / "journal.db")
    mover = Mover(data, journal)
    mover.taken.choose([data.path("Dataset/a/other.jpg")], "other")  # the folder is listed now
    data.path("Dataset/a").mkdir(parents=True)
    for name in ("x.jpg", "x_2.jpg"):
        data.path(f"Dataset/a/{name}").write_bytes(b"not ours")
    run = journal.begin_run("sort", "move", {})
    (outcome,) = mover.file(run, requests_for(data))
    assert outcome.targets == ["Dataset/a/x_3.jpg"]
    assert data.path("Dataset/a/x_3.jpg").read_bytes() == b"new"
    assert [move.target for move in journal.standing(run)] == outcome.targets


def test_a_name_that_came_up_often_is_numbered_on(tmp_path: Path) -> None:
    """By one mover: in one folder each takes the next number, in another one it begins anew."""
    folders = {f"s{n}": {"x.jpg": b"%d" % n, "X.jpg": b"%d, folded alike" % n} for n in range(3)}
    data = dataset_of(tmp_path / "D", {"Images": folders})
    assert [o.targets[0].rpartition("/")[2] for o in move_all(data)] == [
        *("X.jpg", "x_2.jpg", "X_3.jpg", "x_4.jpg", "X_5.jpg", "x_6.jpg"),
    ]
    taken = TakenNames()
    for _ in range(2):
        taken.choose([data.path("Dataset/a/x.jpg")], "x")
    assert taken.choose([data.path("Dataset/a/x.jpg")], "x") == ([data.path("Dataset/a/x_9.jpg")], 9)
    assert taken.choose([data.path("Dataset/b/x.jpg")], "x") == ([data.path("Dataset/b/x.jpg")], 1)


def test_a_group_takes_one_number_together(tmp_path: Path) -> None:
    data = dataset_of(
        tmp_path / "D",
        {"Images": {"x.jpg": b"p", "x.xmp": b"s", "x.jpg.json": b"j"}, "Dataset": {"a": {"x.xmp": b"someone's"}}},
    )
    (outcome,) = move_all(data)
    assert outcome.targets == ["Dataset/a/x_2.jpg", "Dataset/a/x_2.jpg.json", "Dataset/a/x_2.xmp"]
    assert read(data.path("Dataset/a")) == {
        "x.xmp": b"someone's",
        "x_2.jpg": b"p",
        "x_2.jpg.json": b"j",
        "x_2.xmp": b"s",
    }


@pytest.mark.parametrize("change", ["bytes", "touched", "replaced", "gone"])
def test_a_file_that_changed_after_it_was_read_stays(tmp_path: Path, change: str) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"read"}})
    path = data.path("Images/x.jpg")
    requests = requests_for(data)
    if change == "bytes":
        path.write_bytes(b"changed")
    elif change == "touched":
        os.utime(path, ns=(1, 1))
    elif change == "replaced":
        path.rename(tmp_path / "elsewhere")
        path.write_bytes(b"read")
    else:
        path.unlink()
    journal = Journal(data.state / "journal.db")
    (outcome,) = Mover(data, journal).file(journal.begin_run("sort", "move", {}), requests)
    assert outcome.status == "changed"
    assert not data.path("Dataset/a/x.jpg").exists()
    assert journal.open_groups() == []


@pytest.mark.parametrize("way", ["rename", "link"])
def test_a_file_swapped_at_the_very_last_moment_goes_back(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last lstat and the rename a writer replaces the file: the new one must not be filed as the old."""
    only(way, monkeypatch)
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"read"}})
    before_step(monkeypatch, lambda: swap(data.path("Images/x.jpg"), tmp_path))
    (outcome,) = move_all(data)
    assert outcome.status == "changed"
    assert data.path("Images/x.jpg").read_bytes() == b"newcomer"
    assert not data.path("Dataset/a/x.jpg").exists()


def test_a_newcomer_under_a_leaving_name_is_not_unlinked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only("link", monkeypatch)
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"read"}})
    real = leaving.look
    calls: list[Path] = []

    def look_then_swap(path: Path) -> FileStat | None:
        found = real(path)
        calls.append(path)
        if len(calls) == 1:
            swap(path, tmp_path)
        return found

    monkeypatch.setattr(leaving, "look", look_then_swap)
    (outcome,) = move_all(data)
    assert data.path("Images/x.jpg").read_bytes() == b"newcomer"
    assert data.path("Dataset/a/x.jpg").read_bytes() == b"read"
    assert "stays" in outcome.notes[0]


def swap(path: Path, elsewhere: Path) -> None:
    """What a program that saves through a temporary file does."""
    fresh = elsewhere / "fresh"
    fresh.write_bytes(b"newcomer")
    fresh.rename(path)


def before_step(monkeypatch: pytest.MonkeyPatch, action: Callable[[], None]) -> None:
    """Do something right before a name is claimed, once."""
    pending = [action]
    for name in ("rename", "link"):
        real = getattr(claim, name)

        def step(source: Path, target: Path, real: Callable[[Path, Path], bool] = real) -> bool:
            if pending:
                pending.pop()()
            return real(source, target)

        monkeypatch.setattr(taking.claim, name, step)


def test_files_with_several_hard_links_keep_them_all(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"one"}, "Dataset": {"a": {}}})
    os.link(data.path("Images/x.jpg"), data.path("Dataset/a/x.jpg"))
    (outcome,) = move_all(data)
    assert outcome.targets == ["Dataset/a/x_2.jpg"]
    assert read(data.root) == {"Dataset": {"a": {"x.jpg": b"one", "x_2.jpg": b"one"}}}


@pytest.mark.parametrize("action", ["copy", "hardlink", "symlink"])
def test_other_actions_leave_the_source(tmp_path: Path, action: str) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"one", "x.xmp": b"s"}})
    os.utime(data.path("Images/x.jpg"), ns=(1, 5_000_000_000))
    (outcome,) = move_all(data, action=action)
    target = data.path(outcome.targets[0])
    assert outcome.status == "done"
    assert data.path("Images/x.jpg").read_bytes() == target.read_bytes() == b"one"
    assert target.stat().st_mtime_ns == 5_000_000_000
    assert target.is_symlink() == (action == "symlink")
    assert target.samefile(data.path("Images/x.jpg")) == (action != "copy")


@pytest.mark.parametrize(
    "name", [b"caf\xe9.jpg", b"line\nbreak.jpg", b"-rf.jpg", b"x" * 251 + b".jpg", b"\xf0\x9f\x90\x88.jpg"]
)
def test_odd_names_work(tmp_path: Path, name: bytes) -> None:
    data = dataset_of(
        tmp_path / "D", {"Images": {os.fsdecode(name): b"new"}, "Dataset": {"a": {os.fsdecode(name): b"old"}}}
    )
    (outcome,) = move_all(data)
    assert outcome.status == "done"
    assert sorted(p.read_bytes() for p in data.path("Dataset/a").iterdir()) == [b"new", b"old"]


def test_a_target_folder_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"one"}, "Dataset": {}})
    (tmp_path / "outside").mkdir()
    data.path("Dataset/a").symlink_to(tmp_path / "outside")
    (outcome,) = move_all(data)
    assert outcome.status == "failed"
    assert "link out of the dataset" in outcome.reason
    assert data.path("Images/x.jpg").exists()
