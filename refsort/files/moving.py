"""The only place where pictures change their folder. Nothing is replaced, nothing is lost, whatever happens.

One batch goes through these steps; a crash between any two of them is finished or rolled back by `recovery`:

1.  lstat again: a file that changed since it was read is not moved.
2.  Intents of the whole batch are committed to the journal.
3.  Copies for another file system are made under hidden names, several at once, proven, and their inodes committed.
4.  Each file takes its final name in one step that fails if the name is taken; then the next number is tried.
5.  Folders are flushed. Only now do the sources of copies leave.
6.  Folders are flushed again and the ends committed.

On one file system step 4 is a rename that refuses to replace (renameat2, renamex_np, MoveFile), and what arrived is
compared with what was meant: a file that somebody slipped in at the last moment is put back. Where there is no such
rename, a hard link takes the name and the old one goes in step 5.

Only the copies of step 3 go side by side: they wait for the disk. Renames don't: from one folder or ten into ten they
took 23 to 47 microseconds each by one thread, 22 to 42 by two and 25 to 37 by four (benchmarks/plans.py --at-once), as
Linux lets one rename between two folders go at a time.
"""

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from refsort.errors import DatasetError
from refsort.files import claim
from refsort.files.copying import THREADS, AtOnce, copy_to_part, part_path
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat, from_result, look
from refsort.files.journal import Journal, Move, owned
from refsort.files.leaving import leave, leaving_path
from refsort.files.lock import moving
from refsort.files.requests import Filing, Outcome, Request, words
from refsort.files.taken import TakenNames
from refsort.files.taking import Changed, publish, take
from refsort.names import show


class Mover:
    """Files batches of requests of one dataset under one journal, with so many copies to other file systems at once."""

    def __init__(self, dataset: Dataset, journal: Journal, threads: int = THREADS) -> None:
        self.dataset = dataset
        self.journal = journal
        self.threads = threads
        self.taken = TakenNames()
        # Each file's paths are texts where it needs nothing special: a Path each would cost as much as its rename.
        self._root = f"{dataset.root.as_posix().rstrip('/')}/"

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
        filings = [Filing(request) for request in requests]
        for filing in filings:
            self._check_unchanged(filing)
            if filing.alive:
                self._choose_names(filing)
        live = [f for f in filings if f.alive]
        if live:
            written = self.journal.intend(run, [f.intents() for f in live])
            for filing, moves in zip(live, written, strict=True):
                filing.moves = moves
            self._copy_across(live, self._make_folders(live))
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

    def _check_unchanged(self, filing: Filing) -> None:
        for member in filing.request.members:
            if filing.request.action == "remove-link":
                if not self.dataset.path(member.source).is_symlink():
                    filing.fail("it is no link any more", "changed")
                continue
            found = look(self._root + member.source)
            if found is None:
                filing.fail("it is gone", "changed")
            elif not found.same_file(member.stat):
                filing.fail("it changed after it was read", "changed")

    def _choose_names(self, filing: Filing, after: int = 0) -> None:
        targets = [m.target for m in filing.request.members]
        if not filing.request.exact:
            texts = [self._root + target for target in targets]
            texts, filing.number = self.taken.choose_texts(texts, filing.request.stem, after=after)
            targets = [text[len(self._root) :] for text in texts]
        filing.outcome.targets = targets

    # -- 3: folders and copies

    def _make_folders(self, live: list[Filing]) -> dict[str, int | str]:
        """The device of each target folder of the batch, or why there can be none."""
        made: dict[str, int | str] = {}
        for filing in live:
            if filing.request.action in ("remove", "remove-link"):
                continue
            for move in filing.moves:
                folder = move.target.rpartition("/")[0]
                if folder not in made:
                    made[folder] = self._make_folder(folder)
                if isinstance(problem := made[folder], str):
                    filing.fail(f"folder {show(folder)}: {problem}")
        return made

    def _make_folder(self, folder: str) -> int | str:
        try:
            self.dataset.check_target(folder)
            path = self.dataset.path(folder)
            path.mkdir(parents=True, exist_ok=True)
            return from_result(path.stat()).dev
        except (OSError, DatasetError) as error:
            return words(error)

    def _copy_across(self, live: list[Filing], devices: dict[str, int | str]) -> None:
        """Several groups at once, the files of a group one after the other: after one that failed none is copied."""
        at_once = AtOnce(self.threads)
        tasks = []
        for filing in live:
            across = [i for i, move in enumerate(filing.moves) if filing.alive and _needs_copy(move, devices)]
            if across:
                tasks.append(partial(self._copy_group, filing, across, at_once.go_on))
        at_once.run(tasks)
        made = [m for f in live for m, copied in zip(f.moves, f.copied, strict=True) if copied] if tasks else []
        if made:
            self.journal.made(made)

    def _copy_group(self, filing: Filing, across: list[int], go_on: Callable[[], None]) -> None:
        for position in across:
            if filing.alive:
                self._copy_one(filing, position, go_on)

    def _copy_one(self, filing: Filing, position: int, go_on: Callable[[], None] = lambda: None) -> None:
        move = filing.moves[position]
        part = self._part(move)
        try:
            made = copy_to_part(self.dataset.path(move.source), move.stat, move.sha256, part, go_on)
        except FileExistsError:
            filing.fail(f"{show(str(part))} is in the way, left from a broken copy; look at it and remove it")
        except OSError as error:
            if look(part) is not None:
                raise  # What was written can't be removed now; the next start does it.
            self._fail(filing, f"can't be copied to {show(move.target)}: {words(error)}")
        else:
            filing.copied[position] = True
            filing.moves[position] = owned(move, made)

    def _fail(self, filing: Filing, reason: str) -> None:
        """A step was refused. If that is because somebody took the file away meanwhile, nothing is wrong."""
        if all(look(self.dataset.path(move.source)) is not None for move in filing.moves):
            filing.fail(reason)
        else:
            filing.fail("it is gone", "changed")

    # -- 4: names

    def _take_names(self, filing: Filing) -> None:
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

    def _take_one(self, filing: Filing, position: int) -> None:
        move = filing.moves[position]
        if filing.copied[position]:
            publish(self._part(move), self.dataset.path(move.target))
            filing.must_leave[position] = move.action == "move"
        elif move.action == "move":
            source, target = self._root + move.source, self._root + move.target
            try:
                filing.must_leave[position] = take(
                    source, target, move.stat, move.sha256, lambda made: self._own(filing, position, made)
                )
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self._copy_late(filing, position)
        elif move.action in ("hardlink", "symlink"):
            self._link(move)
        else:
            filing.must_leave[position] = True

    def _link(self, move: Move) -> None:
        source, target = self._paths(move)
        if move.action == "symlink":
            target.symlink_to(os.path.relpath(source, target.parent.resolve()))
        elif not claim.link(source, target):
            raise OSError("this file system has no hard links; use action: copy")

    def _own(self, filing: Filing, position: int, made: FileStat | None) -> None:
        filing.moves[position] = owned(filing.moves[position], made)
        self.journal.made([filing.moves[position]])

    def _copy_late(self, filing: Filing, position: int) -> None:
        """One device number, and still two mounts: bind mounts and sub-volumes say so only when asked to rename."""
        self._copy_one(filing, position)
        if not filing.copied[position]:
            raise OSError(filing.outcome.reason)
        self.journal.made([filing.moves[position]])
        self._take_one(filing, position)

    def _renumber(self, filing: Filing) -> None:
        self._choose_names(filing, after=filing.number)
        filing.moves = [
            replace(move if copied else replace(move, target_dev=None, target_ino=None), target=target)
            for move, target, copied in zip(filing.moves, filing.outcome.targets, filing.copied, strict=True)
        ]
        self.journal.retarget(filing.moves)

    def _give_back(self, filing: Filing, taken: list[int]) -> None:
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

    def _leave_sources(self, filing: Filing) -> None:
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

    def _stay(self, filing: Filing) -> None:
        """A source can't be removed: where it is still there, its second name or copy goes away again."""
        for move, left in zip(filing.moves, filing.left, strict=True):
            source, target = self._paths(move)
            found, second = look(source), look(target)
            if left or move.action != "move" or found is None or second is None:
                continue
            if (found.dev, found.ino) == (move.stat.dev, move.stat.ino):
                target.unlink()

    def _ends(self, filing: Filing) -> list[tuple[Move, str, str | None]]:
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

    def _sync(self, live: list[Filing], end: str) -> None:
        folders = {getattr(move, end).rpartition("/")[0] for f in live if f.alive for move in f.moves}
        for folder in sorted(folders):
            with contextlib.suppress(FileNotFoundError):
                claim.sync_folder(self.dataset.path(folder))


def _needs_copy(move: Move, devices: dict[str, int | str]) -> bool:
    """By the device numbers; what they don't tell, the rename will (`_copy_late`)."""
    if move.action != "move":
        return move.action == "copy"
    return devices[move.target.rpartition("/")[0]] != move.stat.dev
