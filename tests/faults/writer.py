"""refsort in a process in which another program meddles with the pictures, at moments that can't be met from outside.

    python -m tests.faults.writer IMAGES OUTSIDE rename|link watch ...

A picture called <moment>-<deed>.jpg is dealt with once, at that moment. Moments: `reading` (it is about to be read),
`scored` (before the move checks it), `intended` (checked; the journal commits the intent), `claiming` (right before it
gets its new name). Deeds: `inplace` (written anew), `replace` (another file is renamed over it), `vanish` (moved away).
What is written comes from OUTSIDE, and what vanishes goes there. `link`: as on a system without an exclusive rename.
"""

import os
import sqlite3
import sys
import threading
from pathlib import Path
from typing import Any

from refsort.cli import main
from refsort.files import claim


class Writer:
    """The other program."""

    def __init__(self, images: Path, outside: Path) -> None:
        self.images, self.outside = images, outside
        self.done: set[str] = set()
        self.inserted = ""

    def act(self, moment: str, path: Path | None = None) -> None:
        """Deal with the pictures of this moment, or with this one if it is one of them."""
        for found in [path] if path is not None else sorted(self.images.glob(f"{moment}-*.jpg")):
            name = found.name
            if found.parent != self.images or not name.startswith(f"{moment}-") or name in self.done:
                continue
            self.done.add(name)
            if "vanish" in name:
                found.rename(self.outside / name)
            elif "replace" in name:
                (self.outside / name).replace(found)
            else:
                found.write_bytes((self.outside / name).read_bytes())

    def sql(self, text: str) -> None:
        """A statement that the journal is about to execute."""
        for table, moment in (("runs", "scored"), ("moves", "intended")):
            if text.startswith(f"INSERT INTO {table}"):
                self.inserted = moment
        if text == "COMMIT" and self.inserted:
            moment, self.inserted = self.inserted, ""
            self.act(moment)

    def hook(self, event: str, args: tuple[object, ...]) -> None:
        if event == "open" and isinstance(args[0], str) and threading.current_thread().name.startswith("decode"):
            self.act("reading", Path(args[0]))
        elif event == "os.link":
            self.act("claiming", Path(os.fsdecode(args[0])))  # type: ignore[arg-type]


def meddle(writer: Writer, way: str) -> None:
    """From now on."""
    exclusive = claim._exclusive_rename()
    if way == "rename" and exclusive is not None:

        def rename(source: bytes, target: bytes) -> int:
            writer.act("claiming", Path(os.fsdecode(source)))
            return exclusive(source, target)

        claim._exclusive_rename = lambda: rename  # type: ignore[assignment]
    else:
        claim._exclusive_rename = lambda: None  # type: ignore[assignment]
    connect = sqlite3.connect

    def connected(*args: Any, **more: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **more)
        connection.set_trace_callback(writer.sql)
        return connection

    sqlite3.connect = connected  # type: ignore[assignment]
    sys.addaudithook(writer.hook)


if __name__ == "__main__":
    meddle(Writer(Path(sys.argv[1]), Path(sys.argv[2])), sys.argv[3])
    sys.exit(main(sys.argv[4:]))
