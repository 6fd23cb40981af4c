"""kill -9 before every step of writing sidecars and of taking them back: no version is lost, the restart settles it."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from refsort.files import claim
from refsort.files import exchange as exchanging
from refsort.files.dataset import Dataset
from refsort.files.groups import gather
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal
from refsort.files.recovery import recover
from refsort.files.requests import Request
from refsort.files.sidecars import tag_request
from refsort.files.tagging import Tagger
from refsort.files.undo import choose, undo
from refsort.files.xmp import merge, new, subjects
from tests.faults.stepping import chosen, some_or_every
from tests.faults.worker import Killer, counted, take_all_back
from tests.files.helpers import dataset_of
from tests.trees import Tree, read

OLD = new(["mía", "perro"])
ARRIVED: Tree = {"a.jpg": b"a", "b.jpg": b"b", "b.xmp": OLD, "c.jpg": b"c", "c.jpg.xmp": new(["gato"])}
"""A picture without a sidecar, one with Adobe's kind, one that has its keyword already."""
TAGGED: Tree = {**ARRIVED, "a.jpg.xmp": new(["gato"]), "b.xmp": merge(OLD, ["gato"])}


def requests_for(dataset: Dataset) -> list[Request]:
    found = []
    for group in gather("Images", sorted(p.name for p in dataset.path("Images").iterdir() if p.name[0] != ".")):
        stat = look(dataset.path(group.path))
        assert stat is not None
        found.append(tag_request(group, stat, hash_file(dataset.path(group.path)), ["gato"], {"class": "gato"}))
    return found


def work(root: Path, k: int, way: str, what: str) -> int:
    """Settle, then tag (or take the last run back); dies before step k; 0: never. Returns the number of steps."""
    killer = Killer(k, root)
    exclusive = claim._exclusive_rename()
    real_exchange = exchanging.swap
    assert exclusive is not None

    def rename(source: bytes, target: bytes) -> int:
        killer.step("ctypes.call")
        result = exclusive(source, target)
        killer.step("ctypes.call")
        return result

    def exchange(one: Path, other: Path) -> bool:
        killer.step("ctypes.call")
        done = way == "exchange" and real_exchange(one, other)
        killer.step("ctypes.call")
        return done

    claim._exclusive_rename = lambda: rename if way != "placeholder" else None  # type: ignore[assignment]
    exchanging.swap = exchange
    if way == "placeholder":
        claim.link = lambda source, target: False
    sys.addaudithook(killer.hook)
    dataset = Dataset(root)
    journal = Journal(dataset.state / "journal.db")
    journal._db.set_trace_callback(lambda text: killer.step("sqlite3.commit") if text == "COMMIT" else None)
    killer.armed = True
    recover(dataset, journal)
    if what == "tag":
        run = journal.begin_run("tag", "tag", {})
        Tagger(dataset, journal).file(run, requests_for(dataset))
        journal.end_run(run, {"sorted": 0})
    elif what == "undo":
        undo(dataset, journal, choose(journal, dataset, None, None, None), "all")
    killer.armed = False
    journal.close()
    return killer.count


def in_a_process(root: Path, k: int, way: str, what: str) -> tuple[int, int]:
    """(how the process ended: 0 or minus the signal, number of steps)."""
    return counted(root, lambda: work(root, k, way, what))


def start(root: Path, template: Path) -> Dataset:
    """A copy with all times: the journal knows its files by them, but not by their inodes."""
    shutil.copytree(template, root)
    return Dataset(root)


def hidden(data: Dataset) -> list[str]:
    return [p.name for p in data.path("Images").iterdir() if p.name.startswith(".")]


@some_or_every
@pytest.mark.parametrize("way", ["exchange", "rename", "placeholder"])
def test_killed_before_every_step_of_tagging(tmp_path: Path, way: str, every: bool) -> None:
    data = dataset_of(tmp_path / "count", {"Images": dict(ARRIVED)})
    code, steps = in_a_process(data.root, 0, way, "tag")
    assert code == 0
    assert steps > 10
    assert read(data.path("Images")) == TAGGED
    for k in chosen(steps, way, every=every):
        where = f"{way}, step {k} of {steps}"
        data = dataset_of(tmp_path / f"k{k}", {"Images": dict(ARRIVED)})
        code, _ = in_a_process(data.root, k, way, "tag")
        assert code == -signal.SIGKILL, where
        code, _ = in_a_process(data.root, 0, way, "recover")
        assert code == 0, where
        assert hidden(data) == [], where
        now = read(data.path("Images"))
        for name in ("a.jpg.xmp", "b.xmp"):
            assert now.get(name) in (ARRIVED.get(name), TAGGED[name]), f"{where}: {name}"
        code, _ = in_a_process(data.root, 0, way, "tag")
        assert code == 0, where
        assert read(data.path("Images")) == TAGGED, where
        take_all_back(data, where)
        assert read(data.path("Images")) == ARRIVED, where
        shutil.rmtree(data.root)


@some_or_every
@pytest.mark.parametrize("way", ["exchange", "rename"])
def test_killed_before_every_step_of_taking_tags_back(tmp_path: Path, way: str, every: bool) -> None:
    template = dataset_of(tmp_path / "template", {"Images": dict(ARRIVED)})
    assert in_a_process(template.root, 0, way, "tag")[0] == 0
    data = start(tmp_path / "count", template.root)
    code, steps = in_a_process(data.root, 0, way, "undo")
    assert code == 0
    assert read(data.path("Images")) == ARRIVED
    for k in chosen(steps, way, every=every):
        where = f"{way}, step {k} of {steps}"
        data = start(tmp_path / f"k{k}", template.root)
        assert in_a_process(data.root, k, way, "undo")[0] == -signal.SIGKILL, where
        assert in_a_process(data.root, 0, way, "recover")[0] == 0, where
        assert hidden(data) == [], where
        now = read(data.path("Images"))
        for name in ("a.jpg.xmp", "b.xmp"):
            assert now.get(name) in (ARRIVED.get(name), TAGGED[name]), f"{where}: {name}"
        journal = Journal(data.state / "journal.db")
        try:
            if journal.last_standing_run() is not None:
                assert undo(data, journal, choose(journal, data, None, None, None), "rest").left == [], where
        finally:
            journal.close()
        assert read(data.path("Images")) == ARRIVED, where
        shutil.rmtree(data.root)


def test_a_version_written_at_the_last_moment_stays(tmp_path: Path) -> None:
    """Another program saves the sidecar between our reading and the exchange, or even just before the crash."""
    data = dataset_of(tmp_path / "D", {"Images": {"b.jpg": b"b", "b.xmp": OLD}})
    theirs = new(["theirs"])
    real = exchanging.swap
    journal = Journal(data.state / "journal.db")
    try:

        def late(one: Path, other: Path) -> bool:
            data.path("Images/b.xmp").write_bytes(theirs)
            exchanging.swap = real
            return real(one, other)

        exchanging.swap = late
        run = journal.begin_run("tag", "tag", {})
        (outcome,) = Tagger(data, journal).file(run, requests_for(data))
        assert outcome.status == "changed"
        assert read(data.path("Images")) == {"b.jpg": b"b", "b.xmp": theirs}
        assert hidden(data) == []
        (outcome,) = Tagger(data, journal).file(run, requests_for(data))
        assert subjects(data.path("Images/b.xmp").read_bytes()) == ["theirs", "gato"]
    finally:
        exchanging.swap = real
        journal.close()


def test_killed_right_after_exchanging_away_a_version_of_others(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"b.jpg": b"b", "b.xmp": OLD}})
    theirs = new(["theirs"])
    pid = os.fork()
    if pid == 0:
        real = exchanging.swap

        def late(one: Path, other: Path) -> bool:
            data.path("Images/b.xmp").write_bytes(theirs)
            real(one, other)
            os.kill(os.getpid(), signal.SIGKILL)
            return True

        exchanging.swap = late
        journal = Journal(data.state / "journal.db")
        Tagger(data, journal).file(journal.begin_run("tag", "tag", {}), requests_for(data))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    journal = Journal(data.state / "journal.db")
    try:
        assert recover(data, journal).rolled_back == 1
    finally:
        journal.close()
    assert read(data.path("Images")) == {"b.jpg": b"b", "b.xmp": theirs}
    assert hidden(data) == []
