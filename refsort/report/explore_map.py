"""The page of `refsort map`: one self-contained HTML file with a canvas of our own, and nothing from the network."""

import base64
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from refsort.explore.map import Map
from refsort.files.dataset import Dataset
from refsort.files.journal import now
from refsort.names import show, to_bytes
from refsort.report.palette import marks
from refsort.report.tiles import Tiles, make_tiles

TILES = ((800, 96), (3000, 64))
"""Up to so many pictures the page holds each one in a square of so many pixels: about 3 and 7 MB. Beyond, none."""
METHODS = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
FINE = 32767
"""Steps of a coordinate between 0 and 1."""


def tile_side(pictures: int) -> int:
    """Pixels of the small pictures inside the page; 0 if there are too many pictures for that."""
    return next((side for most, side in TILES if pictures <= most), 0)


def write_map_page(
    found: Map,
    dataset: Dataset,
    path: Path,
    max_pixels: int,
    *,
    shown: str,
    labels: bool,
    step: Callable[[], None] = lambda: None,
) -> Path:
    """Write the page; `shown`: "dots" or "pictures" on the points at first. `step` is told of each small picture.

    Raises OSError.
    """
    side = tile_side(len(found.images))
    tiles = make_tiles([dataset.path(point.name) for point in found.images], side, max_pixels, step) if side else None
    html = render(found, dataset, path.parent, tiles, shown=shown, labels=labels)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8", errors="backslashreplace")
    return path


def render(found: Map, dataset: Dataset, folder: Path, tiles: Tiles | None, *, shown: str, labels: bool) -> str:
    """The page as text; links to the pictures count from `folder`."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["show"] = show
    script = files("refsort.report").joinpath("templates/map.js").read_text(encoding="utf-8")
    # Only this very script runs, whatever a file name may hold.
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    counts = {group: sum(point.group == group for point in found.points) for group in found.groups}
    return environment.get_template("map.html.j2").render(
        map=found,
        method=METHODS[found.method],
        asked=METHODS[found.asked],
        written=now(),
        counts=counts,
        script=script,
        allowed=allowed,
        tiles=tiles is not None,
        data=as_script_data(page_data(found, dataset, folder, tiles, shown=shown, labels=labels)),
    )


def as_script_data(data: dict[str, Any]) -> str:
    """JSON that may stand inside a script element: no name can end it or begin a comment."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def page_data(
    found: Map, dataset: Dataset, folder: Path, tiles: Tiles | None, *, shown: str, labels: bool
) -> dict[str, Any]:
    """What the script draws: pictures first, then phrases; numbers packed, folders named once."""
    images, texts = found.images, found.texts
    points = [*images, *texts]
    number = {group: index for index, group in enumerate(found.groups)}
    folders: dict[str, int] = {}
    inside = [folders.setdefault(point.name.rpartition("/")[0], len(folders)) for point in images]
    names = [point.name.rpartition("/")[2] for point in images]
    return {
        "images": len(images),
        "xy": _packed([[point.x * FINE, point.y * FINE] for point in points], "<i2"),
        "group": _packed([number[point.group] for point in points], "<u2"),
        "folder": _packed(inside, "<u4"),
        "folders": [_link(dataset.path(name), folder) for name in folders],
        "places": [show(name) for name in folders],
        "names": [*map(show, names), *(show(point.name) for point in texts)],
        # Names that can't be told from how they are shown.
        "odd": {index: quote(to_bytes(name)) for index, name in enumerate(names) if show(name) != name},
        "said": {index: show(point.said) for index, point in enumerate(points) if point.said},
        "groups": [
            {"name": show(group), "light": mark.light, "dark": mark.dark, "filling": mark.filling}
            for group, mark in zip(found.groups, marks(found.groups, found.grey), strict=True)
        ],
        "grey": [number[group] for group in found.grey],
        "side": tiles.side if tiles else 0,
        "sheets": tiles.sheets if tiles else [],
        "sizes": _packed(tiles.sizes if tiles else [], "u1"),
        "shown": shown if tiles else "dots",
        "labels": labels,
    }


def _packed(values: Sequence[Any], kind: str) -> str:
    """Numbers as base64 of their bytes, lowest first."""
    return base64.b64encode(np.round(np.array(values, dtype=np.float64)).astype(kind).tobytes()).decode("ascii")


def _link(target: Path, folder: Path) -> str:
    """How a page in `folder` reaches a folder of pictures: relative, so that both may move together."""
    try:
        relative = os.path.relpath(target, folder).replace(os.sep, "/")
    except ValueError:  # another drive
        return target.resolve().as_uri()
    return quote(to_bytes(relative))
