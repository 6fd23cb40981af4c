"""A dataset in hand: its lock, its journal, and an encoder that stays warm."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from refsort.config import Config
from refsort.errors import JournalError, RefsortError
from refsort.files.confirmed import confirmed_stamp
from refsort.files.dataset import Dataset
from refsort.files.groups import Group
from refsort.files.identity import look
from refsort.files.journal import Journal
from refsort.files.stayed import stayed_in
from refsort.files.survey import HandMade
from refsort.names import is_litter_folder, show
from refsort.sorting import Reporter
from refsort.sorting.class_words import may_know_words
from refsort.sorting.embedding import Observer
from refsort.sorting.models import model_store
from refsort.sorting.one_pass import Pass
from refsort.sorting.prepared import Prepared, prepare, renewed
from refsort.sorting.references import list_references
from refsort.sorting.sorter import begin_run, end_run, journal_path, journal_to_write, new_run

Listing = frozenset[tuple[str, int, int]]
"""(name below the references' folder, size, mtime_ns) of each class and reference; corrections by their whole path."""


class Session:
    """Sorts groups of files of a dataset that this process holds. Made by `hold_dataset`."""

    def __init__(
        self, config: Config, dataset: Dataset, journal: Journal, reporter: Reporter, observe: Observer | None
    ) -> None:
        """Loads the encoder. Raises DatasetError, UnsafeName, EmptyClass, EncoderError."""
        self.config = config
        self.dataset = dataset
        self.journal = journal
        self.reporter = reporter
        self.observe = observe
        self.look_again_at: float | None = None
        """When changed references have settled; None if nothing is changed."""
        self._journal_file = look(journal_path(dataset))
        self._stack = ExitStack()
        self._by_people = HandMade(dataset)
        self._model = model_store(dataset).stamp()
        self._used = self._changed = self._listing(config)
        self.prepared = self._prepare(config)
        self.stayed = stayed_in(dataset, self.prepared.standing)

    def close(self) -> None:
        self.stayed.close()
        self._stack.close()

    def sort(
        self,
        groups: list[Group],
        reporter: Reporter,
        patience: Callable[[str], bool],
        unchanged: Callable[[str, str], None],
    ) -> list[str]:
        """One pass over these groups, and one run if it moves something; the files that changed meanwhile.

        `patience`, `unchanged`: see Pass.

        Raises JournalError, also if the journal's file is not the one that is open: what is written there is lost.
        """
        found = look(journal_path(self.dataset))
        if self._journal_file is None or found is None or found.ino != self._journal_file.ino:
            raise JournalError(
                f"{show(str(journal_path(self.dataset)))} was taken away while the daemon ran; what was sorted before "
                f"can't be undone by refsort unless it is put back"
            )
        begun = time.perf_counter()
        run = new_run(self.config, self.prepared)
        begin = partial(begin_run, self.config, self.prepared, self.journal)
        self.stayed.judged = self.prepared.standing
        job = Pass(
            *(self.config, self.dataset, self.journal, self.prepared, run, reporter),
            begin=begin,
            patience=patience,
            stayed=self.stayed,
            unchanged=unchanged,
        )
        try:
            job.sort(groups, sum(len(group.paths()) for group in groups))
        finally:
            end_run(run, begun, self.journal, reporter)
        return job.changed

    def reload(self, config: Config) -> None:
        """Go on with other settings. Raises RefsortError and keeps the old ones if that fails."""
        old, self._stack = self._stack, ExitStack()
        try:
            listing = self._listing(config)
            self.prepared = self._prepare(config)
        except BaseException:
            self._stack.close()
            self._stack = old
            raise
        self.config, self._used, self.look_again_at = config, listing, None
        old.close()

    def refresh(self, now: float) -> bool:
        """Look whether the model or the references changed; True if others are in use now.

        Changed ones are taken once they have been still for `settle` seconds. Where they are of no use the old ones
        stay, and that is said once. Raises OSError if their folder can't be listed.
        """
        if (stamp := model_store(self.dataset).stamp()) != self._model:
            self._model = stamp
            return self._take_up_model()
        listing = self._listing(self.config)
        if listing == self._used:
            self.look_again_at = None
            return False
        if self.look_again_at is None or listing != self._changed:
            self._changed, self.look_again_at = listing, now + self.config.settle
        if now < self.look_again_at:
            return False
        self._used, self.look_again_at = listing, None
        try:
            self.prepared = renewed(self.config, self.dataset, self.prepared, self.reporter, self.journal)
        except (RefsortError, OSError) as error:
            self.reporter.message(f"the references changed, and the old ones stay in use: {error}")
            return False
        pictures, classes = len(self.prepared.references.paths), len(self.prepared.references.classes)
        self.reporter.message(f"the references changed: {pictures} pictures of {classes} classes are in use now")
        return True

    def _take_up_model(self) -> bool:
        """Another model was put into use: the references are embedded anew, and the judge learns anew."""
        try:
            self.reload(self.config)
        except (RefsortError, OSError) as error:
            self.reporter.message(f"another model was put into use, and the old one stays: {error}")
            return False
        self.reporter.message(f"in use now: {self.prepared.encoder.name}")
        return True

    def _prepare(self, config: Config) -> Prepared:
        prepared = self._stack.enter_context(prepare(config, self.dataset, self.reporter))
        if self.observe is not None:
            prepared.embedder.observe = self.observe
        return prepared

    def _listing(self, config: Config) -> Listing:
        """All that references are made of. Raises OSError, JournalError."""
        listing = references_listing(self.dataset)
        if config.learn_from_corrections:
            count, newest = confirmed_stamp(self.journal)
            listing |= self._by_people.listing(self.journal) | {(f"confirmed {newest}", count, 0)}
        return listing


@contextmanager
def hold_dataset(
    config: Config, dataset: Dataset, reporter: Reporter, observe: Observer | None = None
) -> Iterator[Session]:
    """Hold a dataset and settle what an interruption left. Raises RefsortError before anything is touched."""
    dataset.check()
    list_references(dataset, words=may_know_words(config, dataset))
    with ExitStack() as stack:
        journal = stack.enter_context(journal_to_write(dataset, "watch", reporter))
        session = Session(config, dataset, journal, reporter, observe)
        stack.callback(session.close)
        yield session


def references_listing(dataset: Dataset) -> Listing:
    """What lies in the references' folder. Raises OSError."""
    found: set[tuple[str, int, int]] = set()
    for folder in os.scandir(dataset.path(dataset.names.references)):
        if is_litter_folder(folder.name) or not folder.is_dir():
            continue
        found.add((f"{folder.name}/", 0, 0))
        for entry in os.scandir(folder.path):
            result = entry.stat(follow_symlinks=False)
            found.add((f"{folder.name}/{entry.name}", result.st_size, result.st_mtime_ns))
    return frozenset(found)
