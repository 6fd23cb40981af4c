"""The daemon: waits for pictures to be whole, sorts them, and stays.

Events are hints, the periodic scan is the truth. Whatever goes wrong ends the session with the dataset, and a new one
begins after a pause as a new start would: lock, journal, recovery, encoder, scan.
"""

import sqlite3
import time
from collections import Counter
from collections.abc import Callable

from refsort.config import Config
from refsort.errors import DatasetError, RefsortError
from refsort.files.dataset import Dataset
from refsort.files.journal import now as utc_now
from refsort.names import show
from refsort.sorting import Item, Reporter
from refsort.sorting.embedding import Observer
from refsort.sorting.one_pass import DECIDE_BATCH
from refsort.watch.alarm import Alarm
from refsort.watch.arrivals import Arrivals
from refsort.watch.batch import Batch, Beating
from refsort.watch.hints import Hint, Hints
from refsort.watch.looking import Looking
from refsort.watch.notify import notify
from refsort.watch.session import Session, hold_dataset
from refsort.watch.status import Status

BEAT_S = 5.0
"""Longest time without a sign of life while there is nothing to do."""
PATIENCE_US = 120_000_000
"""For systemd: a start or stop that shows life may take so much longer."""
SOON_S = 0.2
"""A new folder is looked into after so long, and not more often than SCAN_SHARE allows."""
SCAN_SHARE = 10
"""Hints about folders make scans fill at most one part in so many of the time."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
"""After trouble; doubled each time."""


class Watcher:
    """Watches one dataset until it is told to stop."""

    def __init__(
        self,
        config: Config,
        reporter: Reporter,
        *,
        reread: Callable[[], Config] | None = None,
        clock: Callable[[], float] = time.monotonic,
        observe: Observer | None = None,
    ) -> None:
        """`reread` gives the settings anew when `reload` is called; `observe` is told how long batches take."""
        self.config = config
        self.reporter: Reporter = Beating(reporter, self._alive)
        self.alarm = Alarm(self.reporter)
        self.reread = reread
        self.clock = clock
        self.observe = observe
        self.dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
        self.arrivals = Arrivals(config.settle, config.settle_closed, config.bad_after)
        self.looking = Looking(self.dataset, self.arrivals, self.reporter, clock)
        self.hints = Hints()
        self.counts: Counter[str] = Counter()
        self.status = Status(str(self.dataset.root), config.rescan)
        self._stopping = False
        self._reload = False
        self._pause = FIRST_PAUSE_S
        self._next_scan = 0.0
        self._scan_took = 0.0
        self._next_beat = 0.0
        self._passed_over: set[tuple[str, str]] = set()
        self._deaf = ""

    # -- from outside; both may be called by a signal handler

    def stop(self) -> None:
        """Finish the batch in hand and return from `run`."""
        self._stopping = True
        self.hints.put(Hint("stop"))

    def reload(self) -> None:
        """Read the settings again."""
        self._reload = True
        self.hints.put(Hint("reload"))

    def run(self) -> None:
        """Until `stop`. Raises RefsortError if it can't even begin; what fails later is waited for."""
        begun = False
        try:
            while not self._stopping:
                try:
                    with hold_dataset(self.config, self.dataset, self.reporter, self.observe) as session:
                        begun = True
                        self._serve(session)
                except (RefsortError, OSError, sqlite3.Error) as error:
                    if not begun:
                        raise
                    self._wait_out(error)
        finally:
            self.hints.stop()
            if begun:
                notify("STOPPING=1")
                self.status.state, self.status.alive = "stopped", utc_now()
                self._write_status()

    # -- the loop

    def _serve(self, session: Session) -> None:
        self.arrivals.reconsider()
        self._scan(session)
        notify("READY=1", f"STATUS=watching {show(str(self.dataset.path(self.dataset.names.arrivals)))}")
        while not self._stopping:
            if self._reload:
                self._read_settings(session)
            self.looking.look_at_due()
            more = self._sort_ready(session)
            if self.clock() >= self._next_scan:
                self._scan(session)
            elif session.look_again_at is not None and self.clock() >= session.look_again_at:
                self._refresh(session)
            self._beat()
            for hint in self.hints.wait(0.0 if more else self._until_next(session)):
                self._take(hint)

    def _until_next(self, session: Session) -> float:
        times = [self._next_scan, self._next_beat, self.arrivals.next_wake(), session.look_again_at]
        return max(0.0, min(at for at in times if at is not None) - self.clock())

    def _take(self, hint: Hint) -> None:
        if hint.kind in ("seen", "closed", "gone"):
            self.looking.look_at(hint.path)
            if hint.kind == "closed":
                self.arrivals.closed(hint.path, self.clock())
        elif hint.kind == "folder":
            self._next_scan = min(self._next_scan, self.clock() + max(SOON_S, SCAN_SHARE * self._scan_took))
        elif hint.kind == "lost":
            self.reporter.message("events were lost: the whole folder is looked at instead")
            self._next_scan = self.clock()

    def _sort_ready(self, session: Session) -> bool:
        """Sort a batch of what is whole; whether there is more."""
        groups = self.arrivals.ready(self.clock())
        batch, more = groups[:DECIDE_BATCH], len(groups) > DECIDE_BATCH
        batch = self.looking.without_writers(batch)
        if not batch:
            return more
        self.status.state = "sorting"
        self.alarm.follow(session.prepared.judge, self.arrivals.paths if self._stay_unsure() else list)
        outcome = Batch(
            *(self.arrivals, batch, self.counts, self.alarm),
            clock=self.clock,
            moves=self.config.action == "move",
        )
        changed = session.sort(batch, outcome, outcome.patience, outcome.unchanged)
        outcome.settle(self.dataset, changed)
        self._well()
        return more

    def _stay_unsure(self) -> bool:
        """Whether what no class is sure of lies there still and is looked at again."""
        return self.config.unsure == "keep" or self.config.action == "tag"

    # -- the truth

    def _scan(self, session: Session) -> None:
        """Look at everything. Raises DatasetError if the dataset is not there."""
        begun = self.clock()
        self.dataset.check()
        self._listen()
        found = self.dataset.arrivals()
        top = self.dataset.names.arrivals
        for path, reason in found.skipped:
            if path == top:
                raise DatasetError(f"{show(str(self.dataset.path(top)))} {reason}")
            if (path, reason) not in self._passed_over:
                self.reporter.item(Item(path, "skipped", reason=reason))
        self._passed_over = set(found.skipped)
        gone = set(self.arrivals.paths())
        for group in found.groups():
            for path in group.paths():
                self.looking.look_at(path)
                gone.discard(path)
        for path in gone:
            self.looking.gone(path)
        self._refresh(session)
        self._scan_took = self.clock() - begun
        self._next_scan = self.clock() + self.config.rescan
        self.status.last_scan = utc_now()
        self._alive()
        self._well()

    def _refresh(self, session: Session) -> None:
        if session.refresh(self.clock()):
            self.arrivals.reconsider()
        self.status.encoder = session.prepared.encoder.name
        self.status.references = len(session.prepared.references.paths)

    def _listen(self) -> None:
        """Have the system tell what happens; begin again where it fell silent. Without it the scans must do."""
        if self.config.poll:
            self.hints.stop()
        elif not self.hints.alive():
            if self.hints.started:
                self.reporter.message("the system's events had stopped coming; listening again")
            try:
                self.hints.start(self.dataset.path(self.dataset.names.arrivals), self.dataset.names.arrivals)
                self._deaf = ""
            except OSError as error:
                self._say_once(f"no events ({error}); the folder is looked at every {self.config.rescan:g} s")
        self.status.events = self.hints.started

    def _say_once(self, text: str) -> None:
        if text != self._deaf:
            self.reporter.message(text)
        self._deaf = text

    # -- settings, trouble, signs of life

    def _read_settings(self, session: Session) -> None:
        self._reload = False
        if self.reread is None:
            return
        try:
            config = self.reread()
            if (config.dataset_path.resolve(), config.folders, config.state_dir) != (
                self.config.dataset_path.resolve(),
                self.config.folders,
                self.config.state_dir,
            ):
                raise DatasetError("dataset, data_dir, folders and state_dir change by a new start only")
            session.reload(config)
        except (RefsortError, OSError) as error:
            self.reporter.message(f"the settings stay as they were: {error}")
            return
        self.config = config
        arrivals = self.arrivals
        arrivals.settle, arrivals.settle_closed, arrivals.bad_after = (
            *(config.settle, config.settle_closed, config.bad_after),
        )
        self.status.rescan = config.rescan
        self._next_scan = self.clock()
        arrivals.reconsider()
        self.reporter.message("the settings were read again")

    def _wait_out(self, error: Exception) -> None:
        """Say what is wrong, once, and wait; longer each time."""
        self.hints.stop()
        text = str(error)
        if text != self.status.error:
            self.reporter.message(f"{text}; it is tried again until it works")
        self.status.trouble(text)
        self._write_status()
        notify("WATCHDOG=1", f"STATUS={show(text)}")
        until = self.clock() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE_S)
        while not self._stopping and self.clock() < until:
            self.hints.wait(min(until - self.clock(), BEAT_S))
            notify("WATCHDOG=1")

    def _well(self) -> None:
        if self.status.error is not None:
            self.reporter.message("it works again")
        self.status.error = None
        self.status.state = "watching"
        self._pause = FIRST_PAUSE_S
        self._write_status()

    def _alive(self) -> None:
        """Something was done."""
        self.status.alive = utc_now()
        self._beat()

    def _beat(self) -> None:
        """Show life, not too often."""
        if self.clock() >= self._next_beat:
            self._next_beat = self.clock() + BEAT_S
            notify("WATCHDOG=1", f"EXTEND_TIMEOUT_USEC={PATIENCE_US}")
            self._write_status()

    def _write_status(self) -> None:
        self.status.queue = self.arrivals.waiting()
        self.status.counts = dict(self.counts)
        self.status.drift = self.alarm.words()
        self.status.write(self.dataset.state)
