"""What the system says of a folder. Hints only: events get lost, threads die, network drives say nothing."""

import contextlib
import logging
import os
import queue
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from refsort.names import is_litter, is_litter_folder

LONGEST_QUEUE = 50_000
"""Hints that may wait; more are dropped, and the folder is looked at as a whole instead."""
LISTENED_TO: list[type[FileSystemEvent]] = [
    *(FileCreatedEvent, FileMovedEvent, FileClosedEvent, FileDeletedEvent, DirCreatedEvent, DirMovedEvent)
]
"""Not the writing itself: a file is looked at again before it is called whole."""
STOPPING_S = 5.0

Kind = Literal["seen", "closed", "gone", "folder", "lost", "stop", "reload"]


@dataclass(frozen=True, slots=True)
class Hint:
    """Something happened. closed: by a writer, or renamed into place; lost: events were; the last two: signals."""

    kind: Kind
    path: str = ""
    """Relative to the dataset."""


class Hints(FileSystemEventHandler):
    """Collects hints about one folder, from the system's events and from signal handlers."""

    def __init__(self) -> None:
        # Of all queues only this one may be put to by a signal handler while the same thread waits for it.
        self._queue: queue.SimpleQueue[Hint] = queue.SimpleQueue()
        self._lost = False
        self._observer: BaseObserver | None = None
        self._threads: list[threading.Thread] = []
        self._top = ""
        self._relative = ""
        self._identity: tuple[int, int] | None = None

    # -- events

    def start(self, top: Path, relative: str) -> None:
        """Listen to a folder, known as `relative` in the dataset. Raises OSError if the system won't tell."""
        self.stop()
        self._top, self._relative = str(top), relative
        before = set(threading.enumerate())
        self._identity = _identity(top)
        observer = _native_observer()
        try:
            observer.schedule(self, self._top, recursive=True, event_filter=LISTENED_TO)
            observer.start()
        except BaseException:
            observer.stop()
            raise
        self._observer = observer
        self._threads = [thread for thread in threading.enumerate() if thread not in before]
        _Overflow.listen(self)

    def stop(self) -> None:
        """Listen no more."""
        observer, self._observer, self._threads = self._observer, None, []
        if observer is not None:
            observer.stop()
            if observer.is_alive():
                observer.join(STOPPING_S)

    @property
    def started(self) -> bool:
        return self._observer is not None

    def alive(self) -> bool:
        """Whether every thread of the observer runs, on the folder that lies there now."""
        return (
            self._observer is not None
            and all(thread.is_alive() for thread in self._threads)
            and self._identity == _identity(Path(self._top))
        )

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called in a thread of watchdog's."""
        source, target = os.fsdecode(event.src_path), os.fsdecode(event.dest_path)
        if event.is_directory:
            self._tell("folder", target or source)
        elif isinstance(event, FileMovedEvent):
            if source:
                self._tell("gone", source)
            if target:
                self._tell("closed", target)
        elif isinstance(event, FileClosedEvent):
            self._tell("closed", source)
        else:
            self._tell("gone" if isinstance(event, FileDeletedEvent) else "seen", source)

    def _tell(self, kind: Kind, path: str) -> None:
        parts = Path(os.path.relpath(path, self._top)).parts
        if any(is_litter_folder(part) for part in parts[:-1]) or (kind != "folder" and is_litter(parts[-1])):
            return
        if self._queue.qsize() >= LONGEST_QUEUE:
            self._lost = True
        else:
            self._queue.put(Hint(kind, "/".join([self._relative, *parts])))

    # -- the reader's side

    def put(self, hint: Hint) -> None:
        """From a signal handler, or from any thread."""
        self._queue.put(hint)

    def lose(self) -> None:
        """Note that events were lost."""
        self._lost = True
        self._queue.put(Hint("lost"))

    def wait(self, timeout: float) -> list[Hint]:
        """What came, after waiting for the first of it at most so many seconds."""
        found: list[Hint] = []
        with contextlib.suppress(queue.Empty):
            found.append(self._queue.get(timeout=max(timeout, 0.0)))
            while len(found) < LONGEST_QUEUE:
                found.append(self._queue.get_nowait())
        if self._lost:
            self._lost = False
            found = [hint for hint in found if hint.kind != "lost"] + [Hint("lost")]
        return found


class _Overflow(logging.Handler):
    """watchdog says in its log, and only there, that the system's queue was too short."""

    def __init__(self, hints: Hints) -> None:
        super().__init__(logging.WARNING)
        self.hints = hints

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.getMessage().lower():
            self.hints.lose()

    @staticmethod
    def listen(hints: Hints) -> None:
        logger = logging.getLogger("watchdog")
        logger.handlers = [_Overflow(hints)]
        logger.propagate = False


def _native_observer() -> BaseObserver:
    if Observer is PollingObserver:
        raise OSError("this system tells no events")
    _do_not_pair_moves()
    options: Any = {"generate_full_events": True}
    try:
        # Only so does inotify tell a file that was moved in from one that was merely begun.
        return Observer(**options)
    except TypeError:
        return Observer()


def _do_not_pair_moves() -> None:
    """watchdog holds back every event behind a file that leaves, 0.5 s, to see whether it arrives elsewhere.

    Each picture that we sort is such a file, and both halves of a move tell us as much as the pair.
    """
    with contextlib.suppress(ImportError):
        from watchdog.observers.inotify_move_event_grouper import InotifyMoveEventGrouper

        InotifyMoveEventGrouper.delay = 0.0


def _identity(folder: Path) -> tuple[int, int] | None:
    try:
        result = folder.stat()
    except OSError:
        return None
    return result.st_dev, result.st_ino
