"""A daemon's eyes: looks at files for the arrivals, and says once what keeps one from being sorted or takes it away."""

from collections.abc import Callable

from refsort.files.dataset import Dataset
from refsort.files.groups import Group
from refsort.files.identity import look
from refsort.sorting import Item, Reporter
from refsort.watch.arrivals import Arrivals
from refsort.watch.writing import being_written


class Looking:
    """Tells the arrivals what lies there, and the reporter of files that go, or stay open, before they are sorted."""

    def __init__(self, dataset: Dataset, arrivals: Arrivals, reporter: Reporter, clock: Callable[[], float]) -> None:
        self.dataset = dataset
        self.arrivals = arrivals
        self.reporter = reporter
        self.clock = clock
        self._open_since: dict[str, float | None] = {}
        """When a file was first found open for writing; None once that was said."""

    def look_at(self, path: str) -> None:
        """A file may have come, changed or gone."""
        try:
            stat = look(self.dataset.path(path))
        except PermissionError:
            return  # Its folder may not be entered now; perhaps later.
        if stat is None:
            self.gone(path)
        else:
            self.arrivals.seen(path, stat, self.clock())

    def look_at_due(self) -> None:
        """Files whose wait is over."""
        for path in self.arrivals.due(self.clock()):
            self.look_at(path)

    def gone(self, path: str) -> None:
        """It is not there any more; that is said if it has not been dealt with."""
        if self.arrivals.state(path) not in (None, "filed"):
            self.reporter.item(Item(path, "skipped", reason="it is gone"))
        self._open_since.pop(path, None)
        self.arrivals.gone(path)

    def without_writers(self, groups: list[Group]) -> list[Group]:
        """The groups whose files nobody has open for writing; the wait of the others begins anew."""
        paths = {self.dataset.path(path): path for group in groups for path in group.paths()}
        busy = {paths[path] for path in being_written(paths)}
        for path in busy:
            self.arrivals.busy(path, self.clock())
            self._still_open(path)
        for path in self._open_since.keys() & set(paths.values()) - busy:
            del self._open_since[path]
        return [group for group in groups if not busy.intersection(group.paths())]

    def _still_open(self, path: str) -> None:
        """Say of a file that stays open for longer than one that can't be decoded would be waited for."""
        since = self._open_since.setdefault(path, self.clock())
        if since is not None and self.clock() >= since + self.arrivals.bad_after:
            self._open_since[path] = None
            self.reporter.item(Item(path, "skipped", reason="it is still open for writing by another program"))
