"""Several datasets at once: a daemon in a process of its own for each. One that fails is started again, later and
later; the others don't notice.
"""

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from refsort.config import Config
from refsort.errors import DatasetError
from refsort.names import show
from refsort.watch.log import Log
from refsort.watch.notify import notify

LOOK_S, BEAT_S = 0.2, 5.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 600.0
"""Before a daemon that ended is started again; doubled each time, begun anew when it has run for the longest pause."""


def datasets(config: Config) -> list[str]:
    """Folders in data_dir that hold references and arrivals. Raises DatasetError if there are none."""
    names = config.folders
    try:
        found = [
            d.name
            for d in config.data_dir.iterdir()
            if all((d / n).is_dir() for n in (names.references, names.arrivals))
        ]
    except OSError as error:
        raise DatasetError(f"{show(str(config.data_dir))} can't be listed: {error}") from None
    if not found:
        raise DatasetError(
            f"no folder in {show(str(config.data_dir))} has both {names.references}/ and {names.arrivals}/"
        )
    return sorted(found)


@dataclass(slots=True)
class _Child:
    name: str
    words: Sequence[str]
    process: "subprocess.Popen[str] | None" = None
    reader: threading.Thread | None = None
    began: float = 0.0
    start_at: float = 0.0
    pause: float = FIRST_PAUSE_S


class Every:
    """Runs a command for each dataset, and passes on what they write, with the dataset's name."""

    def __init__(self, commands: Mapping[str, Sequence[str]], out: TextIO, *, as_json: bool) -> None:
        """Commands by dataset, whose standard error becomes lines of `out`."""
        self.children = [_Child(name, words) for name, words in commands.items()]
        self.out = out
        self.as_json = as_json
        self.log = Log(out, as_json=as_json)
        self._stopping = False
        self._signals: list[int] = []

    def stop(self) -> None:
        """End all of them and return from `run`. Like `send` it may be called by a signal handler."""
        self._stopping = True

    def send(self, number: int) -> None:
        """Pass a signal on."""
        self._signals.append(number)

    def run(self) -> None:
        """Until `stop`."""
        notify("READY=1")
        next_beat = 0.0
        try:
            while not self._stopping:
                for child in self.children:
                    self._tend(child)
                while self._signals:
                    self._tell_all(self._signals.pop(0))
                if time.monotonic() >= next_beat:
                    notify("WATCHDOG=1")
                    next_beat = time.monotonic() + BEAT_S
                time.sleep(LOOK_S)
        finally:
            notify("STOPPING=1")
            for child in self.children:
                if child.process is not None:
                    child.process.terminate()
            for child in self.children:
                self._wait_for(child)

    def _tell_all(self, number: int) -> None:
        for child in self.children:
            if child.process is not None:
                child.process.send_signal(number)

    def _tend(self, child: _Child) -> None:
        now = time.monotonic()
        if child.process is None:
            if now >= child.start_at:
                try:
                    self._start(child, now)
                except OSError as error:
                    self._try_later(child, now, f"can't be started ({error})")
        elif child.process.poll() is not None:
            code = child.process.returncode
            self._wait_for(child)
            if now - child.began > LONGEST_PAUSE_S:
                child.pause = FIRST_PAUSE_S
            self._try_later(child, now, f"ended with code {code}")

    def _try_later(self, child: _Child, now: float, what: str) -> None:
        self.log.message(f"{child.name}: {what}; started again in {child.pause:g} s")
        child.start_at, child.pause = now + child.pause, min(2 * child.pause, LONGEST_PAUSE_S)

    def _start(self, child: _Child, now: float) -> None:
        child.process = subprocess.Popen(
            list(child.words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"},
            text=True,
            errors="backslashreplace",
            start_new_session=True,  # Ctrl-C reaches them through `stop` only, and once.
        )
        child.began = now
        child.reader = threading.Thread(target=self._pass_on, args=(child.name, child.process), daemon=True)
        child.reader.start()

    def _wait_for(self, child: _Child) -> None:
        if child.process is not None:
            child.process.wait()
        if child.reader is not None:
            child.reader.join(5.0)
        child.process = child.reader = None

    def _pass_on(self, name: str, process: "subprocess.Popen[str]") -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                with contextlib.suppress(OSError):  # Nobody reads any more; a full pipe would stop the daemon.
                    self.out.write(_tagged(name, line) if self.as_json else f"{show(name)}: {line}")
                    self.out.flush()


def _tagged(name: str, line: str) -> str:
    try:
        values = json.loads(line)
    except ValueError:
        values = {"event": "message", "text": line.rstrip("\n")}
    return json.dumps({"dataset": name, **values}) + "\n"
