"""The main job: list → read → embed → decide → file → report. The one place where the rooms of the house meet."""

import time
from contextlib import ExitStack
from pathlib import Path

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal, RunRecord
from refsort.files.lock import hold
from refsort.files.recovery import recover
from refsort.files.undo import Undone, undo
from refsort.files.undo import choose as choose_moves
from refsort.sorting.events import Reporter, Reporters, Run
from refsort.sorting.one_pass import Pass
from refsort.sorting.prepared import Prepared, prepare
from refsort.sorting.references import list_references


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
        list_references(self.dataset)
        with ExitStack() as stack:
            journal = self._journal_to_look_at(stack) if dry_run else self._journal_to_write(stack, "sort")
            prepared = stack.enter_context(prepare(self.config, self.dataset, self.reporter))
            run = self._begin(prepared, None if dry_run else journal)
            try:
                Pass(self.config, self.dataset, journal, prepared, run, self.reporter).sort_all()
            finally:
                run.seconds = round(time.perf_counter() - begun, 3)
                run.images_per_second = round(run.handled / max(run.seconds, 1e-9), 1)
                self.reporter.end(run)
                if journal is not None and run.run is not None:
                    journal.end_run(run.run, run.as_dict())
        return run

    def _begin(self, prepared: Prepared, journal: Journal | None) -> Run:
        config, encoder = self.config, prepared.encoder
        number = None
        if journal is not None:
            settings = config.model_dump(mode="json") | {"encoder": encoder.name, "fingerprint": encoder.fingerprint}
            number = journal.begin_run("sort", config.action, settings)
        return Run(
            *(number, config.dataset, encoder.name, config.mode, config.action, journal is None),
            per_class=dict.fromkeys(prepared.references.classes, 0),
        )

    @property
    def _journal_path(self) -> Path:
        return self.dataset.state / "journal.db"

    def _journal_to_look_at(self, stack: ExitStack) -> Journal | None:
        """For a dry run: no lock, nothing settled, none if nothing was ever sorted."""
        if not self._journal_path.exists():
            return None
        journal = Journal(self._journal_path, create=False)
        stack.callback(journal.close)
        return journal

    def _journal_to_write(self, stack: ExitStack, purpose: str) -> Journal:
        """The journal under the dataset's lock, with what an interruption left open settled first."""
        stack.enter_context(hold(self.dataset.state, purpose))
        journal = Journal(self._journal_path)
        stack.callback(journal.close)
        if not journal.wal:
            self.reporter.message("the journal lies on a network file system: slower, and as safe as that system is")
        settled = recover(self.dataset, journal)
        if settled.total:
            self.reporter.message(
                f"an earlier run was interrupted: {settled.finished} moves finished, {settled.rolled_back} rolled back"
            )
        for path in settled.lost:
            self.reporter.message(f"{path} was being moved then and is gone: somebody else moved or deleted it")
        return journal

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
