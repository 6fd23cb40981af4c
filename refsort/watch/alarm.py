"""The drift alarm in a running daemon: hears of every decision, and says when arrivals are not what they were."""

from collections.abc import Callable, Iterable

from refsort.decide import CalibratedJudge, Foretold, Judge
from refsort.sorting import Item, Reporter, Reporters
from refsort.watch.drift import Drift


class Alarm(Reporters):
    """Passes everything on to a reporter, and adds a message when an alarm begins or ends."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(reporter)
        self._judge: Judge | None = None
        self._foretold: dict[str, Foretold] = {}
        self._drift = Drift({})
        self._old: set[str] = set()

    def follow(self, judge: Judge, lying: Callable[[], Iterable[str]]) -> None:
        """The judge that decides from now on; without calibration nothing is foretold, and nothing drifts.

        `lying` names what a new judge finds lying there from before: it was left aside once, and does not count again.
        """
        if judge is self._judge:
            return
        self._judge = judge
        self._old = set(lying())
        foretold = judge.foretold() if isinstance(judge, CalibratedJudge) else {}
        if _key(foretold) != _key(self._foretold):  # The same references after some trouble go on as before.
            self._foretold, self._drift = foretold, Drift(foretold)

    def words(self) -> list[str]:
        """What is wrong now; empty if nothing is."""
        return list(self._drift.alarms.values())

    def item(self, item: Item) -> None:
        super().item(item)
        decision = item.decision
        if decision is None or decision.probability is None or item.kind not in ("sorted", "unsure", "unknown"):
            return
        if item.path in self._old:
            self._old.discard(item.path)
            return
        for change in self._drift.add(decision.class_name, item.kind != "sorted", decision.probability):
            self.message(change.words)


def _key(foretold: dict[str, Foretold]) -> list[tuple[str, bytes, bytes, float]]:
    return [(name, f.known.tobytes(), f.strays.tobytes(), f.cut) for name, f in foretold.items()]
