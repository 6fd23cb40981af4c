"""What becomes of the files of one batch, told to the arrivals and to whoever listens."""

from collections import Counter
from collections.abc import Callable, Sequence

from refsort.files.dataset import Dataset
from refsort.files.groups import Group
from refsort.files.identity import look
from refsort.sorting import Item, Reporter, Reporters, Run
from refsort.watch.arrivals import Arrivals


class Beating(Reporters):
    """A reporter that shows life with every picture, reference or arrival."""

    def __init__(self, reporter: Reporter, beat: Callable[[], None]) -> None:
        super().__init__(reporter)
        self.beat = beat

    def step(self) -> None:
        super().step()
        self.beat()


class Batch:
    """The reporter of one pass. A failure that repeats itself is told once."""

    def __init__(
        self,
        arrivals: Arrivals,
        groups: Sequence[Group],
        counts: Counter[str],
        reporter: Reporter,
        *,
        clock: Callable[[], float],
        moves: bool,
    ) -> None:
        """`moves`: whether a filed picture leaves its place."""
        self.arrivals = arrivals
        self.groups = {group.path: group for group in groups}
        self.counts = counts
        self.reporter = reporter
        self.clock = clock
        self.moves = moves
        self._passed_over: list[str] = []
        self._spared: set[str] = set()

    def patience(self, path: str) -> bool:
        """Whether a file that can't be decoded gets another chance."""
        if self.arrivals.failed_to_decode(path, self.clock()):
            return False
        self._spared.add(path)
        return True

    def unchanged(self, path: str, kind: str) -> None:
        """An earlier run has left it, and nothing has changed since: no news."""
        self.arrivals.decided(path, again=kind in ("unsure", "unknown"))

    def settle(self, dataset: Dataset, changed: Sequence[str]) -> None:
        """After a pass that ended well: what was passed over stays, but for what changed meanwhile."""
        for path in self._passed_over:
            self.arrivals.decided(path)
        for path in changed:
            stat = look(dataset.path(path))
            if stat is None:
                self.arrivals.gone(path)
            else:
                self.arrivals.seen(path, stat, self.clock())
                self.arrivals.busy(path, self.clock())

    # -- a Reporter

    def message(self, text: str) -> None:
        self.reporter.message(text)

    def stage(self, name: str, total: int) -> None:
        pass

    def step(self) -> None:
        self.reporter.step()

    def item(self, item: Item) -> None:
        if self._note(item):
            self.counts[item.kind] += 1
            self.reporter.item(item)

    def end(self, run: Run) -> None:
        self.reporter.end(run)

    def _note(self, item: Item) -> bool:
        """Tell the arrivals; whether it is news."""
        path = item.path
        if item.target is not None and self.moves:
            for member in self.groups[path].paths():
                self.arrivals.gone(member)
        elif item.target is not None or item.kind == "bad":
            self.arrivals.decided(path)
        elif item.kind in ("unsure", "unknown"):
            self.arrivals.decided(path, again=True)
        elif item.kind == "failed":
            return self.arrivals.failed(path, self.clock())
        elif path in self._spared:
            return self.arrivals.failures(path) == 1
        else:
            self._passed_over.append(path)
        return True
