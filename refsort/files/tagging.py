"""The only place where sidecars are written. A picture itself is never touched, and no version of a sidecar is lost.

One batch goes through these steps; a crash between any two of them is settled by `tag_recovery`:

1.  The sidecar is read and the new version made; the former one is kept in the dataset's records, flushed.
2.  Intents are committed, each with the hashes before and after. `before` None: there was no sidecar.
3.  New versions are written under hidden names beside the old ones, flushed, and that is committed.
4.  A new sidecar takes its name in a step that never replaces. An existing one exchanges its name with the new version;
    if that turns out not to be the version that was read, the exchange is taken back. Where a system can't exchange,
    the old one first gets a private name.
5.  Folders are flushed, the old version goes (its bytes are kept, see 1), folders are flushed again.
6.  The ends are committed.

Taking back is the same with before and after changed round.
"""

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from refsort.files import claim, exchange
from refsort.files.copying import keep_attributes, part_path
from refsort.files.dataset import Dataset
from refsort.files.former import Former, read_small
from refsort.files.identity import FileStat, from_result, look
from refsort.files.journal import Journal, Move, owned
from refsort.files.leaving import leaving_path
from refsort.files.lock import moving
from refsort.files.requests import Outcome, Request, words
from refsort.files.sidecars import TAG, digest
from refsort.files.taking import Changed, publish
from refsort.files.xmp import merge, new
from refsort.files.xmp_reading import MAX_BYTES, BadSidecar
from refsort.names import show


@dataclass(slots=True)
class _Writing:
    """A request on its way through the batch."""

    request: Request
    outcome: Outcome
    before: bytes | None = None
    after: bytes | None = None
    mtime_ns: int | None = None
    """That the new version gets; None: now."""
    former_mtime_ns: int | None = None
    move: Move | None = None
    aside: Path | None = None
    """Where the old version lies after step 4."""

    @property
    def alive(self) -> bool:
        return self.outcome.status == "done"

    @property
    def changes(self) -> bool:
        return self.alive and self.before != self.after

    def fail(self, reason: str, status: str = "failed") -> None:
        self.outcome.status, self.outcome.reason = status, reason


class Tagger:
    """Writes sidecars of one dataset under one journal. Answers as `Mover` does."""

    def __init__(self, dataset: Dataset, journal: Journal) -> None:
        self.dataset = dataset
        self.journal = journal
        self.former = Former(dataset)

    def file(self, run: int, requests: list[Request]) -> list[Outcome]:
        """Carry out a batch; outcomes in the order of the requests. Raises JournalError as `Mover.file` does."""
        if not requests:
            return []
        with moving(self.dataset.state):
            return self._file(run, requests)

    def _file(self, run: int, requests: list[Request]) -> list[Outcome]:
        writings = [_prepare(self.dataset, self.former, request) for request in requests]
        for writing in writings:
            self._keep_former(writing)
        live = [writing for writing in writings if writing.alive]
        if live:
            written = self.journal.intend(run, [[_intent(writing)] for writing in live])
            for writing, (move,) in zip(live, written, strict=True):
                writing.move = move
            self._write_parts(live)
            for writing in live:
                self._take_name(writing)
            self._sync(live)
            for writing in live:
                self._drop_old(writing)
            self._sync(live)
            self.journal.finish([_end(writing) for writing in live])
        return [writing.outcome for writing in writings]

    def _keep_former(self, writing: _Writing) -> None:
        if not writing.changes or writing.before is None:
            return
        try:
            self.former.keep(writing.before)
        except OSError as error:
            writing.fail(f"the former version of its sidecar can't be kept: {words(error)}")

    def _write_parts(self, live: list[_Writing]) -> None:
        made = []
        for writing in live:
            if writing.changes and writing.after is not None and writing.move is not None:
                part, target = self._places(writing.move)
                try:
                    stat = _write(part, target, writing.after, writing.mtime_ns, self.dataset.path(writing.move.source))
                except OSError as error:
                    writing.fail(f"its sidecar can't be written: {words(error)}")
                    continue
                writing.move = owned(writing.move, stat)
                made.append(writing.move)
        if made:
            self.journal.made(made)

    def _places(self, move: Move) -> tuple[Path, Path]:
        target = self.dataset.path(move.target)
        return part_path(target, target.name, move.id), target

    def _take_name(self, writing: _Writing) -> None:
        if not writing.changes or writing.move is None:
            return
        part, target = self._places(writing.move)
        try:
            if writing.before is None:
                publish(part, target)
            else:
                writing.aside = _replace(part, target, writing.before, writing.after, writing.move.id)
            return
        except FileExistsError:
            writing.fail("a sidecar appeared at the last moment", "changed")
        except Changed as error:
            writing.fail(str(error), "changed")
        except OSError as error:
            writing.fail(f"its sidecar can't be written: {words(error)}")
        if writing.after is not None and read_small(part, MAX_BYTES) == writing.after:
            part.unlink()

    def _drop_old(self, writing: _Writing) -> None:
        if not writing.alive or writing.aside is None:
            return
        # A program that had it open may have written to it until now.
        found = read_small(writing.aside, MAX_BYTES)
        if found is not None and found != writing.before:
            writing.outcome.notes.append(f"a version written meanwhile is kept as {self.former.keep(found)}.xmp")
        writing.aside.unlink()

    def _sync(self, live: list[_Writing]) -> None:
        for folder in sorted({w.move.target.rpartition("/")[0] for w in live if w.changes and w.move is not None}):
            with contextlib.suppress(FileNotFoundError):
                claim.sync_folder(self.dataset.path(folder))


class TagPreview:
    """What `Tagger` would do, from reading alone."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def file(self, requests: list[Request]) -> list[Outcome]:
        """Outcomes in the order of the requests."""
        former = Former(self.dataset)
        return [_prepare(self.dataset, former, request).outcome for request in requests]


# -- steps


def _prepare(dataset: Dataset, former: Former, request: Request) -> _Writing:
    """Step 1, but for the keeping: what there is, and what there will be."""
    (part,) = request.members
    writing = _Writing(request, Outcome(request, targets=[part.target]))
    sidecar = dataset.path(part.target)
    said = request.decision or {}
    try:
        if part.reverses is None and not part.stat.same_file(look(dataset.path(part.source))):
            writing.fail("it changed after it was read", "changed")
            return writing
        writing.before = read_small(sidecar, MAX_BYTES)
        found = look(sidecar)
        writing.former_mtime_ns = None if found is None else found.mtime_ns
        if part.reverses is not None:
            _prepare_taking_back(writing, former, said["sidecar"])
        else:
            writing.after = new(said["tags"]) if writing.before is None else merge(writing.before, said["tags"])
            if not writing.changes:
                writing.outcome.notes.append("it has these keywords already")
                writing.outcome.changed = False
    except BadSidecar as error:
        writing.fail(f"its sidecar {show(sidecar.name)} stays as it is: {error}")
    except OSError as error:
        writing.fail(f"its sidecar {show(sidecar.name)}: {words(error)}")
    return writing


def _prepare_taking_back(writing: _Writing, former: Former, said: dict[str, Any]) -> None:
    if said["before"] == said["after"]:
        writing.after = writing.before
        return
    if digest(writing.before) != said["before"]:
        writing.fail("its sidecar is gone" if writing.before is None else "its sidecar was changed since", "changed")
        return
    writing.after = None if said["after"] is None else former.get(said["after"])
    writing.mtime_ns = said.get("mtime_ns")


def _intent(writing: _Writing) -> Move:
    (part,) = writing.request.members
    said = dict(writing.request.decision or {})
    said["sidecar"] = {
        "before": digest(writing.before),
        "after": digest(writing.after),
        "former_mtime_ns": writing.former_mtime_ns,
    }
    return Move(part.source, part.target, TAG, part.sha256, part.stat, said, part.reverses)


def _end(writing: _Writing) -> tuple[Move, str, str | None]:
    assert writing.move is not None
    if writing.alive:
        return writing.move, "done", "; ".join(writing.outcome.notes) or None
    return replace(writing.move, target_dev=None, target_ino=None), "failed", writing.outcome.reason


def _write(part: Path, target: Path, data: bytes, mtime_ns: int | None, picture: Path) -> FileStat:
    """Step 3. On any failure nothing is left."""
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            like = os.lstat(target) if look(target) is not None else None
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if like is not None:
            keep_attributes(target, part)
            os.utime(part)
        else:
            _like_its_picture(part, picture)
        if mtime_ns is not None:
            os.utime(part, ns=(mtime_ns, mtime_ns))
        return from_result(os.lstat(part))
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _like_its_picture(part: Path, picture: Path) -> None:
    """Whoever may read the picture may read its keywords."""
    with contextlib.suppress(OSError):
        result = os.lstat(picture)
        part.chmod(result.st_mode & 0o666 | 0o600)
        if hasattr(os, "chown") and os.geteuid() == 0:
            os.chown(part, result.st_uid, result.st_gid)


def _replace(part: Path, target: Path, before: bytes, after: bytes | None, move_id: int) -> Path:
    """Step 4 for an existing sidecar; where the old version lies now. Raises Changed if it is another one."""
    private = leaving_path(target, move_id)
    if after is not None and exchange.swap(part, target):
        if read_small(part, MAX_BYTES) == before:
            return part
        exchange.swap(part, target)
        raise Changed("its sidecar changed at the last moment")
    if look(private) is not None:
        raise OSError(f"{private} is in the way, left from an earlier crash; look at it and move it")
    if not claim.rename(target, private):
        os.rename(target, private)  # noqa: PTH104  (the name is ours by its number)
    if read_small(private, MAX_BYTES) != before:
        publish(private, target)
        raise Changed("its sidecar changed at the last moment")
    if after is not None:
        try:
            publish(part, target)
        except OSError:
            with contextlib.suppress(FileExistsError):
                publish(private, target)
            raise
    return private
