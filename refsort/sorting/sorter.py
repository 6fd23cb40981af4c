"""The main job: list → read → embed → decide → file → report. The one place where the rooms of the house meet."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal, RunRecord
from refsort.files.lock import hold
from refsort.files.recovery import recover
from refsort.files.set_aside import open_to_write
from refsort.files.stayed import stayed_in
from refsort.files.undo import Undone, undo
from refsort.files.undo import choose as choose_moves
from refsort.sorting.class_words import may_know_words
from refsort.sorting.events import Reporter, Reporters, Run
from refsort.sorting.one_pass import Pass
from refsort.sorting.prepared import Prepared, prepare
from refsort.sorting.references import list_references, look_at


class Sorter:
    """Sorts one dataset, and takes it back."""

    def __init__(self, config: Config, reporter: Reporter | None = None) -> None:
        self.config = config
        self.reporter: Reporter = reporter or Reporters()
        self.dataset = Dataset(config.dataset_path, config.folders, config.state_dir)

    # -- sorting

    def sort(self, *, dry_run: bool = False) -> Run:
        """One pass over everything that has arrived. Raises RefsortError before anything is touched."""
        begun = time.perf_counter()
        self.dataset.check()
        list_references(self.dataset, words=may_know_words(self.config, self.dataset))
        with ExitStack() as stack:
            journal: Journal | None
            if dry_run:
                journal = stack.enter_context(journal_to_look_at(self.dataset))
            else:
                journal = self._journal_to_write(stack, "sort")
            prepared = stack.enter_context(prepare(self.config, self.dataset, self.reporter))
            run = new_run(self.config, prepared, dry_run=dry_run)
            run.references = look_at(prepared.references)
            begin = stayed = None
            if journal is not None and not dry_run:
                begin = partial(begin_run, self.config, prepared, journal)
                run.run = begin()
                stayed = stayed_in(self.dataset, prepared.standing)
                stack.callback(stayed.close)
            job = Pass(*(self.config, self.dataset, journal, prepared, run, self.reporter), begin=begin, stayed=stayed)
            try:
                job.sort_all()
            finally:
                end_run(run, begun, journal, self.reporter)
        return run

    @property
    def _journal_path(self) -> Path:
        return journal_path(self.dataset)

    def _journal_to_write(self, stack: ExitStack, purpose: str) -> Journal:
        return stack.enter_context(journal_to_write(self.dataset, purpose, self.reporter))

    # -- taking back

    def undo(self, run: int | None = None, class_name: str | None = None, file: str | None = None) -> Undone:
        """Take back a run (without a number: the last), one class of it, or one file. Raises JournalError."""
        with ExitStack() as stack:
            Journal(self._journal_path, create=False).close()
            journal = self._journal_to_write(stack, "undo")
            moves = choose_moves(journal, self.dataset, run, class_name, file)
            what = f"run {moves[0].run}" + (f", class {class_name}" if class_name else "")
            self.reporter.stage("undo", len({move.main for move in moves}))
            return undo(self.dataset, journal, moves, file or what, progress=self.reporter.step)

    def history(self, limit: int | None = None) -> list[RunRecord]:
        """Runs, newest first. Raises JournalError if nothing was ever sorted here."""
        journal = Journal(self._journal_path, create=False)
        try:
            return journal.runs(limit)
        finally:
            journal.close()


def journal_path(dataset: Dataset) -> Path:
    """Where the history of a dataset lies."""
    return dataset.state / "journal.db"


@contextmanager
def journal_to_look_at(dataset: Dataset) -> Iterator[Journal | None]:
    """Without a lock, and nothing is settled; None if nothing was ever sorted. Raises JournalError."""
    if not journal_path(dataset).exists():
        yield None
        return
    journal = Journal(journal_path(dataset), create=False)
    try:
        yield journal
    finally:
        journal.close()


@contextmanager
def journal_to_write(dataset: Dataset, purpose: str, reporter: Reporter) -> Iterator[Journal]:
    """The journal under the dataset's lock, with what an interruption left open settled first.

    Raises DatasetHeld, JournalError.
    """
    with ExitStack() as stack:
        stack.enter_context(hold(dataset.state, purpose))
        journal = open_to_write(journal_path(dataset), dataset, reporter.message)
        stack.callback(journal.close)
        if not journal.wal:
            reporter.message("the journal lies on a network file system: slower, and as safe as that system is")
        _settle(dataset, journal, reporter)
        yield journal


@contextmanager
def journal_to_share(dataset: Dataset, reporter: Reporter) -> Iterator[Journal]:
    """The journal for a few moves of a person's, also while a daemon or a sort holds the dataset.

    What an interruption left open is settled first. Raises JournalError.
    """
    journal = Journal(journal_path(dataset))
    try:
        _settle(dataset, journal, reporter)
        yield journal
    finally:
        journal.close()


def _settle(dataset: Dataset, journal: Journal, reporter: Reporter) -> None:
    settled = recover(dataset, journal)
    if settled.total:
        reporter.message(
            f"an earlier run was interrupted: {settled.finished} moves finished, {settled.rolled_back} rolled back"
        )
    for path in settled.lost:
        reporter.message(f"{path} was being moved then and is gone: somebody else moved or deleted it")


def new_run(config: Config, prepared: Prepared, *, dry_run: bool = False) -> Run:
    """An outcome to be counted in; it gets its number from `begin_run`."""
    return Run(
        *(None, config.dataset, prepared.encoder.name, config.mode, config.action, dry_run),
        per_class=dict.fromkeys(prepared.references.classes, 0),
    )


def begin_run(config: Config, prepared: Prepared, journal: Journal) -> int:
    """Enter a run into the journal; its number."""
    encoder = prepared.encoder
    settings = config.model_dump(mode="json") | {"encoder": encoder.name, "fingerprint": encoder.fingerprint}
    return journal.begin_run("sort", config.action, settings)


def end_run(run: Run, begun: float, journal: Journal | None, reporter: Reporter) -> None:
    """Complete the outcome, tell it, and enter it if the run has a number. `begun`: time.perf_counter() then."""
    run.seconds = round(time.perf_counter() - begun, 3)
    run.images_per_second = round(run.looked_at / max(run.seconds, 1e-9), 1)
    reporter.end(run)
    if journal is not None and run.run is not None:
        journal.end_run(run.run, run.as_dict())
