"""The map of `refsort map` as a PNG file, by matplotlib, which is not part of the light core."""

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from refsort.errors import BadPicture
from refsort.explore.map import Map, Point
from refsort.files.dataset import Dataset
from refsort.images import read_picture
from refsort.names import show
from refsort.report.explore_map import METHODS
from refsort.report.glyphs import drawable, families
from refsort.report.palette import GREY_LIGHT, Mark, marks

DPI = 140
SIZE = (8.4, 8.0)
"""Inches of the map itself; the legend comes beside it."""
IN_LEGEND = 66
"""Groups that the legend names."""
PER_COLUMN = 33
NAMED = 40
"""Classes up to which each one's name stands among its points."""
LABELLED = 150
"""File names or phrases that are written at most."""
PICTURE = 44
"""Pixels of a picture on the map."""
LONGEST = 26
"""Letters of a name that are shown."""
INK, HALO = "#1c2330", "#ffffff"


def write_map_png(
    found: Map, dataset: Dataset, path: Path, max_pixels: int, *, pictures: bool, labels: bool
) -> Path | None:
    """Draw the map; returns the path, or None where matplotlib is not installed. Raises OSError."""
    if find_spec("matplotlib") is None:
        return None
    from matplotlib import rc_context

    style: Any = {"font.family": families(), "text.parse_math": False}
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font does not have
        figure = _draw(found, dataset, max_pixels, pictures=pictures, labels=labels)
        figure.savefig(path, dpi=DPI)
    return path


def _draw(found: Map, dataset: Dataset, max_pixels: int, *, pictures: bool, labels: bool) -> Any:
    from matplotlib.figure import Figure

    columns = -(-min(len(found.groups), IN_LEGEND) // PER_COLUMN)
    figure = Figure(figsize=(SIZE[0] + 2.5 * columns, SIZE[1]), layout="constrained")
    axes = figure.subplots()
    axes.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set_color("#dfe3ea")
    counts = f"{len(found.images)} pictures" + (f", {len(found.texts)} phrases (diamonds)" if found.texts else "")
    axes.set_title(f"{_short(found.title)}: {METHODS[found.method]} of {counts}", fontsize=14)
    if found.explained:
        axes.set_xlabel(f"first axis: {found.explained[0]:.0%} of the variance")
        axes.set_ylabel(f"second axis: {found.explained[1]:.0%} of the variance")
    group_marks = dict(zip(found.groups, marks(found.groups, found.grey), strict=True))
    _dots(axes, found, group_marks)
    if pictures:
        _pictures(axes, found.images, group_marks, dataset, max_pixels)
    _words(axes, found, labels)
    _legend(figure, found, group_marks)
    return figure


def _style(mark: Mark) -> dict[str, Any]:
    """A mark as matplotlib's line markers have it."""
    made: dict[str, Any] = {"marker": "o", "color": mark.light, "linestyle": "none", "markeredgewidth": 1.2}
    if mark.filling == "half":
        return made | {"fillstyle": "left", "markerfacecoloralt": "#ffffff"}
    if mark.filling in ("ring", "bull"):
        return made | {"markerfacecolor": "#ffffff"}
    return made | {"markeredgewidth": 0.4, "markeredgecolor": "#ffffff"}


def _dots(axes: Any, found: Map, group_marks: dict[str, Mark]) -> None:
    size = 9.0 if len(found.points) <= 300 else 6.0 if len(found.points) <= 2000 else 3.5
    order = np.random.default_rng(0).random(len(found.points))  # no class on top everywhere
    for group in [*found.grey, *(g for g in found.groups if g not in found.grey)]:
        own = [index for index, p in enumerate(found.points) if p.group == group and not p.is_text]
        mark = group_marks[group]
        for layer in range(4):
            part = [found.points[index] for index in own if int(order[index] * 4) == layer]
            at = [p.x for p in part], [p.y for p in part]
            depth = 1.0 if group in found.grey else 2 + layer / 10
            axes.plot(*at, markersize=size, zorder=depth, **_style(mark))
            if mark.filling == "bull":
                dot = {"marker": "o", "color": mark.light, "linestyle": "none", "markeredgewidth": 0}
                axes.plot(*at, markersize=size * 0.4, zorder=depth + 0.05, **dot)
    for p in found.texts:
        axes.plot(
            [p.x], [p.y], marker="D", markersize=9, color=group_marks[p.group].light, markeredgecolor=INK, zorder=4
        )


def _pictures(axes: Any, points: list[Point], group_marks: dict[str, Mark], dataset: Dataset, max_pixels: int) -> None:
    """Small pictures where none lies yet, framed in the colour of their class."""
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage
    from PIL import Image

    taken: set[tuple[int, int]] = set()
    step = PICTURE / DPI / SIZE[1] * 2.3
    for point in points:
        place = (int(point.x // step), int(point.y // step))
        if place in taken:
            continue
        try:
            image = Image.fromarray(
                read_picture(dataset.path(point.name).read_bytes(), side=PICTURE * 2, max_pixels=max_pixels)
            )
        except (OSError, BadPicture):
            continue
        taken.add(place)
        image.thumbnail((PICTURE * 2, PICTURE * 2))
        frame = {"edgecolor": group_marks[point.group].light, "linewidth": 1.5, "boxstyle": "square,pad=0.05"}
        small = OffsetImage(np.asarray(image), zoom=0.5 * 72 / DPI)
        axes.add_artist(AnnotationBbox(small, (point.x, point.y), pad=0.1, bboxprops=frame, zorder=3))


def _words(axes: Any, found: Map, labels: bool) -> None:
    """Phrases, names of classes at their medians, names of files: each where nothing is written yet."""
    boxes: list[tuple[float, float, float, float]] = []

    def write(text: str, x: float, y: float, size: float, **style: Any) -> None:
        wide, high = 0.0012 * size * len(text) + 0.01, 0.0026 * size
        x = min(max(x, -1.05 + wide), max(1.05 - wide, 0.0))
        box = (x - wide, y - high, x + wide, y + high)
        if all(b[2] < box[0] or box[2] < b[0] or b[3] < box[1] or box[3] < b[1] for b in boxes):
            boxes.append(box)
            drawn = axes.text(x, y, text, fontsize=size, ha="center", va="center", zorder=6, clip_on=True, **style)
            drawn.set_path_effects(halo)

    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3, foreground=HALO)]
    for p in found.texts[:LABELLED]:
        write(f"“{_short(p.name)}”", p.x, p.y + 0.045, 10, style="italic", color=INK)
    classes = [group for group in found.groups if group not in found.grey]
    if len(classes) <= NAMED:
        for group in classes:
            own = np.array([(p.x, p.y) for p in found.images if p.group == group])
            if len(own):
                near = own[np.abs(own - np.median(own, axis=0)).sum(axis=1).argmin()]
                write(_short(group), float(near[0]), float(near[1]), 12, weight="bold", color=INK)
    if labels:
        for p in found.images[:: max(1, len(found.images) // (LABELLED * 4))]:
            if len(boxes) < LABELLED:
                write(_short(p.name.rpartition("/")[2]), p.x, p.y - 0.032, 7, color="#5d6778")


def _legend(figure: Any, found: Map, group_marks: dict[str, Mark]) -> None:
    from matplotlib.lines import Line2D

    shown = found.groups[:IN_LEGEND]
    handles = [Line2D([], [], markersize=7, label=_short(group), **_style(group_marks[group])) for group in shown]
    if len(found.groups) > IN_LEGEND:
        more = f"and {len(found.groups) - IN_LEGEND} more"
        handles.append(Line2D([], [], marker="none", linestyle="none", color=GREY_LIGHT, label=more))
    if handles:
        columns = -(-len(shown) // PER_COLUMN)
        figure.legend(handles=handles, loc="outside right upper", frameon=False, fontsize=10, ncols=columns)


def _short(text: str) -> str:
    shown = show(drawable(text))
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
