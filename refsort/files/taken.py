"""Which names are probably free. Only a guess that saves tries: the claim itself decides."""

import os
from collections import defaultdict
from pathlib import Path

from refsort.names import fold, numbered


class TakenNames:
    """Folded names in the folders that a run fills, listed once and kept up to date by what we put there."""

    def __init__(self) -> None:
        self._names: dict[Path, set[str]] = {}
        self._next: dict[tuple[Path, str], int] = defaultdict(lambda: 1)

    def choose(self, targets: list[Path], stem: str, *, after: int = 0) -> tuple[list[Path], int]:
        """The first number under which all targets look free, and the targets with that number.

        `after`: the number that was just found taken.
        """
        key = (targets[0].parent, fold(targets[0].name))
        number = max(self._next[key], after + 1)
        while True:
            chosen = [t.with_name(numbered(t.name, number, stem)) for t in targets]
            if not any(fold(t.name) in self._listing(t.parent) for t in chosen):
                break
            number += 1
        self._next[key] = number + 1
        for target in chosen:
            self._listing(target.parent).add(fold(target.name))
        return chosen, number

    def _listing(self, folder: Path) -> set[str]:
        names = self._names.get(folder)
        if names is None:
            try:
                names = {fold(name) for name in os.listdir(folder)}  # noqa: PTH208  (names only, no Path each)
            except FileNotFoundError:
                names = set()
            self._names[folder] = names
        return names
