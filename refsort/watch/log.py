"""One line for each file, plain or JSON, as a daemon's log wants it."""

import contextlib
import json
from typing import Any, TextIO

from refsort.files.journal import now
from refsort.names import show
from refsort.sorting import Item, Run


class Log:
    """A reporter that writes lines."""

    def __init__(self, out: TextIO, *, as_json: bool = False) -> None:
        self.out = out
        self.as_json = as_json

    def message(self, text: str) -> None:
        self._line({"event": "message", "text": text}, text)

    def stage(self, name: str, total: int) -> None:
        pass

    def step(self) -> None:
        pass

    def item(self, item: Item) -> None:
        values: dict[str, Any] = {"event": item.kind, "file": item.path}
        words = f"{item.kind}: {show(item.path)}"
        if item.target is not None:
            values["target"] = item.target
            words += f" -> {show(item.target)}"
        if item.decision is not None:
            values["decision"] = item.decision.as_dict()
        if item.reason:
            values["reason"] = item.reason
            words += f" ({item.reason})"
        self._line(values, words)

    def end(self, run: Run) -> None:
        if run.run is not None:
            values = {"event": "run", "run": run.run, "pictures": run.handled, "seconds": run.seconds}
            self._line(values, f"run {run.run}: {run.handled} pictures in {run.seconds:.2f} s")

    def _line(self, values: dict[str, Any], words: str) -> None:
        stamped = {"time": now(), **values}
        line = json.dumps(stamped) if self.as_json else f"{stamped['time']} {show(words)}"
        with contextlib.suppress(OSError):  # Nobody reads any more; sorting goes on.
            self.out.write(f"{line}\n")
            self.out.flush()
