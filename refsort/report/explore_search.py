"""The page of `refsort search`: what was found as a grid of pictures."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from refsort.files.journal import now
from refsort.names import show
from refsort.report.thumbnails import thumbnail

THUMBNAIL_SIDE = 200
"""Pixels of a thumbnail's height."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture on the page."""

    file: Path
    path: str
    """As it is named to a person."""
    number: str
    """Its similarity, in digits."""
    caption: str
    copies: tuple[str, ...]
    near: tuple[str, ...]


def write_search_page(place: Path, title: str, told: str, pictures: Sequence[Shown], max_pixels: int) -> Path:
    """Write the page to `place` and return that; `told`: how was searched and what the numbers are. Raises OSError."""
    place = place.expanduser()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(render(title, told, pictures, max_pixels), encoding="utf-8", errors="backslashreplace")
    return place


def render(title: str, told: str, pictures: Sequence[Shown], max_pixels: int) -> str:
    """The page as one self-contained HTML text; a click opens the picture where it lies."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    with ThreadPoolExecutor() as pool:
        drawn = list(pool.map(lambda picture: thumbnail(picture.file, THUMBNAIL_SIDE, max_pixels), pictures))
    environment = Environment(
        loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["show"] = show
    links = [_link(picture.file) for picture in pictures]
    return environment.get_template("explore_search.html.j2").render(
        title=title, told=told, written=now(), pictures=list(zip(pictures, drawn, links, strict=True))
    )


def _link(path: Path) -> str:
    """A file: address, or none for a name that has no valid one."""
    try:
        return path.resolve().as_uri()
    except (ValueError, UnicodeError):
        return ""
