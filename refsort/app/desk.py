"""The datasets that the page was started with, and what is kept warm for them. Nothing else can be reached."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from refsort.app.jobs import Jobs
from refsort.app.thumbnails import Thumbnails
from refsort.config import Config
from refsort.errors import DatasetError, UnsafeName
from refsort.files.by_hand import begin
from refsort.files.confirmed import confirmed_stamp
from refsort.files.dataset import Dataset
from refsort.files.inside import inside
from refsort.files.journal import Journal
from refsort.files.survey import HandMade
from refsort.names import show
from refsort.sorting.events import Reporters
from refsort.sorting.models import model_store
from refsort.sorting.prepared import Prepared, prepare, renewed
from refsort.sorting.sorter import journal_to_look_at, journal_to_share
from refsort.watch.session import references_listing

Stamp = tuple[object, ...]


class Room:
    """One dataset on the desk."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
        self.jobs = Jobs()
        self.thumbnails = Thumbnails(config)
        self.warm = threading.RLock()
        """Held while the warm encoder works: one thread at a time."""
        self._stack = ExitStack()
        self._prepared: tuple[str, Stamp, Prepared] | None = None
        self._by_people = HandMade(self.dataset)
        self._hand: int | None = None

    @property
    def name(self) -> str:
        return self.config.dataset

    @property
    def tops(self) -> frozenset[str]:
        """The folders whose pictures may be seen."""
        names = self.dataset.names
        return frozenset(
            {names.references, names.arrivals, names.sorted, names.unsure, names.unknown, names.bad, names.duplicates}
        )

    def path(self, relative: str) -> Path:
        """Absolute path of a picture that the page named. Raises UnsafeName."""
        return inside(self.dataset, relative, self.tops)

    # -- the journal

    def looking(self) -> AbstractContextManager[Journal | None]:
        """The journal to read; None if nothing was ever sorted. Raises JournalError."""
        return journal_to_look_at(self.dataset)

    @contextmanager
    def filing(self) -> Iterator[tuple[Journal, int]]:
        """The journal to write beside whoever holds the dataset, and the run of what is filed by hand on this page."""
        with journal_to_share(self.dataset, Reporters()) as journal:
            if self._hand is None or not journal.rows("SELECT 1 FROM runs WHERE id=? AND kind='hand'", (self._hand,)):
                self._hand = begin(journal)
            yield journal, self._hand

    # -- the encoder

    @contextmanager
    def prepared(self) -> Iterator[Prepared]:
        """Encoder, references and judge, kept warm and made anew when references, words or models change.

        One thread at a time. Raises RefsortError as `prepare` does.
        """
        with self.warm:
            model, stamp = str(model_store(self.dataset).stamp()), self._stamp()
            if self._prepared is None or self._prepared[0] != model:
                self.cool()
                made = self._stack.enter_context(prepare(self.config, self.dataset, Reporters()))
                self._prepared = model, stamp, made
            elif self._prepared[1] != stamp:
                made = renewed(self.config, self.dataset, self._prepared[2], Reporters())
                self._prepared = model, stamp, made
            yield self._prepared[2]

    def cool(self) -> None:
        """Let the warm encoder go."""
        with self.warm:
            self._prepared = None
            self._stack.close()
            self._stack = ExitStack()

    def _stamp(self) -> Stamp:
        """Changes with all that references are made of. Raises OSError, JournalError."""
        found: list[object] = [references_listing(self.dataset)]
        if self.config.learn_from_corrections:
            with self.looking() as journal:
                if journal is not None:
                    found += [confirmed_stamp(journal), self._by_people.listing(journal)]
        return tuple(found)


class Desk:
    """All rooms, by the names of their datasets."""

    def __init__(self, configs: Sequence[Config]) -> None:
        """Raises DatasetError if there is none, or one is not there."""
        if not configs:
            raise DatasetError("there is no dataset to show; 'refsort demo' makes one")
        self.rooms = {config.dataset: Room(config) for config in configs}
        for room in self.rooms.values():
            room.dataset.check()

    def room(self, name: str) -> Room:
        """Raises UnsafeName for a dataset that the page was not started with."""
        room = self.rooms.get(name)
        if room is None:
            raise UnsafeName(f"there is no dataset {show(name)} on this page")
        return room

    def close(self) -> None:
        for room in self.rooms.values():
            room.jobs.close()
            room.cool()
