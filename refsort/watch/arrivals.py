"""When an arrival is whole. A pure state machine: the clock is passed in, and nothing here looks at a disk.

    seen → settling → ready → filed | waiting | bad

The caller tells what it sees of a file (`seen`, `closed`, `gone`) and asks what to look at next (`due`, `next_wake`)
and what may be sorted (`ready`). Times are seconds of a monotonic clock. Stats are compared for equality only: what a
modification time says, and whether it lies in the future, has no influence.
"""

import heapq
from collections import defaultdict
from dataclasses import dataclass
from typing import Literal

from refsort.files.groups import Group, gather
from refsort.files.identity import FileStat

State = Literal["settling", "ready", "waiting", "filed"]

LONGEST_BACK_OFF_S = 600.0
"""Seconds between two attempts at a file that can't be read or filed."""


@dataclass(slots=True)
class _File:
    stat: FileStat
    since: float
    """When it was last seen to change, or to be closed by a writer."""
    closed: bool = False
    quiet: bool = False
    """It was looked at after its wait and had not changed."""
    done: bool = False
    again: bool = False
    """Done, until the references change."""
    failures: int = 0
    undecoded_since: float | None = None
    retry_at: float = 0.0
    wake_at: float | None = None
    """The time under which it stands in the heap."""


class Arrivals:
    """The files of a drop folder, by their paths relative to the dataset. Memory: what lies there, nothing more."""

    def __init__(self, settle: float, settle_closed: float, bad_after: float) -> None:
        """Seconds without change before a file is whole, the same after its writer closed it, and patience with one
        that can't be decoded."""
        self.settle = settle
        self.settle_closed = settle_closed
        self.bad_after = bad_after
        self._files: dict[str, _File] = {}
        self._open: set[str] = set()
        """Quiet and not done: may be ready, if its group is."""
        self._wakes: list[tuple[float, str]] = []
        self._kin: dict[str, set[str]] = defaultdict(set)
        """Names that may belong together, by folder and the part of the name before the first dot."""
        self._groups: dict[str, dict[str, Group]] = {}

    def __len__(self) -> int:
        return len(self._files)

    def __contains__(self, path: str) -> bool:
        return path in self._files

    def paths(self) -> list[str]:
        """Everything known."""
        return list(self._files)

    def waiting(self) -> int:
        """How many files are still to be dealt with; what came late for a picture that is done is not."""
        return sum(not file.done and not self._files[self._group(path).path].done for path, file in self._files.items())

    def state(self, path: str) -> State | None:
        """Where a file stands; None if it is not known."""
        file = self._files.get(path)
        if file is None:
            return None
        if file.done:
            return "filed"
        if not file.quiet:
            return "settling"
        return "waiting" if file.failures else "ready"

    def failures(self, path: str) -> int:
        """Vain attempts since it last changed."""
        file = self._files.get(path)
        return 0 if file is None else file.failures

    # -- what the caller sees

    def seen(self, path: str, stat: FileStat, now: float) -> None:
        """A file lies there. Any change begins its wait anew, whatever was decided about it before."""
        file = self._files.get(path)
        if file is None:
            file = self._files[path] = _File(stat, now)
            folder, name = _parts(path)
            self._kin[_kin(folder, name)].add(name)
            self._groups.pop(_kin(folder, name), None)
            self._wake(path, file)
        elif not file.stat.same_file(stat):
            file.stat = stat
            self._begin_again(path, file, now)
        elif not file.quiet and now >= file.since + self._wait(file):
            file.quiet = True
            if not file.done:
                self._open.add(path)
                if file.retry_at > now:
                    self._put(path, file, file.retry_at)
        elif not file.quiet and file.wake_at is None:
            self._wake(path, file)

    def closed(self, path: str, now: float) -> None:
        """A writer closed it, or it was renamed into place: from now on a short wait is enough."""
        file = self._files.get(path)
        if file is not None and not file.quiet:
            file.closed = True
            file.since = now
            self._wake(path, file)

    def busy(self, path: str, now: float) -> None:
        """It changed while it was looked at, or somebody has it open for writing: its wait begins anew."""
        file = self._files.get(path)
        if file is not None:
            self._begin_again(path, file, now)

    def gone(self, path: str) -> None:
        """It is not there any more, and is forgotten."""
        if self._files.pop(path, None) is None:
            return
        self._open.discard(path)
        folder, name = _parts(path)
        key = _kin(folder, name)
        self._groups.pop(key, None)
        self._kin[key].discard(name)
        if not self._kin[key]:
            del self._kin[key]
        self._tidy()

    # -- what became of it

    def decided(self, path: str, *, again: bool = False) -> None:
        """It was dealt with and lies there still: nothing more until it changes.

        With `again` also when the references change, see `reconsider`.
        """
        file = self._files.get(path)
        if file is not None:
            file.done, file.again = True, again
            self._open.discard(path)

    def failed(self, path: str, now: float) -> bool:
        """It could not be read or filed; later again, less and less often. True for the first time."""
        file = self._files.get(path)
        if file is None:
            return True
        self._retry(path, file, now, LONGEST_BACK_OFF_S)
        return file.failures == 1

    def failed_to_decode(self, path: str, now: float) -> bool:
        """True if it is bad; False if it gets another chance, as it may still be coming."""
        file = self._files.get(path)
        if file is None:
            return True
        if file.undecoded_since is None:
            file.undecoded_since = now
        left = file.undecoded_since + self.bad_after - now
        if left <= 0:
            return True
        self._retry(path, file, now, left)
        return False

    def reconsider(self) -> None:
        """The references changed: what was kept because of them is ready again."""
        for path, file in self._files.items():
            if file.again:
                file.done = file.again = False
                if file.quiet:
                    self._open.add(path)

    # -- what to do next

    def due(self, now: float) -> list[str]:
        """Files whose wait is over, to be looked at now and told by `seen` or `gone`. Each is named once a wait."""
        found = []
        while self._wakes and self._wakes[0][0] <= now:
            at, path = heapq.heappop(self._wakes)
            file = self._files.get(path)
            if file is None or file.wake_at != at:
                continue
            file.wake_at = None
            found.append(path)
        return found

    def next_wake(self) -> float | None:
        """When `due` has something to say; None if nothing is waited for."""
        while self._wakes:
            at, path = self._wakes[0]
            file = self._files.get(path)
            if file is not None and file.wake_at == at:
                return at
            heapq.heappop(self._wakes)
        return None

    def ready(self, now: float) -> list[Group]:
        """Groups that may be sorted: every file of them is whole, and no attempt is due later. In a fixed order."""
        found: dict[str, Group] = {}
        for path in self._open:
            group = self._group(path)
            if group.path not in found and self._is_ready(group, now):
                found[group.path] = group
        return [found[path] for path in sorted(found)]

    def _is_ready(self, group: Group, now: float) -> bool:
        main = self._files[group.path]
        return not main.done and main.retry_at <= now and all(self._files[path].quiet for path in group.paths())

    def _group(self, path: str) -> Group:
        folder, name = _parts(path)
        key = _kin(folder, name)
        if key not in self._groups:
            groups = gather(folder, sorted(self._kin[key]))
            self._groups[key] = {member: group for group in groups for member in (group.main, *group.others)}
        return self._groups[key][name]

    # -- within

    def _wait(self, file: _File) -> float:
        return self.settle_closed if file.closed else self.settle

    def _begin_again(self, path: str, file: _File, now: float) -> None:
        fresh = _File(file.stat, now, wake_at=file.wake_at)
        self._files[path] = fresh
        self._open.discard(path)
        self._wake(path, fresh)

    def _retry(self, path: str, file: _File, now: float, longest: float) -> None:
        file.failures += 1
        back_off = max(self.settle, self.settle_closed, 0.1) * 2.0 ** min(file.failures - 1, 30)
        file.retry_at = now + min(back_off, longest, LONGEST_BACK_OFF_S)
        self._put(path, file, file.retry_at)

    def _wake(self, path: str, file: _File) -> None:
        self._put(path, file, file.since + self._wait(file))

    def _put(self, path: str, file: _File, at: float) -> None:
        if file.wake_at != at:
            file.wake_at = at
            heapq.heappush(self._wakes, (at, path))
            self._tidy()

    def _tidy(self) -> None:
        """Entries of the heap that mean nothing any more are dropped before they outnumber the others."""
        if len(self._wakes) > 2 * len(self._files) + 64:
            self._wakes = [(f.wake_at, path) for path, f in self._files.items() if f.wake_at is not None]
            heapq.heapify(self._wakes)


def _parts(path: str) -> tuple[str, str]:
    folder, _, name = path.rpartition("/")
    return folder, name


def _kin(folder: str, name: str) -> str:
    """Files that belong together agree in this; so do others."""
    return f"{folder}/{name.partition('.')[0]}"
