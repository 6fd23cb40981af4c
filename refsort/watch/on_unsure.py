"""The user's own command, run for each picture that is left aside: a message to a phone, a list, a lamp.

One at a time, in a thread of its own: sorting never waits for it. No shell reads the words or the path.
"""

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from refsort.names import show
from refsort.sorting import Item, Reporter, Reporters

LONGEST_S = 30.0
"""Then the command is ended, with all that it started."""
LONGEST_QUEUE = 1000
"""Pictures that wait for it; more are named in the log only."""
PLACE = "{}"


class OnUnsure(Reporters):
    """A reporter that runs the command for unsure and unknown pictures."""

    def __init__(
        self,
        reporter: Reporter,
        root: Path,
        command: Callable[[], Sequence[str] | None],
        longest: float = LONGEST_S,
    ) -> None:
        """`reporter` hears of failures; `root`: the dataset; `command` gives the words, as set now."""
        super().__init__()  # It listens, and passes nothing on.
        self.reporter = reporter
        self.root = root
        self.command = command
        self.longest = longest
        self._waiting: deque[str] = deque()
        self._lock = threading.Lock()
        self._worker: threading.Thread | None = None

    def close(self) -> None:
        """Begin no more of them, and wait for the one that runs; `longest` seconds at most."""
        with self._lock:
            left, worker = len(self._waiting), self._worker
            self._waiting.clear()
        if left:
            self.reporter.message(f"on_unsure: stopped before it was run for {left} more pictures")
        if worker is not None:
            worker.join()

    def item(self, item: Item) -> None:
        if item.kind not in ("unsure", "unknown") or self.command() is None:
            return
        with self._lock:
            full = len(self._waiting) >= LONGEST_QUEUE
            if not full:
                self._waiting.append(str(self.root / (item.target or item.path)))
                if self._worker is None:
                    self._worker = threading.Thread(target=self._work, name="on_unsure", daemon=True)
                    self._worker.start()
        if full:
            self.reporter.message(f"on_unsure: too slow, not run for {show(item.target or item.path)}")

    def _work(self) -> None:
        """Until nothing waits."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._worker = None
                    return
                path = self._waiting.popleft()
            command = self.command()
            trouble = self._run(words_for(command, path)) if command else ""
            if trouble:
                self.reporter.message(f"on_unsure: {trouble}, for {show(path)}")

    def _run(self, words: list[str]) -> str:
        """What went wrong, in words; empty if nothing did."""
        quiet = subprocess.DEVNULL
        try:
            process = subprocess.Popen(words, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
        except (OSError, ValueError) as error:
            return f"{show(words[0])} can't be run: {error}"
        try:
            code = process.wait(self.longest)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"{show(words[0])} was ended, as it took more than {self.longest:g} s"
        return f"{show(words[0])} ended with code {code}" if code else ""


def words_for(command: Sequence[str], path: str) -> list[str]:
    """The path where {} stands, else at the end."""
    if any(PLACE in word for word in command):
        return [word.replace(PLACE, path) for word in command]
    return [*command, path]


def _end(process: "subprocess.Popen[bytes]") -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(OSError):  # It may just have ended.
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
