"""Work that takes longer than a click: one job at a time a dataset, in a thread, seen from every browser."""

import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from refsort.app.texts import LANGUAGES, texts
from refsort.errors import RefsortError
from refsort.names import show
from refsort.sorting.events import Item, Run

MESSAGES = 50
"""Lines that a job remembers, the newest ones."""


class Listener:
    """A reporter that keeps the last messages and nothing else."""

    def __init__(self) -> None:
        self.messages: deque[str] = deque(maxlen=MESSAGES)

    def message(self, text: str) -> None:
        self.messages.append(show(text))

    def stage(self, name: str, total: int) -> None:
        pass

    def step(self) -> None:
        pass

    def item(self, item: Item) -> None:
        pass

    def end(self, run: Run) -> None:
        pass


class Stopped(RefsortError):
    """The person who began the job has stopped it."""


@dataclass
class Job(Listener):
    """One piece of work, itself the reporter of what it calls."""

    id: int
    kind: str
    state: Literal["running", "done", "failed", "stopped"] = "running"
    name: str = ""
    """Of the stage it is in."""
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    error: str = ""
    result: Any = None
    messages: deque[str] = field(default_factory=lambda: deque(maxlen=MESSAGES))
    stopping: bool = False
    _begun: float = field(default_factory=time.monotonic)
    _stage_begun: float = field(default_factory=time.monotonic)

    def stage(self, name: str, total: int) -> None:
        """Raises Stopped."""
        self._stop()
        self.name, self.total, self.done, self._stage_begun = name, total, 0, time.monotonic()

    def step(self) -> None:
        """Raises Stopped: between two pictures, never within a move."""
        self._stop()
        self.done += 1

    def _stop(self) -> None:
        if self.stopping:
            raise Stopped("stopped")

    def left(self) -> float | None:
        """Seconds that the stage will still take, by how it went so far; None where that can't be told yet."""
        spent = time.monotonic() - self._stage_begun
        if self.state != "running" or self.done < 3 or spent < 1 or self.total <= self.done:
            return None
        return spent / self.done * (self.total - self.done)

    def as_dict(self) -> dict[str, Any]:
        """For the page; without the result, which may be large."""
        return {
            "id": self.id,
            "kind": self.kind,
            "state": self.state,
            "stage": self.name,
            "done": self.done,
            "total": self.total,
            "left": self.left(),
            "seconds": round(self.seconds or time.monotonic() - self._begun, 1),
            "error": self.error,
            "messages": list(self.messages),
        }


class Busy(RefsortError):
    """Another job of this page is still running on the dataset."""

    exit_code = 3


class Jobs:
    """The jobs of one dataset."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._threads: list[threading.Thread] = []
        self.last: Job | None = None
        self.kept: dict[str, Job] = {}
        """The last job of each kind."""

    def start(self, kind: str, work: Callable[[Job], Any]) -> Job:
        """Begin; `work` gets the job as its reporter, and what it returns becomes `result`. Raises Busy.

        `kind`: one that the texts have a name for, `job.<kind>`.
        """
        assert f"job.{kind}" in texts(LANGUAGES[0]), kind
        with self._lock:
            if self.last is not None and self.last.state == "running":
                raise Busy(f"'{self.last.kind}' is still running here; wait until it has finished or stop it")
            job = self.last = self.kept[kind] = Job(next(self._numbers), kind)
        thread = threading.Thread(target=self._run, args=(job, work), name=f"job {kind}", daemon=True)
        self._threads = [t for t in self._threads if t.is_alive()] + [thread]
        thread.start()
        return job

    def _run(self, job: Job, work: Callable[[Job], Any]) -> None:
        try:
            job.result = work(job)
            state: Literal["done", "failed", "stopped"] = "done"
        except Stopped:
            state = "stopped"
        except (RefsortError, OSError) as error:
            state, job.error = "failed", show(str(error))
        except Exception as error:  # noqa: BLE001  (the page must say so, whatever it is)
            state, job.error = "failed", f"{type(error).__name__}: {error}"
        job.seconds = time.monotonic() - job._begun
        job.state = state

    def done(self, kind: str, number: int | None = None) -> Job | None:
        """The last job of a kind if it ended well, and, where a number is named, if it is that very one."""
        job = self.kept.get(kind)
        if job is None or job.state != "done" or number not in (None, job.id):
            return None
        return job

    def stop(self) -> None:
        """Ask the running job to stop."""
        if self.last is not None:
            self.last.stopping = True

    def close(self, seconds: float = 30.0) -> None:
        """Stop what runs and wait for it: a move that was begun is finished."""
        self.stop()
        for thread in self._threads:
            thread.join(seconds)
