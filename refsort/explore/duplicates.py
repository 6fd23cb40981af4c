"""What a search for duplicates finds: groups of files that are one picture, the best of each first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from refsort.files.identity import FileStat
from refsort.names import show

Kind = Literal["exact", "near"]
State = Literal["listed", "moved", "changed", "failed", "stays"]


@dataclass(slots=True)
class Looked:
    """One file of a group. Paths relative to the dataset or folder."""

    path: str
    stat: FileStat
    sha256: bytes
    kind: Kind = "exact"
    """How it equals the one that is kept."""
    correlation: float = 1.0
    cosine: float = 1.0
    width: int = 0
    height: int = 0
    sharpness: float = 0.0
    blurred: bool = False
    """Clearly less sharp than another one of its group."""
    reference: bool = False
    raw: bool = False
    """A RAW file goes with it."""
    state: State = "listed"
    target: str | None = None
    reason: str = ""

    def rank(self) -> tuple[Any, ...]:
        """Least for the one to keep."""
        return (
            *(not self.reference, not self.raw, -self.width * self.height, self.blurred),
            *(self.stat.mtime_ns, len(self.path), self.path),
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "path": show(self.path),
            "kind": self.kind,
            "correlation": round(self.correlation, 4),
            "cosine": round(self.cosine, 4),
            "width": self.width,
            "height": self.height,
            "sharpness": round(self.sharpness, 2),
            "bytes": self.stat.size,
            "state": self.state,
            "target": None if self.target is None else show(self.target),
            "reason": self.reason,
        }


@dataclass(slots=True)
class Same:
    """One picture in several files: the best of them, and the others, best first."""

    kept: Looked
    others: list[Looked]

    @property
    def kind(self) -> Kind:
        return "near" if any(other.kind == "near" for other in self.others) else "exact"


@dataclass(slots=True)
class Duplicates:
    """The outcome; `as_dict` gives the keys of `--json`."""

    name: str
    looked_at: int = 0
    unreadable: int = 0
    groups: list[Same] = field(default_factory=list)
    run: int | None = None

    def others(self) -> Iterator[Looked]:
        for group in self.groups:
            yield from group.others

    def count(self, state: State) -> int:
        return sum(other.state == state for other in self.others())

    @property
    def bytes(self) -> int:
        """What the others take on the disk."""
        return sum(other.stat.size for other in self.others())

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": show(self.name),
            "looked_at": self.looked_at,
            "unreadable": self.unreadable,
            "duplicates": sum(1 for _ in self.others()),
            "bytes": self.bytes,
            "run": self.run,
            **{state: self.count(state) for state in ("moved", "changed", "failed", "stays")},
            "groups": [
                {"kind": g.kind, "kept": g.kept.as_dict(), "others": [o.as_dict() for o in g.others]}
                for g in self.groups
            ],
        }
