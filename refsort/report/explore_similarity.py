"""The table of pictures and phrases: in the terminal, as a page with small pictures, as CSV and as a drawing."""

import csv
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsort.names import show
from refsort.report.evaluation_plots import DPI
from refsort.report.explore_phrases import matplotlib_style, short
from refsort.report.glyphs import drawable
from refsort.report.thumbnails import thumbnail

THUMBNAIL = 96
"""Pixels of a small picture's height."""
PAGE_ROWS, PAGE_COLUMNS = 2000, 60
"""Pictures and phrases on a page; the CSV has all."""
TERMINAL_ROWS = 200
DRAWN_ROWS, DRAWN_COLUMNS = 40, 30
NAME, CELL = 26, 7
"""Letters of a file's name and of a number in the terminal."""
DARK, LIGHT = (11, 78, 124), (247, 250, 252)
"""RGB of the largest and of the smallest value."""


@dataclass(frozen=True, slots=True)
class Grid:
    """`values` float[n, c] of pictures `paths` (below `root`) and phrases `labels`; shares of one, or cosines."""

    root: Path
    paths: list[str]
    labels: list[str]
    values: NDArray[Any]
    shares: bool
    encoder: str
    note: str = ""

    def written(self, value: float) -> str:
        """A number as it is shown."""
        return f"{100 * value:.1f} %" if self.shares else f"{value:.3f}"

    def strength(self, value: float) -> float:
        """0 for what has no colour, 1 for the strongest: shares as they are, cosines between the extremes."""
        if self.shares:
            return float(value)
        low, high = float(self.values.min()), float(self.values.max())
        return (float(value) - low) / (high - low) if high > low else 0.0

    def columns(self, most: int) -> list[int]:
        """The phrases that are shown if there is room for `most`: those that are strongest somewhere."""
        if len(self.labels) <= most:
            return list(range(len(self.labels)))
        best = np.argsort(-self.values.max(axis=0), kind="stable")[:most]
        return sorted(int(j) for j in best)


def colour_of(strength: float) -> tuple[tuple[int, int, int], str]:
    """Ground (RGB) and ink (hex) of a cell."""
    ground = tuple(round(low + strength * (high - low)) for high, low in zip(DARK, LIGHT, strict=True))
    return (ground[0], ground[1], ground[2]), "#ffffff" if strength > 0.5 else "#1c2330"


def grid_text(grid: Grid, width: int, *, colour: bool) -> str:
    """For the console, in `width` letters; `colour`: with grounds for a terminal of many colours."""
    columns = grid.columns(max((width - NAME - 2) // (CELL + 2), 1))
    lines = [f"{'':{NAME}}" + "".join(f"  [{j + 1}]".rjust(CELL + 2) for j in columns)]
    for i, path in enumerate(grid.paths[:TERMINAL_ROWS]):
        cells = []
        for j in columns:
            text = grid.written(grid.values[i, j]).rjust(CELL)
            if colour:
                (r, g, b), ink = colour_of(grid.strength(grid.values[i, j]))
                text = f"\x1b[48;2;{r};{g};{b}m\x1b[{97 if ink == '#ffffff' else 30}m{text}\x1b[0m"
            cells.append("  " + text)
        lines.append(f"{short(path, NAME):{NAME}}" + "".join(cells))
    lines += [""] + [f"  [{j + 1}] {short(grid.labels[j], 70)}" for j in columns]
    lines += list(_left_out(grid, columns, TERMINAL_ROWS))
    return "\n".join(lines)


def _left_out(grid: Grid, columns: list[int], rows: int) -> Iterator[str]:
    if len(columns) < len(grid.labels):
        yield f"phrases not shown: {len(grid.labels) - len(columns)} of {len(grid.labels)} (--csv has all)"
    if rows < len(grid.paths):
        yield f"pictures not shown: {len(grid.paths) - rows} of {len(grid.paths)} (--csv has all)"


def write_csv(grid: Grid, path: Path) -> None:
    """A row a picture, a column a phrase, UTF-8 with the mark that spreadsheets look for. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["picture", *map(_harmless, grid.labels)])
        for name, row in zip(grid.paths, grid.values, strict=True):
            writer.writerow([_harmless(name), *(f"{value:.6f}" for value in row)])


def _harmless(text: str) -> str:
    """Spreadsheets run what begins like a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def write_page(grid: Grid, path: Path, max_pixels: int) -> None:
    """One self-contained HTML page. Raises OSError."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["show"] = show
    columns = grid.columns(PAGE_COLUMNS)
    rows = [_page_row(grid, i, columns, max_pixels) for i in range(min(len(grid.paths), PAGE_ROWS))]
    html = environment.get_template("similarity.html.j2").render(
        grid=grid,
        labels=[grid.labels[j] for j in columns],
        rows=rows,
        left_out=list(_left_out(grid, columns, PAGE_ROWS)),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8", errors="backslashreplace")


def _page_row(grid: Grid, i: int, columns: list[int], max_pixels: int) -> dict[str, Any]:
    best = max(columns, key=lambda j: grid.values[i, j])
    cells = []
    for j in columns:
        ground, ink = colour_of(grid.strength(grid.values[i, j]))
        style = f"background:rgb{ground};color:{ink}"
        cells.append({"text": grid.written(grid.values[i, j]), "style": style, "best": j == best})
    picture = thumbnail(grid.root / grid.paths[i], THUMBNAIL, max_pixels)
    return {"path": grid.paths[i], "picture": picture, "cells": cells}


def draw_grid(grid: Grid, path: Path, max_pixels: int) -> bool:
    """Write a PNG; False where matplotlib is not installed. Raises OSError."""
    if find_spec("matplotlib") is None:
        return False
    from matplotlib import rc_context
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    columns, rows = grid.columns(DRAWN_COLUMNS), min(len(grid.paths), DRAWN_ROWS)
    colours = LinearSegmentedColormap.from_list("grid", [tuple(c / 255 for c in part) for part in (LIGHT, DARK)])
    strength = np.array([[grid.strength(grid.values[i, j]) for j in columns] for i in range(rows)])
    with rc_context(matplotlib_style()), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph")
        # Inches: a cell is as wide as its number, a row as high as its small picture.
        figure = Figure(figsize=(3.2 + 0.82 * len(columns), 1.9 + 0.62 * rows), dpi=DPI, layout="constrained")
        axes = figure.subplots()
        axes.imshow(strength, cmap=colours, vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(
            range(len(columns)), [short(drawable(grid.labels[j]), 24) for j in columns], rotation=35, ha="left"
        )
        axes.set_yticks(range(rows), [short(drawable(name.rpartition("/")[2]), 18) for name in grid.paths[:rows]])
        axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
        axes.tick_params(axis="y", pad=50)
        axes.spines[:].set_visible(False)
        for i in range(rows):
            _beside(axes, grid.root / grid.paths[i], i, max_pixels)
            for at, j in enumerate(columns):
                ink = colour_of(strength[i, at])[1]
                axes.text(at, i, grid.written(grid.values[i, j]), ha="center", va="center", color=ink, fontsize=9)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    return True


def _beside(axes: Any, path: Path, row: int, max_pixels: int) -> None:
    """A small picture between the name and the first cell of a row."""
    import base64
    import io

    from matplotlib.offsetbox import AnnotationBbox, OffsetImage
    from PIL import Image

    data = thumbnail(path, THUMBNAIL, max_pixels)
    if not data:
        return
    image = Image.open(io.BytesIO(base64.b64decode(data.partition(",")[2])))
    image.thumbnail((72, 72))
    box = OffsetImage(np.asarray(image), zoom=0.54)
    axes.add_artist(
        AnnotationBbox(
            box,
            (0, row),
            xybox=(-26, 0),
            xycoords=("axes fraction", "data"),
            boxcoords="offset points",
            frameon=False,
            annotation_clip=False,
        )
    )
