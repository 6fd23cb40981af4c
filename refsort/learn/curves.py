"""How a training went, as a small picture. matplotlib is imported inside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refsort.decide import Labels

LONGEST = 20
"""Letters of a class name on the axes."""
MOST_NUMBERS = 30
"""Columns up to which the counts are written into the fields."""


def draw(history: Sequence[dict[str, float]], path: Path) -> bool:
    """Loss of what was learned from and of what was left out, mean over the folds, by epoch.

    `history`: a row with fold, epoch, loss, left_out (NaN: nothing was) and accuracy for each. False, and no file,
    without matplotlib or without an epoch.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    if not history:
        return False
    figure = Figure(figsize=(7, 2.8), dpi=100, layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, keys in ((left, ("loss", "left_out")), (right, ("accuracy",))):
        for key in keys:
            epochs, values = _means(history, key)
            axes.plot(epochs, values, label=WORDS[key])
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(frameon=False)
    left.set_ylabel("cross-entropy")
    right.set_ylabel("accuracy of the head")
    right.set_ylim(0, 1)
    figure.savefig(path)
    return True


def draw_confusion(counts: Labels, classes: Sequence[str], path: Path) -> bool:
    """What each class was taken for. `counts` int[c + 1, c + 2]: rows are the truth, the last one of no class; columns
    are the classes that pictures were moved to, then what was left as unsure and as unknown. False without matplotlib.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    rows = [i for i in range(len(counts)) if i < len(classes) or counts[i].any()]
    shares = counts[rows] / np.maximum(counts[rows].sum(axis=1, keepdims=True), 1)
    edge = 0.32 * counts.shape[1] + 2
    figure = Figure(figsize=(edge, edge * 0.9), dpi=80, layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [name if len(name) <= LONGEST else name[: LONGEST - 1] + "…" for name in classes]
    names = [name.replace("$", r"\$") for name in names]  # which would begin a formula
    axes.set_xticks(range(counts.shape[1]), [*names, "unsure", "unknown"], rotation=90)
    axes.set_yticks(range(len(rows)), [*names, "no class"][: len(rows)])
    if counts.shape[1] <= MOST_NUMBERS:
        for (y, x), count in np.ndenumerate(counts[rows]):
            if count:
                axes.text(x, y, str(count), ha="center", va="center", color="white" if shares[y, x] > 0.5 else "black")
    axes.set_xlabel("decided")
    axes.set_ylabel("in truth")
    figure.savefig(path)
    return True


WORDS = {"loss": "learned from", "left_out": "left out", "accuracy": "left out"}


def _means(history: Sequence[dict[str, float]], key: str) -> tuple[list[int], list[Any]]:
    epochs = sorted({int(row["epoch"]) for row in history})
    rows = [[row[key] for row in history if row["epoch"] == epoch and np.isfinite(row[key])] for epoch in epochs]
    return [epoch + 1 for epoch in epochs], [float(np.mean(row)) if row else float("nan") for row in rows]
