"""Recovery in states that a crash leaves only together with somebody else's doing."""

import os
from pathlib import Path

import pytest

from refsort.files.dataset import Dataset
from refsort.files.journal import Journal, Move
from refsort.files.leaving import leaving_path
from refsort.files.recovery import Recovered, recover
from tests.files.helpers import dataset_of, requests_for
from tests.trees import read


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"one"}, "Dataset": {"a": {}}})


def intent(data: Dataset) -> Move:
    """An intent to move Images/x.jpg to Dataset/a/x.jpg; the process died right after."""
    journal = Journal(data.state / "journal.db")
    (request,) = requests_for(data)
    part = request.members[0]
    run = journal.begin_run("sort", "move", {})
    ((move,),) = journal.intend(run, [[Move(part.source, part.target, "move", part.sha256, part.stat)]])
    journal.close()
    return move


def restart(data: Dataset) -> Recovered:
    journal = Journal(data.state / "journal.db")
    try:
        return recover(data, journal)
    finally:
        journal.close()


def test_a_hard_link_that_was_there_before_is_not_taken_for_ours(data: Dataset) -> None:
    os.link(data.path("Images/x.jpg"), data.path("Dataset/a/x.jpg"))
    intent(data)
    assert restart(data).rolled_back == 1
    assert read(data.root) == {"Images": {"x.jpg": b"one"}, "Dataset": {"a": {"x.jpg": b"one"}}}


def test_a_source_caught_on_its_way_out_comes_back_if_its_copy_was_deleted(data: Dataset) -> None:
    move = intent(data)
    source = data.path("Images/x.jpg")
    source.rename(leaving_path(source, move.id))
    assert restart(data).rolled_back == 1
    assert read(data.root) == {"Images": {"x.jpg": b"one"}}


def test_a_twin_of_somebody_else_under_the_target_name_is_not_taken_for_ours(data: Dataset) -> None:
    intent(data)
    data.path("Dataset/a/x.jpg").write_bytes(b"one")
    assert restart(data).rolled_back == 1
    assert read(data.root) == {"Images": {"x.jpg": b"one"}, "Dataset": {"a": {"x.jpg": b"one"}}}


def test_a_picture_that_somebody_took_away_meanwhile_is_named(data: Dataset) -> None:
    intent(data)
    data.path("Images/x.jpg").unlink()
    assert restart(data).lost == ["Images/x.jpg"]


def test_a_picture_that_arrived_is_done_even_if_its_inode_changed(data: Dataset) -> None:
    """As on overlay file systems, and after a restore from a backup: then the hash decides."""
    intent(data)
    data.path("Images/x.jpg").unlink()
    data.path("Dataset/a/x.jpg").write_bytes(b"one")
    assert restart(data).finished == 1


def test_a_newer_file_under_the_old_name_is_left_alone(data: Dataset) -> None:
    intent(data)
    data.path("Images/x.jpg").rename(data.path("Dataset/a/x.jpg"))
    data.path("Images/x.jpg").write_bytes(b"newer")
    assert restart(data).finished == 1
    assert read(data.root) == {"Images": {"x.jpg": b"newer"}, "Dataset": {"a": {"x.jpg": b"one"}}}
