"""A page of pictures in sections, each with a line beneath: what moves from where to where, what looks alike."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.files.journal import now
from refsort.names import show
from refsort.report.thumbnails import thumbnail

SIDE = 144
"""Pixels of a thumbnail's height."""
SHOWN = 60
"""Pictures of a section that are shown."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture: where it lies, relative to the dataset, and what is said of it."""

    path: str
    caption: str


@dataclass(frozen=True, slots=True)
class PictureSection:
    """Pictures under a heading."""

    title: str
    hint: str
    pictures: Sequence[Shown]


def write_pictures_page(
    path: Path, title: str, lead: str, sections: Sequence[PictureSection], dataset: Dataset, config: Config
) -> None:
    """One self-contained HTML page. Raises OSError."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    paths = list(dict.fromkeys(picture.path for section in sections for picture in section.pictures[:SHOWN]))
    with ThreadPoolExecutor() as pool:
        drawn = pool.map(lambda place: thumbnail(dataset.path(place), SIDE, config.max_pixels), paths)
        thumbnails = dict(zip(paths, drawn, strict=True))
    environment = Environment(
        loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["show"] = show
    html = environment.get_template("pictures.html.j2").render(
        title=title, lead=lead, written=now(), sections=sections, thumbnails=thumbnails, shown=SHOWN
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8", errors="backslashreplace")
