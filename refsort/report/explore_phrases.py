"""What pictures said to phrases: a table in the terminal, and a drawing with bars beside each picture."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from refsort.errors import BadPicture
from refsort.images import read_picture
from refsort.names import show
from refsort.report.evaluation_plots import BLUE, DPI, GREY
from refsort.report.glyphs import drawable, families

Values = NDArray[Any]
BAR = 24
"""Letters of the longest bar in the terminal."""
DRAWN, BARS = 12, 12
"""Pictures drawn at most, and bars beside each."""
LONGEST = 42
"""Letters of a phrase that are shown."""
SIDE = 480
"""Pixels of a drawn picture's height."""


def short(text: str, longest: int = LONGEST) -> str:
    """The text as it can be shown, its end left out if it is long."""
    plain = show(text)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def phrases_text(paths: Sequence[str], labels: Sequence[str], shares: Values, cosines: Values, top: int) -> str:
    """For the console; `shares` and `cosines` float[n, c]."""
    lines = []
    for i, path in enumerate(paths):
        order = np.argsort(-cosines[i], kind="stable")[:top]
        width = max(len(short(labels[j])) for j in order)
        lines += ["", show(path)] if i else [show(path)]
        for j in order:
            bar = "█" * round(BAR * float(shares[i, j]))
            lines.append(
                f"  {short(labels[j]):{width}}  {100 * shares[i, j]:5.1f} %  {cosines[i, j]:6.3f}  {bar}".rstrip()
            )
        if len(labels) > len(order):
            lines.append(f"  … and {len(labels) - len(order)} more phrases")
    return "\n".join(lines)


def matplotlib_style() -> dict[str, Any]:
    """Settings under which names in any script are drawn where a font for it is installed."""
    return {"font.family": families(), "font.size": 11, "text.parse_math": False}


def draw_phrases(pictures: Sequence[Path], labels: Sequence[str], shares: Values, path: Path, max_pixels: int) -> bool:
    """Write a PNG with the first pictures and their bars; False where matplotlib is not installed. Raises OSError."""
    if find_spec("matplotlib") is None:
        return False
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    count, bars = min(len(pictures), DRAWN), min(len(labels), BARS)
    with rc_context(matplotlib_style()), warnings.catch_warnings():  # type: ignore[arg-type]
        warnings.filterwarnings("ignore", message="Glyph")
        height = max(2.2, 0.36 * bars + 0.8)
        figure = Figure(figsize=(10, height * count), dpi=DPI, layout="constrained")
        for i, axes in enumerate(figure.subplots(count, 2, squeeze=False, width_ratios=[1, 1.6])):
            _picture(axes[0], pictures[i], max_pixels)
            order = np.argsort(-shares[i], kind="stable")[:bars]
            _bars(axes[1], [short(drawable(labels[j])) for j in order], [float(shares[i, j]) for j in order])
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png")
    return True


def _picture(axes: Any, path: Path, max_pixels: int) -> None:
    axes.axis("off")
    axes.set_title(short(drawable(path.name), 30), fontsize=10)
    try:
        axes.imshow(read_picture(path.expanduser().read_bytes(), side=SIDE, max_pixels=max_pixels))
    except (OSError, BadPicture):
        axes.text(0.5, 0.5, "no preview", ha="center", va="center", color=GREY)


def _bars(axes: Any, names: list[str], shares: list[float]) -> None:
    places = range(len(names))
    axes.barh(places, shares, color=[BLUE, *["#9ec3dc"] * (len(names) - 1)], height=0.7)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.14)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    for at, share in enumerate(shares):
        axes.text(share + 0.01, at, f"{100 * share:.1f} %", va="center", fontsize=10, color=GREY)
