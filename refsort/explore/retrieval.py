"""How often a caption finds its picture, and a picture its caption: recall@1, @5 and @10."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from refsort.encoders import Floats
from refsort.errors import DatasetError
from refsort.explore.nearest import Ints, exact_many
from refsort.explore.store import Space, Store

AT = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Recall at AT; a query counts as answered if one right answer is among so many."""

    pictures: int
    captions: int
    caption_to_picture: tuple[float, ...]
    picture_to_caption: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        found = asdict(self)
        for way in ("caption_to_picture", "picture_to_caption"):
            found[way] = {f"recall@{k}": round(v, 4) for k, v in zip(AT, found[way], strict=True)}
        return found


def retrieval(store: Store) -> Retrieval:
    """Each caption of the index as a query among all its pictures, and each captioned picture among all captions.

    A picture is right for a caption if it bears it; several may, where captions are alike. Compared exactly. Raises
    DatasetError if there is no caption.
    """
    query = (
        "SELECT p.row, v.row FROM captions c JOIN files f ON f.path=c.path AND f.content IS NOT NULL"
        " JOIN vectors p ON p.space='pictures' AND p.content=f.content"
        " JOIN vectors v ON v.space='captions' AND v.content=c.content"
    )
    pairs = np.array(store.db.execute(query).fetchall(), dtype=np.int64).reshape(-1, 2)
    if not len(pairs):
        raise DatasetError(
            "no picture here has a caption: captions.txt holds lines 'image,caption', photo.txt is beside it"
        )
    pictures, picture_rows = _live(store, "pictures", "files")
    captions, caption_rows = _live(store, "captions", "captions")
    right = {(int(p), int(c)) for p, c in pairs}
    by_caption = picture_rows[exact_many(pictures, store.view("captions")[pairs[:, 1]], max(AT))]
    asked = np.unique(pairs[:, 0])
    by_picture = caption_rows[exact_many(captions, store.view("pictures")[asked], max(AT))]
    return Retrieval(
        len(picture_rows),
        len(pairs),
        _recall([[(int(p), int(c)) in right for p in row] for row, c in zip(by_caption, pairs[:, 1], strict=True)]),
        _recall([[(int(p), int(c)) in right for c in row] for row, p in zip(by_picture, asked, strict=True)]),
    )


def _live(store: Store, space: Space, table: str) -> tuple[Floats, Ints]:
    """The rows that belong to something, and their numbers."""
    query = f"SELECT DISTINCT v.row FROM vectors v JOIN {table} t ON t.content=v.content WHERE v.space=? ORDER BY v.row"
    numbers = np.array([row for (row,) in store.db.execute(query, (space,))], dtype=np.int64)
    rows = store.view(space)
    return (rows if len(numbers) == len(rows) else rows[numbers]), numbers


def _recall(answers: list[list[bool]]) -> tuple[float, ...]:
    return tuple(float(np.mean([any(row[:k]) for row in answers])) for k in AT)


def retrieval_text(found: Retrieval) -> str:
    """As a table."""
    head = f"  {found.captions} captions, {found.pictures} pictures" + " " * 8
    lines = [head.ljust(36) + "".join(f"{f'recall@{k}':>11}" for k in AT)]
    for name, values in (
        ("a caption finds its picture", found.caption_to_picture),
        ("a picture finds its caption", found.picture_to_caption),
    ):
        lines.append(f"  {name}".ljust(36) + "".join(f"{100 * value:9.1f} %" for value in values))
    return "\n".join(lines)
