"""What a search finds, and which pictures it may show."""

from dataclasses import dataclass, field
from typing import Any, Literal

from refsort.files.dataset import Dataset
from refsort.names import show

Match = Literal["pictures", "captions", "both"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which pictures may be shown; None: any."""

    classes: tuple[str, ...] = ()
    """Names of classes: the folder below Clases/ or Dataset/, in a plain folder the one that holds the picture."""
    since: float | None = None
    until: float | None = None
    """Seconds since 1970; the picture was taken in since ≤ t < until."""
    folder: str | None = None
    """Relative to the dataset."""

    def __bool__(self) -> bool:
        return bool(self.classes) or any(v is not None for v in (self.since, self.until, self.folder))


@dataclass(slots=True)
class Hit:
    """One picture that was found."""

    path: str
    similarity: float
    """What ranks: a cosine with what was matched; where captions and pictures are both matched, a sum of standard
    scores."""
    picture: float
    """Cosine with the picture, whatever was matched."""
    caption: str = ""
    """Its caption that is nearest to the query, if captions were searched."""
    caption_similarity: float | None = None
    copies: list[str] = field(default_factory=list)
    """Other files of the same content."""
    near: list[str] = field(default_factory=list)
    """Pictures that are nearly the same."""

    def as_dict(self) -> dict[str, Any]:
        return {
            "path": show(self.path),
            "similarity": round(self.similarity, 6),
            "picture_similarity": round(self.picture, 6),
            "caption": self.caption or None,
            "caption_similarity": None if self.caption_similarity is None else round(self.caption_similarity, 6),
            "copies": [show(path) for path in self.copies],
            "near_duplicates": [show(path) for path in self.near],
        }


@dataclass(frozen=True, slots=True)
class Found:
    """The answer to a query, best first."""

    hits: list[Hit]
    how: Literal["exact", "graph"]
    recall: float | None
    """Measured recall of the graph, if it was asked."""
    pictures: int
    """Rows that were searched."""
    seconds: float


def class_of(dataset: Dataset, path: str) -> str | None:
    """The class of a file of a dataset; of a plain folder, the folder that holds it. None: it has none."""
    parts = path.split("/")
    if parts[0] in (dataset.names.references, dataset.names.sorted):
        return parts[1] if len(parts) > 2 else None
    if parts[0] in (dataset.names.arrivals, dataset.names.unsure, dataset.names.unknown, dataset.names.bad):
        return None
    return parts[-2] if len(parts) > 1 else None
