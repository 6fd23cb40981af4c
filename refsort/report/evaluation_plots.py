"""Charts of an evaluation as PNG files, by matplotlib, which is not part of the light core."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from refsort.decide.evaluate import Evaluation
from refsort.names import show
from refsort.report.evaluation_charts import risk_top
from refsort.report.evaluation_words import by_corruption, percent
from refsort.sorting.corruptions import STRENGTHS
from refsort.sorting.evaluating import Evaluated
from refsort.sorting.robustness import Spoilt

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#e69f00", "#009e73", "#555555"
"""Of Okabe & Ito's palette, which colour-blind people can tell apart too."""
DPI = 130
NUMBERED = 30
"""Classes up to which the cells of the confusion matrix show their numbers."""
NAMED = 120
"""Classes up to which each row has its name."""
FONTS = (
    *("DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("PingFang SC", "Hiragino Sans", "Arial Unicode MS", "Noto Sans Arabic", "Noto Sans Devanagari"),
)
"""The first comes with matplotlib; the others, where installed, have what it lacks."""
LONGEST = 28
"""Letters of a class name that are shown."""


def write_plots(found: Evaluated, folder: Path) -> list[Path] | None:
    """Draw the PNG files; returns their paths, or None where matplotlib is not installed. Raises OSError."""
    if find_spec("matplotlib") is None:
        return None
    from matplotlib import font_manager, rc_context

    drawings: dict[str, Callable[[], Figure | None]] = {
        "confusion.png": lambda: _confusion(found.evaluation),
        "reliability.png": lambda: _reliability(found),
        "risk_coverage.png": lambda: _risk_coverage(found),
        "corruptions.png": lambda: _corruptions(found.corruptions),
    }
    written = []
    installed = set(font_manager.get_font_names())
    fonts = [name for name in FONTS if name in installed]
    style: Any = {
        "font.family": fonts,
        "font.size": 11,
        "axes.titlesize": 12,
        "text.parse_math": False,
        "figure.dpi": DPI,
    }
    with rc_context(style), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # a name in a script that the font does not have
        for name, draw in drawings.items():
            path = folder / name
            figure = draw()
            if figure is None:
                path.unlink(missing_ok=True)  # of an earlier evaluation: it would tell of other pictures
                continue
            figure.savefig(path)
            written.append(path)
    return written


def _figure(width: float, height: float) -> tuple["Figure", Any]:
    """An empty chart, in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _confusion(result: Evaluation) -> "Figure":
    """Rows are normalised: each shows where the pictures of one class went."""
    counts = result.confusion if result.confusion[-1].any() else result.confusion[:-1]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [_short(name) for name in result.classes]
    rows, columns = [*names, "no class"][: len(counts)], [*names, "unsure", "unknown"]
    cell = 0.46 if len(names) <= NUMBERED else 0.2 if len(names) <= NAMED else 12 / len(names)
    longest = 0.085 * max(map(len, [*rows, *columns]))
    figure, axes = _figure(2.6 + cell * len(columns) + longest, 2.2 + cell * len(rows) + longest)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    step = 1 if len(names) <= NAMED else -(-len(names) // NAMED)
    size = 10 if len(names) <= NUMBERED else 8
    axes.set_xticks(range(0, len(columns), step), columns[::step], rotation=90, fontsize=size)
    axes.set_yticks(range(0, len(rows), step), rows[::step], fontsize=size)
    axes.spines[:].set_visible(True)
    axes.axvline(len(names) - 0.5, color=GREY, linewidth=1)
    axes.axhline(len(names) - 0.5, color=GREY, linewidth=1)
    if len(names) <= NUMBERED:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.55 else "black"
            number = int(counts[row, column])
            axes.text(
                column, row, str(number), ha="center", va="center", color=colour, fontsize=9 if number < 1000 else 7
            )
    axes.set_xlabel("moved to, or left aside")
    axes.set_ylabel("true class")
    axes.set_title("Where the pictures went")
    figure.colorbar(shown, ax=axes, label="share of the row", shrink=min(1.0, 3 / (cell * len(rows) + 0.1)))
    return figure


def _reliability(found: Evaluated) -> "Figure | None":
    calibration = found.evaluation.calibration
    if calibration is None:
        return None
    figure, axes = _figure(5.6, 5.2)
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="exactly true")
    stated = [b.probability for b in calibration.bins]
    right = [b.right.value or 0.0 for b in calibration.bins]
    lengths = np.abs(np.array([b.right.interval for b in calibration.bins]).T - right)
    axes.errorbar(
        stated, right, lengths, color=BLUE, marker="o", capsize=3, label="a tenth of the pictures, 95 % interval"
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel="stated probability", ylabel="share right", aspect="equal")
    ece = f"ECE {percent(calibration.ece)} (by chance {percent(calibration.ece_by_chance)})"
    axes.set_title(f"Are the probabilities true?\n{ece}, Brier score {calibration.brier:.3f}")
    axes.legend(loc="lower right")
    return figure


def _risk_coverage(found: Evaluated) -> "Figure":
    result = found.evaluation
    curve = result.risk_coverage
    figure, axes = _figure(6.4, 4.6)
    axes.plot(curve.coverage, curve.risk, color=BLUE, linewidth=2, label="if the most confident ones are moved")
    axes.axhline(found.max_wrong, color=GREY, linestyle="--", linewidth=1, label=f"max_wrong = {found.max_wrong:g}")
    if result.wrong.value is not None:
        moved = result.wrong.total / found.pictures
        axes.plot(moved, result.wrong.value, "o", color=ORANGE, markersize=10, markeredgecolor="black", label="now")
    axes.set(xlim=(0, 1.02), ylim=(0, risk_top(curve, found.max_wrong)))
    axes.set(xlabel="share of the pictures moved", ylabel="share wrong among the moved")
    axes.set_title(f"Moving more, erring more\nAURC {curve.aurc:.3f} (best possible {curve.best_aurc:.3f})")
    axes.legend(loc="best")
    return figure


def _corruptions(results: tuple[Spoilt, ...]) -> "Figure | None":
    if not results:
        return None
    from matplotlib.figure import Figure

    groups = by_corruption(results)
    columns = 5
    rows = -(-len(groups) // columns)
    figure = Figure(figsize=(13, 3.1 * rows + 0.9), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    steps = (0, *STRENGTHS)
    for axes, (name, group) in zip(grid.flat, groups, strict=False):
        for key, colour, mark, label in (
            ("accuracy", BLUE, "o", "best class right"),
            ("moved", GREEN, "s", "moved"),
            ("wrong", ORANGE, "^", "wrong among the moved"),
        ):
            shares = [getattr(result, key).value for result in (results[0], *group)]
            axes.plot(steps, [np.nan if s is None else s for s in shares], color=colour, marker=mark, label=label)
        axes.set_title(name)
        axes.set(ylim=(-0.03, 1.03), xticks=steps)
        axes.grid(axis="y", color="#dddddd")
    for axes in grid.flat[len(groups) :]:
        axes.set_visible(False)
    figure.supxlabel("strength (0: the picture as it is)")
    figure.supylabel("share")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure


def _short(name: str) -> str:
    text = show(name)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
