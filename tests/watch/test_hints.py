"""Hints from the real observer, and what happens when it dies, goes deaf or drops events."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from refsort.config import Config
from refsort.watch.daemon import Watcher
from refsort.watch.hints import LONGEST_QUEUE, Hint, Hints
from refsort.watch.log import Log
from tests.e2e.watching import disc, lies, make_dataset, until


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[tuple[Path, Hints]]:
    """A folder that is listened to."""
    (tmp_path / "Images").mkdir()
    hints = Hints()
    hints.start(tmp_path / "Images", "Images")
    yield tmp_path / "Images", hints
    hints.stop()


def comes(hints: Hints, wanted: Hint) -> list[Hint]:
    """Everything that comes until the wanted hint does."""
    found: list[Hint] = []

    def more() -> bool:
        found.extend(hints.wait(0.05))
        return wanted in found

    until(more, str(wanted))
    return found


def kill_dispatcher(hints: Hints) -> None:
    """What it can't unpack ends watchdog's thread as any error in it would."""
    observer: Any = hints._observer
    observer.event_queue.put(object())
    observer.join(10)
    assert not observer.is_alive()


def test_what_happens_to_files_is_told(heard: tuple[Path, Hints]) -> None:
    folder, hints = heard
    (folder / "a.jpg").write_bytes(b"x")
    comes(hints, Hint("closed", "Images/a.jpg"))
    (folder / "a.jpg").rename(folder / "b.jpg")
    comes(hints, Hint("closed", "Images/b.jpg"))
    (folder.parent / "c.jpg").write_bytes(b"x")
    (folder.parent / "c.jpg").rename(folder / "c.jpg")
    comes(hints, Hint("closed", "Images/c.jpg"))
    (folder / "sub").mkdir()
    comes(hints, Hint("folder", "Images/sub"))
    (folder / "b.jpg").unlink()
    comes(hints, Hint("gone", "Images/b.jpg"))
    (folder / "c.jpg").rename(folder.parent / "d.jpg")
    comes(hints, Hint("gone", "Images/c.jpg"))


def test_reading_a_file_and_litter_are_not_told(heard: tuple[Path, Hints]) -> None:
    folder, hints = heard
    (folder / "a.part").write_bytes(b"x")
    (folder / ".hidden.jpg").write_bytes(b"x")
    (folder / "@eaDir").mkdir()
    (folder / "@eaDir" / "thumb.jpg").write_bytes(b"x")
    (folder / "a.jpg").write_bytes(b"x")
    (folder / "a.jpg").read_bytes()
    (folder / "last.jpg").write_bytes(b"x")
    found = comes(hints, Hint("closed", "Images/last.jpg"))
    assert {hint.path for hint in found if hint.kind != "folder"} == {"Images/a.jpg", "Images/last.jpg"}
    assert len([hint for hint in found if hint.path == "Images/a.jpg"]) == 2, "begun and closed"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_thread_is_noticed_and_a_new_start_listens_again(heard: tuple[Path, Hints]) -> None:
    folder, hints = heard
    assert hints.alive()
    kill_dispatcher(hints)
    assert not hints.alive()
    hints.start(folder, "Images")
    assert hints.alive()
    (folder / "a.jpg").write_bytes(b"x")
    comes(hints, Hint("closed", "Images/a.jpg"))


def test_another_folder_in_its_place_is_noticed(heard: tuple[Path, Hints]) -> None:
    folder, hints = heard
    folder.rename(folder.with_name("old"))
    assert not hints.alive()
    folder.mkdir()
    assert not hints.alive()


def test_starting_and_stopping_leaves_no_threads_and_no_descriptors(tmp_path: Path) -> None:
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("descriptors can't be counted here")

    def use() -> tuple[int, int]:
        return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    hints = Hints()
    hints.start(tmp_path, "Images")
    hints.stop()
    before = use()
    for _ in range(5):
        hints.start(tmp_path, "Images")
        hints.stop()
        with pytest.raises(OSError):
            hints.start(tmp_path / "none", "Images")
    assert use() == before


def test_the_systems_own_overflow_is_noticed(tmp_path: Path) -> None:
    """A real overflow of inotify's queue: the reader is held up while more happens than the queue holds."""
    limit = Path("/proc/sys/fs/inotify/max_queued_events")
    if not limit.exists() or int(limit.read_text()) > 100_000:
        pytest.skip("no queue that can be filled here")
    hints = Hints()
    hints.start(tmp_path, "Images")
    reader = next(t for t in hints._threads if type(t).__name__ == "InotifyFD")
    held: Any = reader
    with held._lock:
        for number in range(int(limit.read_text()) + 2000):
            (tmp_path / f"{number % 50}.jpg").write_bytes(b"")
    comes(hints, Hint("lost"))
    hints.stop()


def test_more_hints_than_memory_is_meant_for_become_one(heard: tuple[Path, Hints]) -> None:
    _, hints = heard
    for number in range(LONGEST_QUEUE + 10):
        hints._tell("seen", f"{hints._top}/{number}.jpg")
    found = hints.wait(0.0)
    assert len(found) == LONGEST_QUEUE + 1
    assert found[-1] == Hint("lost")
    assert hints.wait(0.0) == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_daemon_whose_observer_died_says_so_and_goes_on(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "Data" / "Discos")
    log = StringIO()
    config = Config(
        data_dir=dataset.parent, dataset="Discos", encoder="builtin", settle=0.2, settle_closed=0.1, rescan=1
    )  # type: ignore[call-arg]
    watcher = Watcher(config, Log(log))
    with running(watcher):
        until(watcher.hints.alive)
        kill_dispatcher(watcher.hints)
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
        until(lies(dataset, "Dataset/rojo/a.jpg"))
        until(watcher.hints.alive)
    assert "the system's events had stopped coming; listening again" in log.getvalue()


class running:  # noqa: N801  (reads as a word)
    """A watcher in a thread."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher
        self.thread = threading.Thread(target=watcher.run)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *error: object) -> None:
        self.watcher.stop()
        self.thread.join(60)
        assert not self.thread.is_alive()


def test_a_signal_handler_may_put_while_the_same_thread_waits() -> None:
    import signal

    if not hasattr(signal, "setitimer"):
        pytest.skip("no timers here")
    hints = Hints()
    old: Callable[[int, Any], Any] | int | None
    old = signal.signal(signal.SIGALRM, lambda number, frame: hints.put(Hint("stop")))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.001)
    try:
        begun, came = time.monotonic(), 0
        while came < 200:
            came += len(hints.wait(5.0))
        assert time.monotonic() - begun < 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
