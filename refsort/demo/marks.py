"""How many came right: the answers of a demo dataset, and the marks a run gets."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file

FILE = "demo.json"


@dataclass(slots=True)
class Truth:
    """SHA-256 of a picture → its class, or None if it belongs to none. Kept by content: names change, bytes don't."""

    rendered: bool
    answers: dict[str, str | None] = field(default_factory=dict)

    def add(self, path: Path, class_name: str | None) -> None:
        """Note the answer for one picture."""
        self.answers[hash_file(path).hex()] = class_name

    def save(self, dataset: Dataset) -> None:
        dataset.state.mkdir(parents=True, exist_ok=True)
        content = {"rendered": self.rendered, "answers": self.answers}
        (dataset.state / FILE).write_text(json.dumps(content), encoding="utf-8")

    @classmethod
    def load(cls, dataset: Dataset) -> "Truth | None":
        """The answers of a demo dataset; None for any other dataset."""
        try:
            content = json.loads((dataset.state / FILE).read_text(encoding="utf-8"))
            return cls(content["rendered"], content["answers"])
        except (OSError, ValueError, KeyError):
            return None


@dataclass(frozen=True, slots=True)
class Marks:
    """What became of the pictures of a demo."""

    right: int
    """In the folder of their own class."""
    wrong: int
    """In the folder of another class."""
    aside: int
    """Have a class, but were left in doubt."""
    strays_aside: int
    """Belong to no class and were left in doubt, as they should be."""
    strays_sorted: int
    """Belong to no class and were put into one."""

    @property
    def members(self) -> int:
        return self.right + self.wrong + self.aside

    @property
    def strays(self) -> int:
        return self.strays_aside + self.strays_sorted

    @property
    def share_right(self) -> float:
        """Right decisions among all: own class for members, left in doubt for strays."""
        return (self.right + self.strays_aside) / max(self.members + self.strays, 1)


def mark(dataset: Dataset, truth: Truth) -> Marks:
    """Look where each picture of a demo lies now."""
    counts: Counter[str] = Counter()
    names = dataset.names
    places = {names.sorted: True, names.unsure: False, names.unknown: False, names.arrivals: False}
    for folder, is_sorted in places.items():
        for path in dataset.files(folder) if dataset.path(folder).is_dir() else ():
            key = hash_file(dataset.path(path)).hex()
            if key not in truth.answers:
                continue
            own = truth.answers[key]
            if not is_sorted:
                counts["aside" if own is not None else "strays_aside"] += 1
            elif own is None:
                counts["strays_sorted"] += 1
            else:
                counts["right" if path.split("/")[1] == own else "wrong"] += 1
    return Marks(*(counts["right"], counts["wrong"], counts["aside"], counts["strays_aside"], counts["strays_sorted"]))
