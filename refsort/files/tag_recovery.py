"""After a crash: a tag that was begun is finished or rolled back from what is on the disk; see `tagging` for the steps.

Nothing goes but our own hidden files, and no version of a sidecar that is not kept elsewhere.
"""

import contextlib
from pathlib import Path
from typing import Any

from refsort.files import exchange
from refsort.files.copying import part_path
from refsort.files.dataset import Dataset
from refsort.files.former import Former, read_small
from refsort.files.identity import look
from refsort.files.journal import Move
from refsort.files.leaving import leaving_path
from refsort.files.sidecars import digest
from refsort.files.taking import publish
from refsort.files.xmp_reading import MAX_BYTES


def settle(dataset: Dataset, move: Move) -> tuple[str, str | None]:
    """(state, note) of an open intent, from what is on the disk; nothing but our own hidden files goes."""
    said = (move.decision or {})["sidecar"]
    before, after = said["before"], said["after"]
    if before == after:
        return "done", None
    target = dataset.path(move.target)
    part, private = part_path(target, target.name, move.id), leaving_path(target, move.id)
    former = Former(dataset)
    note = None
    if look(private) is not None:
        note = _settle_private(former, private, target, said)
    if look(part) is not None:
        note = _settle_part(former, part, target, said, whole=move.target_ino is not None) or note
    if digest(read_small(target, MAX_BYTES)) == after:
        return "done", note or "finished after an interruption"
    return "rolled_back", note or "interrupted before it began"


def _settle_private(former: Former, private: Path, target: Path, said: dict[str, Any]) -> str | None:
    """The old version has its private name."""
    data = read_small(private, MAX_BYTES)
    if look(target) is None and not (said["after"] is None and digest(data) == said["before"]):
        with contextlib.suppress(FileExistsError):
            publish(private, target)
            return None
    return _drop(former, private, data, said["before"])


def _settle_part(former: Former, part: Path, target: Path, said: dict[str, Any], *, whole: bool) -> str | None:
    """The hidden file is the new version or half of it, or, after the exchange, what lay at the target."""
    data = read_small(part, MAX_BYTES)
    if whole and digest(data) == said["after"] and read_small(target, MAX_BYTES) == b"":
        part.replace(target)  # The empty file held the name; see `taking.publish`.
        return None
    if not whole or digest(data) == said["after"]:
        part.unlink()
        return None
    swapped_too_early = digest(data) != said["before"] and digest(read_small(target, MAX_BYTES)) == said["after"]
    # Another version was exchanged away, and the end came before that was noticed.
    if swapped_too_early and exchange.swap(part, target):
        part.unlink()
        return "its sidecar had changed"
    return _drop(former, part, data, said["before"])


def _drop(former: Former, path: Path, data: bytes | None, before: str | None) -> str | None:
    """A version goes; one that nobody has kept yet is kept first."""
    note = None
    if data is not None and not former.has(digest(data) or ""):
        note = f"another version of its sidecar is kept as {former.keep(data)}.xmp in the records"
    path.unlink()
    return note
