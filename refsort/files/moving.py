"""The only place where pictures change their folder. Nothing is replaced, nothing is lost, whatever happens.

One batch goes through these steps; a crash between any two of them is finished or rolled back by `recovery`:

1.  lstat again: a file that changed since it was read is not moved.
2.  Intents of the whole batch are committed to the journal.
3.  Copies for another file system are made under hidden names, proven, and their inodes committed.
4.  Each file takes its final name in one step that fails if the name is taken; then the next number is tried.
5.  Folders are flushed. Only now do the sources of copies leave.
6.  Folders are flushed again and the ends committed.

On one file system step 4 is a rename that refuses to replace (renameat2, renamex_np, MoveFile), and what arrived is
compared with what was meant: a file that somebody slipped in at the last moment is put back. Where there is no such
rename, a hard link takes the name and the old one goes in step 5.
"""

import contextlib
import errno
import os
from dataclasses import replace
from pathlib import Path

from refsort.errors import DatasetError
from refsort.files import claim
from refsort.files.copying import copy_to_part, part_path
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, from_result, look
from refsort.files.journal import Journal, Move, owned
from refsort.files.leaving import leave, leaving_path
from refsort.files.lock import moving
from refsort.files.requests import Outcome, Request, words
from refsort.files.taken import TakenNames
from refsort.files.taking import Changed, publish, take
from refsort.names import show


class _Filing:
    """A request on its way through the batch; the lists run along its members."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.outcome = Outcome(request)
        self.number = 1
        self.moves: list[Move] = []
        size = len(request.members)
        self.copied = [False] * size
        self.must_leave = [False] * size
        self.left = [False] * size

    @property
    def alive(self) -> bool:
        return self.outcome.status == "done"

    def fail(self, reason: str, status: str = "failed") -> None:
        self.outcome.status, self.outcome.reason = status, reason


class Mover:
    """Files batches of requests of one dataset under one journal."""

    def __init__(self, dataset: Dataset, journal: Journal) -> None:
        self.dataset = dataset
        self.journal = journal
        self.taken = TakenNames()

    def file(self, run: int, requests: list[Request]) -> list[Outcome]:
        """Carry out a batch; outcomes in the order of the requests.

        Raises JournalError: at step 2 nothing was touched yet; at step 6 the next start settles what is open. Raises
        OSError where a step can neither be done nor taken back: the intents stay open, and the next start settles them.
        """
        if not requests:
            return []
        with moving(self.dataset.state):
            return self._file(run, requests)

    def _file(self, run: int, requests: list[Request]) -> list[Outcome]:
        filings = [_Filing(request) for request in requests]
        for filing in filings:
            self._check_unchanged(filing)
            if filing.alive:
                self._choose_names(filing)
        live = [f for f in filings if f.alive]
        if live:
            written = self.journal.intend(run, [_intents(f) for f in live])
            for filing, moves in zip(live, written, strict=True):
                filing.moves = moves
            self._make_folders(live)
            self._copy_across(live)
            for filing in live:
                self._take_names(filing)
            self._sync(live, "target")
            for filing in live:
                self._leave_sources(filing)
            self._sync(live, "source")
            self.journal.finish([end for f in live for end in self._ends(f)])
        return [f.outcome for f in filings]

    def _paths(self, move: Move) -> tuple[Path, Path]:
        return self.dataset.path(move.source), self.dataset.path(move.target)

    def _part(self, move: Move) -> Path:
        source, target = self._paths(move)
        return part_path(target, source.name, move.id)

    # -- 1: the same file, and a name that looks free

    def _check_unchanged(self, filing: _Filing) -> None:
        for member in filing.request.members:
            path = self.dataset.path(member.source)
            if filing.request.action == "remove-link":
                if not path.is_symlink():
                    filing.fail("it is no link any more", "changed")
                continue
            found = look(path)
            if found is None:
                filing.fail("it is gone", "changed")
            elif not found.same_file(member.stat):
                filing.fail("it changed after it was read", "changed")

    def _choose_names(self, filing: _Filing) -> None:
        targets = [self.dataset.path(m.target) for m in filing.request.members]
        if not filing.request.exact:
            targets, filing.number = self.taken.choose(targets, filing.request.stem)
        filing.outcome.targets = [self.dataset.relative(t) for t in targets]

    # -- 3: folders and copies

    def _make_folders(self, live: list[_Filing]) -> None:
        problems: dict[str, str | None] = {}
        for filing in live:
            if filing.request.action in ("remove", "remove-link"):
                continue
            for move in filing.moves:
                folder = move.target.rpartition("/")[0]
                if folder not in problems:
                    problems[folder] = self._make_folder(folder)
                if problem := problems[folder]:
                    filing.fail(f"folder {show(folder)}: {problem}")

    def _make_folder(self, folder: str) -> str | None:
        try:
            self.dataset.check_target(folder)
            self.dataset.path(folder).mkdir(parents=True, exist_ok=True)
        except (OSError, DatasetError) as error:
            return words(error)
        return None

    def _copy_across(self, live: list[_Filing]) -> None:
        for filing in live:
            for position, move in enumerate(filing.moves):
                if filing.alive and self._needs_copy(move):
                    self._copy_one(filing, position)
        made = [m for f in live for m, copied in zip(f.moves, f.copied, strict=True) if copied]
        if made:
            self.journal.made(made)

    def _needs_copy(self, move: Move) -> bool:
        if move.action != "move":
            return move.action == "copy"
        return from_result(self.dataset.path(move.target).parent.stat()).dev != move.stat.dev

    def _copy_one(self, filing: _Filing, position: int) -> None:
        move = filing.moves[position]
        part = self._part(move)
        try:
            made = copy_to_part(self.dataset.path(move.source), move.stat, move.sha256, part)
        except FileExistsError:
            filing.fail(f"{show(str(part))} is in the way, left from a broken copy; look at it and remove it")
        except OSError as error:
            if look(part) is not None:
                raise  # What was written can't be removed now; the next start does it.
            self._fail(filing, f"can't be copied to {show(move.target)}: {words(error)}")
        else:
            filing.copied[position] = True
            filing.moves[position] = owned(move, made)

    def _fail(self, filing: _Filing, reason: str) -> None:
        """A step was refused. If that is because somebody took the file away meanwhile, nothing is wrong."""
        if all(look(self.dataset.path(move.source)) is not None for move in filing.moves):
            filing.fail(reason)
        else:
            filing.fail("it is gone", "changed")

    # -- 4: names

    def _take_names(self, filing: _Filing) -> None:
        while filing.alive:
            taken: list[int] = []
            try:
                for position in range(len(filing.moves)):
                    self._take_one(filing, position)
                    taken.append(position)
                return
            except FileExistsError:
                self._give_back(filing, taken)
                if filing.request.exact:
                    filing.fail("its name is taken by another file")
                else:
                    self._renumber(filing)
            except Changed as error:
                self._give_back(filing, taken)
                filing.fail(str(error), "changed")
            except OSError as error:
                self._give_back(filing, taken)
                self._fail(filing, f"can't be filed as {show(filing.outcome.targets[0])}: {words(error)}")

    def _take_one(self, filing: _Filing, position: int) -> None:
        move = filing.moves[position]
        source, target = self._paths(move)
        if filing.copied[position]:
            publish(self._part(move), target)
            filing.must_leave[position] = move.action == "move"
        elif move.action == "move":
            try:
                filing.must_leave[position] = take(
                    source, target, move.stat, move.sha256, lambda made: self._own(filing, position, made)
                )
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy_late(filing, position)
        elif move.action == "hardlink":
            if not claim.link(source, target):
                raise OSError("this file system has no hard links; use action: copy")
        elif move.action == "symlink":
            target.symlink_to(os.path.relpath(source, target.parent.resolve()))
        else:
            filing.must_leave[position] = True

    def _own(self, filing: _Filing, position: int, made: FileStat | None) -> None:
        filing.moves[position] = owned(filing.moves[position], made)
        self.journal.made([filing.moves[position]])

    def _copy_late(self, filing: _Filing, position: int) -> None:
        """One device number, and still two mounts: bind mounts and sub-volumes say so only when asked to rename."""
        self._copy_one(filing, position)
        if not filing.copied[position]:
            raise OSError(filing.outcome.reason)
        self.journal.made([filing.moves[position]])
        self._take_one(filing, position)

    def _renumber(self, filing: _Filing) -> None:
        targets = [self.dataset.path(m.target) for m in filing.request.members]
        targets, filing.number = self.taken.choose(targets, filing.request.stem, after=filing.number)
        filing.outcome.targets = [self.dataset.relative(t) for t in targets]
        filing.moves = [
            replace(move if copied else replace(move, target_dev=None, target_ino=None), target=target)
            for move, target, copied in zip(filing.moves, filing.outcome.targets, filing.copied, strict=True)
        ]
        self.journal.retarget(filing.moves)

    def _give_back(self, filing: _Filing, taken: list[int]) -> None:
        """Undo step 4 for files of a group whose other members can't follow."""
        for position in reversed(taken):
            move = filing.moves[position]
            source, target = self._paths(move)
            with contextlib.suppress(FileExistsError):
                if filing.copied[position]:
                    publish(target, self._part(move))
                elif move.action in ("hardlink", "symlink") or (move.action == "move" and filing.must_leave[position]):
                    target.unlink()
                elif move.action == "move":
                    publish(target, source)
            filing.must_leave[position] = False

    # -- 5 and 6: sources and ends

    def _leave_sources(self, filing: _Filing) -> None:
        for position, move in enumerate(filing.moves):
            if not filing.alive or not filing.must_leave[position]:
                continue
            source = self.dataset.path(move.source)
            try:
                if move.action == "remove-link":
                    source.unlink()
                elif note := leave(source, move.stat, move.id):
                    filing.outcome.notes.append(f"{show(move.source)}: {note}")
                filing.left[position] = True
            except OSError as error:
                if look(leaving_path(source, move.id)) is not None:
                    raise  # It can't be given its name back now; the next start does it.
                self._stay(filing)
                filing.fail(f"can't leave its folder: {words(error)}")

    def _stay(self, filing: _Filing) -> None:
        """A source can't be removed: where it is still there, its second name or copy goes away again."""
        for move, left in zip(filing.moves, filing.left, strict=True):
            source, target = self._paths(move)
            found, second = look(source), look(target)
            if left or move.action != "move" or found is None or second is None:
                continue
            if (found.dev, found.ino) == (move.stat.dev, move.stat.ino):
                target.unlink()

    def _ends(self, filing: _Filing) -> list[tuple[Move, str, str | None]]:
        if filing.alive:
            return [(move, "done", "; ".join(filing.outcome.notes) or None) for move in filing.moves]
        ends: list[tuple[Move, str, str | None]] = []
        for position, move in enumerate(filing.moves):
            if filing.copied[position]:
                self._drop_part(move)
            ends.append((move, "done" if filing.left[position] else "failed", filing.outcome.reason))
        return ends

    def _drop_part(self, move: Move) -> None:
        part = self._part(move)
        found = look(part)
        if found is not None and (found.dev, found.ino) == (move.target_dev, move.target_ino):
            part.unlink()

    def _sync(self, live: list[_Filing], end: str) -> None:
        folders = {getattr(move, end).rpartition("/")[0] for f in live if f.alive for move in f.moves}
        for folder in sorted(folders):
            with contextlib.suppress(FileNotFoundError):
                claim.sync_folder(self.dataset.path(folder))


def _intents(filing: _Filing) -> list[Move]:
    request = filing.request
    return [
        Move(
            source=member.source,
            target=target,
            action=request.action,
            sha256=member.sha256,
            stat=member.stat,
            decision=request.decision if position == 0 else None,
            reverses=member.reverses,
        )
        for position, (member, target) in enumerate(zip(request.members, filing.outcome.targets, strict=True))
    ]
