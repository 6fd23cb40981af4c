"""Which names are probably free. Only a guess that saves tries: the claim itself decides."""

import os
from pathlib import Path

from refsort.names import fold, numbered


class TakenNames:
    """Folded names in the folders that a run fills, listed once and kept up to date by what we put there.

    About 100 bytes a name: what is taken only because of its spelling no claim would find.
    """

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}
        self._next: dict[tuple[str, str], int] = {}
        """(folder, folded name) → the number to be tried next, for names that were taken once."""

    def choose(self, targets: list[Path], stem: str, *, after: int = 0) -> tuple[list[Path], int]:
        """The first number under which all targets look free, and the targets with that number.

        `after`: the number that was just found taken.
        """
        chosen, number = self.choose_texts([target.as_posix() for target in targets], stem, after=after)
        return [Path(target) for target in chosen], number

    def choose_texts(self, targets: list[str], stem: str, *, after: int = 0) -> tuple[list[str], int]:
        """The same for paths as texts with forward slashes: for a million files, as a Path costs more than the rest."""
        parts = [(folder, name) for folder, _, name in (target.rpartition("/") for target in targets)]
        key = (parts[0][0], fold(parts[0][1]))
        number = max(self._next.get(key, 1), after + 1)
        while True:
            chosen = [(folder, numbered(name, number, stem)) for folder, name in parts]
            folded = [(self._listing(folder), fold(name)) for folder, name in chosen]
            if not any(name in names for names, name in folded):
                break
            number += 1
        if number > 1:
            self._next[key] = number + 1
        for names, name in folded:
            names.add(name)
        return [f"{folder}/{name}" for folder, name in chosen], number

    def _listing(self, folder: str) -> set[str]:
        names = self._names.get(folder)
        if names is None:
            try:
                names = {fold(name) for name in os.listdir(folder)}  # noqa: PTH208  (names only, no Path each)
            except FileNotFoundError:
                names = set()
            self._names[folder] = names
        return names
