"""Several copies to another file system at once: each file's fate is its own, and a batch leaves no thread behind."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from refsort.files import copying
from refsort.files.copying import AtOnce, Stopped, copy_to_part
from refsort.files.dataset import Dataset
from refsort.files.identity import CHUNK, hash_file, look
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.recovery import recover
from refsort.files.requests import Outcome, Request, member
from refsort.files.undo import choose, undo
from tests.faults.worker import counted
from tests.files.helpers import dataset_of
from tests.trees import Tree, contents, read

"""Another file system, where there is one."""
CLASSES = 5
THREADS = 4


def arrived(count: int, size: int = 3000) -> Tree:
    """Pictures, every third one with a sidecar."""
    tree: Tree = {f"p{n:02}.jpg": b"%d " % n + os.urandom(size) for n in range(count)}
    return tree | {f"p{n:02}.xmp": b"sidecar %d" % n for n in range(0, count, 3)}


def begin(root: Path, other: Path, tree: Tree) -> Dataset:
    """A dataset whose Dataset/ lies on another file system."""
    data = dataset_of(root, {"Images": tree})
    data.path("Dataset").symlink_to(other)
    return data


def requests_for(data: Dataset) -> list[Request]:
    """One for each group in Images/, by turns into the classes."""
    found = []
    for number, group in enumerate(data.arrivals().groups()):
        names = (group.main, *group.others)
        members = [member(data, f"Images/{name}", f"Dataset/c{number % CLASSES}/{name}") for name in names]
        found.append(Request(tuple(members), "move", {"class": f"c{number % CLASSES}"}, stem=group.stem))
    return found


def file_all(data: Dataset, requests: list[Request] | None = None, threads: int = THREADS) -> list[Outcome]:
    with closing(Journal(data.state / "journal.db")) as journal:
        run = journal.begin_run("sort", "move", {})
        outcomes = Mover(data, journal, threads).file(run, requests or requests_for(data))
        assert journal.open_groups() == []
        return outcomes


def hidden(*roots: Path) -> list[Path]:
    return [path for root in roots for path in root.rglob("*") if "refsort-" in path.name and path.is_file()]


def test_many_files_to_several_folders_and_back(tmp_path: Path, elsewhere: Path) -> None:
    tree = arrived(30)
    data = begin(tmp_path / "D", elsewhere, tree)
    before, requests = contents(data.root, elsewhere), requests_for(data)
    outcomes = file_all(data, requests)
    assert [outcome.request for outcome in outcomes] == requests, "in the order of the requests"
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert contents(data.root, elsewhere) == before
    assert read(data.path("Images")) == {}
    for outcome in outcomes:
        for part, target in zip(outcome.request.members, outcome.targets, strict=True):
            assert target == part.target
            assert data.path(target).read_bytes() == tree[Path(part.source).name]
    with closing(Journal(data.state / "journal.db")) as journal:
        assert undo(data, journal, choose(journal, data, None, None, None), "all").left == []
    assert read(data.path("Images")) == tree
    assert hidden(data.root, elsewhere) == []


def test_a_copy_that_fails_stays_alone_with_it(tmp_path: Path, elsewhere: Path) -> None:
    """A picture and a sidecar change and their times are put back: lstat can't see it, the proof can."""
    data = begin(tmp_path / "D", elsewhere, arrived(12))
    requests = requests_for(data)
    for name in ("p04.jpg", "p06.xmp", "p09.jpg", "p09.xmp"):
        path = data.path(f"Images/{name}")
        found = path.stat()
        path.write_bytes(bytes(found.st_size))
        os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    before = contents(data.root, elsewhere)
    outcomes = {Path(o.request.members[0].source).stem: o for o in file_all(data, requests)}
    failed = {name for name, outcome in outcomes.items() if outcome.status == "failed"}
    assert failed == {"p04", "p06", "p09"}
    assert "not what was read" in outcomes["p06"].reason
    assert "p09.jpg" in outcomes["p09"].reason, "after one that failed no other file of its group is copied"
    assert sorted(read(data.path("Images"))) == ["p04.jpg", "p06.jpg", "p06.xmp", "p09.jpg", "p09.xmp"]
    assert contents(data.root, elsewhere) == before
    assert hidden(data.root, elsewhere) == []


def test_as_many_tasks_go_at_once_as_there_are_threads() -> None:
    meeting, done = threading.Barrier(THREADS, timeout=30), []

    def task(number: int) -> None:
        meeting.wait()
        done.append(number)

    AtOnce(THREADS).run([partial(task, number) for number in range(2 * THREADS)])
    assert sorted(done) == list(range(2 * THREADS))


@pytest.mark.parametrize("threads", [1, THREADS])
def test_after_an_error_no_task_begins_and_those_that_run_are_told(threads: int) -> None:
    running, told, begun = threading.Barrier(threads, timeout=30), [], []
    at_once = AtOnce(threads)

    def waits() -> None:
        running.wait()
        try:
            while True:
                at_once.go_on()
                time.sleep(0.001)
        except Stopped:
            told.append(threading.current_thread())
            raise

    def fails() -> None:
        running.wait()
        raise ValueError("unexpected")

    later: list[Callable[[], None]] = [lambda: begun.append(1)] * 50
    with pytest.raises(ValueError, match="unexpected"):
        at_once.run([*[waits] * (threads - 1), fails, *later])
    assert len(told) == threads - 1
    assert begun == []
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("copy-")]


def test_a_copy_that_is_given_up_half_way_leaves_nothing(tmp_path: Path) -> None:
    source, part = tmp_path / "a.jpg", tmp_path / ".a.part"
    source.write_bytes(os.urandom(3 * CHUNK))
    known, sha256 = look(source), hash_file(source)
    assert known is not None
    for last in range(1, 6):
        chunks = iter(range(1, last))

        def go_on(chunks: Iterator[int] = chunks) -> None:
            if next(chunks, None) is None:
                raise Stopped

        with pytest.raises(Stopped):
            copy_to_part(source, known, sha256, part, go_on)
        assert not part.exists()
    assert hash_file(source) == sha256


def interrupted(data: Dataset, other: Path) -> int:
    """A signal whose handler raises comes as a copy begins, the first after all threads have one to do; Mover.file must
    end its threads. In a process of its own: the hook stays."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    begun: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).endswith(".refsort-part"):
            begun.append(str(arguments[0]))
            if len(begun) == THREADS + 1:
                os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGINT, interrupt)
    journal, requests = Journal(data.state / "journal.db"), requests_for(data)
    sys.addaudithook(watch)
    try:
        Mover(data, journal, THREADS).file(journal.begin_run("sort", "move", {}), requests)
    except KeyboardInterrupt:
        alive = [thread for thread in threading.enumerate() if thread.name.startswith("copy-")]
        parts = len(list(other.rglob("*.refsort-part")))
        assert alive == []
        assert parts < len(requests), "the rest was given up"
        assert len(journal.open_groups()) == len(requests)
        return parts
    raise AssertionError("nothing was interrupted")


def test_an_interruption_leaves_no_thread_and_is_settled_by_the_next_start(tmp_path: Path, elsewhere: Path) -> None:
    tree = arrived(40, 1_000_000)
    data = begin(tmp_path / "D", elsewhere, tree)
    code, parts = counted(data.root, lambda: interrupted(data, elsewhere))
    assert code == 0
    assert len(hidden(elsewhere)) == parts
    settled_and_filed(data, elsewhere, tree)


def settled_and_filed(data: Dataset, other: Path, tree: Tree) -> None:
    """Each picture is where it was; then each is filed, once, byte for byte, and taken back."""
    with closing(Journal(data.state / "journal.db")) as journal:
        settled = recover(data, journal)
        assert (settled.finished, settled.rolled_back, settled.lost) == (0, len(tree), [])
    assert read(data.path("Images")) == tree
    assert [path for path in other.rglob("*") if path.is_file()] == []
    before = contents(data.root)
    assert {outcome.status for outcome in file_all(data)} == {"done"}
    assert contents(other) == before
    assert read(data.path("Images")) == {}
    assert hidden(data.root, other) == []


def test_killed_in_the_middle_of_several_copies(tmp_path: Path, elsewhere: Path) -> None:
    """The system kills whoever writes a file beyond a limit: one copy is half written, others are on their way."""
    resource = pytest.importorskip("resource")
    tree = arrived(8, 1_000_000) | {"p05.jpg": os.urandom(3_000_000)}
    data = begin(tmp_path / "D", elsewhere, tree)
    with closing(Journal(data.state / "journal.db")):
        pass  # its tables are there before files may not grow any more
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
        file_all(data)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGXFSZ
    (half,) = [path for path in hidden(elsewhere) if ".p05.jpg" in path.name]
    assert 0 < half.stat().st_size < 3_000_000
    assert len(hidden(elsewhere)) > 1
    assert not [path for path in elsewhere.rglob("*.jpg") if path.is_file()], "names are taken when all is copied"
    settled_and_filed(data, elsewhere, tree)


def test_without_more_threads_the_work_is_done_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system whose limit of threads is reached refuses them."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(copying.threading, "Thread", Refused)
    done: list[str] = []
    AtOnce(THREADS).run([lambda: done.append(threading.current_thread().name) for _ in range(9)])
    assert done == [threading.main_thread().name] * 9
