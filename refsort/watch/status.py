"""How a daemon is: it writes `status.json` into the dataset's state folder, anybody may read it."""

import contextlib
import json
import os
import socket
import sys
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from refsort.errors import DatasetError
from refsort.files.journal import now
from refsort.names import show

NAME = "status.json"
MISSED_SCANS = 3
"""A daemon that has shown no life for so many times its rescan interval is not well."""


@dataclass(slots=True)
class Status:
    """What a daemon says of itself. Times in UTC, ISO-8601."""

    dataset: str
    rescan: float
    """Seconds between two scans."""
    pid: int = field(default_factory=os.getpid)
    host: str = field(default_factory=socket.gethostname)
    state: str = "starting"
    """starting | watching | sorting | in trouble | stopped."""
    started: str = field(default_factory=now)
    alive: str = field(default_factory=now)
    """When it last scanned, or dealt with a picture."""
    last_scan: str | None = None
    encoder: str | None = None
    references: int = 0
    events: bool = False
    """Whether the system tells it what happens; else it only scans."""
    queue: int = 0
    """Files that lie there and are not dealt with yet."""
    counts: dict[str, int] = field(default_factory=dict)
    """Pictures since the start, by what became of them."""
    drift: list[str] = field(default_factory=list)
    """In what arrivals are no longer what the references foretell; empty if they are."""
    error: str | None = None
    """What is wrong now."""
    last_error: str | None = None
    last_error_at: str | None = None

    def write(self, folder: Path) -> None:
        """Replace the file in one step. A disk that refuses it stops nothing."""
        part = folder / f"{NAME}.tmp"
        with contextlib.suppress(OSError):
            part.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
            os.replace(part, folder / NAME)  # noqa: PTH105

    def trouble(self, text: str) -> None:
        """Something keeps it from its work."""
        self.state, self.error = "in trouble", text
        self.last_error, self.last_error_at = text, now()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def read_status(folder: Path) -> Status:
    """Raises DatasetError if there is none or it can't be read."""
    path = folder / NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Status(**{f.name: values[f.name] for f in fields(Status)})
    except FileNotFoundError:
        raise DatasetError(f"no daemon has ever watched {show(str(folder.parent))}; start one: refsort watch") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{show(str(path))} can't be read: {error}; it is written anew by 'refsort watch'") from None


def ill(status: Status, at: datetime | None = None) -> str | None:
    """Why the daemon is not well, in words; None if it is."""
    if status.state == "stopped":
        return f"it was stopped at {status.alive}"
    if _has_died(status):
        return f"process {status.pid} is gone, without having been stopped"
    silent = ((at or datetime.now(UTC)) - datetime.fromisoformat(status.alive)).total_seconds()
    if silent > MISSED_SCANS * status.rescan:
        return f"it has not looked for {silent:.0f} s; it should every {status.rescan:g} s" + (
            f" ({status.error})" if status.error else ""
        )
    return None


def _has_died(status: Status) -> bool:
    """Whether its process is certainly gone. That of another host can't be asked; on Windows asking would end it."""
    if status.host != socket.gethostname() or sys.platform == "win32":
        return False
    try:
        os.kill(status.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False
