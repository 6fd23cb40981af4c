"""A file that changed between being scored and being filed is not touched at all, whichever way it would be filed."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from refsort.files import claim
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from tests.files.helpers import dataset_of, requests_for


@pytest.mark.parametrize(
    ("way", "action"),
    [("rename", "move"), ("placeholder", "move"), ("rename", "copy"), ("rename", "hardlink"), ("rename", "symlink")],
)
def test_a_file_that_changed_after_scoring_is_not_even_begun(
    tmp_path: Path, way: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "placeholder":  # no name can be claimed by a rename or a link, as on FAT
        monkeypatch.setattr(claim, "_exclusive_rename", lambda: None)
        monkeypatch.setattr(claim, "link", lambda source, target: False)
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"scored"}})
    requests = requests_for(data, action=action)
    data.path("Images/x.jpg").write_bytes(b"edited")
    os.utime(data.path("Images/x.jpg"), ns=(7, 7))
    journal = Journal(data.state / "journal.db")
    run = journal.begin_run("sort", action, {})
    (outcome,) = Mover(data, journal).file(run, requests)
    assert (outcome.status, outcome.reason) == ("changed", "it changed after it was read")
    assert data.path("Images/x.jpg").read_bytes() == b"edited"
    assert not data.path("Dataset").exists(), "no folder was made for it"
    with closing(sqlite3.connect(data.state / "journal.db")) as db:
        assert db.execute("SELECT count(*) FROM moves").fetchone() == (0,), "nothing was intended"
    journal.close()
