"""No empty box in a drawing where an emoji stood."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from refsort.explore.map import PHRASES, Map, Point
from refsort.files.dataset import Dataset
from refsort.report import glyphs
from refsort.report.explore_map_png import write_map_png
from refsort.report.explore_phrases import draw_phrases
from refsort.report.explore_similarity import Grid, draw_grid
from refsort.report.glyphs import drawable

pytest.importorskip("matplotlib")

EMOJI = "azul 🐳 ❤️ 👩🏽\u200d🚀 🇪🇸"


@pytest.fixture(autouse=True)
def no_font_for_emoji(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where only the font is there that comes with matplotlib."""
    monkeypatch.setattr(glyphs, "families", lambda: ["DejaVu Sans"])
    glyphs._fonts.cache_clear()


def test_what_no_font_has_is_named() -> None:
    assert drawable("azul 🐳") == "azul [spouting whale]"
    assert drawable("👩🏽\u200d🚀") == "[woman rocket]"
    assert drawable("la 🇪🇸 y 🇲🇽🇨🇴") == "la [flag ES] y [flag MX flag CO]"


@pytest.mark.parametrize("text", ["", "perro ñandú", "a photo of “x” [y]", "☺ 😀 → ©", "日本", "b\udcff\x07"])
def test_what_can_be_drawn_or_has_no_better_name_stays(text: str) -> None:
    assert drawable(text) == text


def draw_map(folder: Path) -> None:
    points = [Point(0.0, 0.0, f"Images/{EMOJI}.png", EMOJI), Point(0.5, 0.5, EMOJI, PHRASES, is_text=True)]
    found = Map(EMOJI, "builtin", "pca", "pca", 0, (0.5, 0.25), points, [EMOJI, PHRASES], [PHRASES], 1)
    write_map_png(found, Dataset(folder), folder / "m.png", 1, pictures=False, labels=True)


def draw_bars(folder: Path) -> None:
    draw_phrases([folder / f"{EMOJI}.png"], [EMOJI, "x"], np.array([[0.6, 0.4]]), folder / "p.png", 1)


def draw_table(folder: Path) -> None:
    draw_grid(Grid(folder, [f"{EMOJI}.png"], [EMOJI], np.ones((1, 1)), True, "builtin"), folder / "g.png", 1)


@pytest.mark.parametrize("draw", [draw_map, draw_bars, draw_table])
def test_drawings_hold_no_box(draw: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib warns of each sign that it has no glyph for; the drawings themselves don't want to hear of it."""
    monkeypatch.setattr(warnings, "filterwarnings", lambda *_, **__: None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        draw(tmp_path)
    assert [str(warning.message) for warning in told if "Glyph" in str(warning.message)] == []
