"""Names as a drawing can show them: a sign that no font here has is written as its name, in brackets."""

import re
import unicodedata
from functools import cache
from typing import Any

from refsort.report.evaluation_plots import FONTS

OUTLINES = ("Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol", "Symbola")
"""Fonts whose emoji matplotlib can draw; it knows no coloured bitmaps, so neither Noto Color Emoji nor Apple's."""
INVISIBLE = re.compile("[\u200d\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")
"""What joins emoji, asks for them in colour or not, and gives skin a tone: boxes in a font that doesn't know them."""
FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
"""Two regional indicators, the letters of a country's code."""
FIRST_INDICATOR = 0x1F1E6


def families() -> list[str]:
    """The font families to draw with, the first that has a letter giving it; needs matplotlib."""
    from matplotlib import font_manager

    installed = set(font_manager.get_font_names())
    return [name for name in (*FONTS, *OUTLINES) if name in installed]


def drawable(text: str) -> str:
    """The text with `[spouting whale]` in place of an emoji that would be an empty box; needs matplotlib.

    Letters of a script without a font stay: their names would say nothing to those who can read them.
    """
    plain = FLAG.sub(_flag, INVISIBLE.sub("", text))
    return "".join(sign if sign.isascii() else _sign(sign) for sign in plain).replace("][", " ")


def _flag(found: re.Match[str]) -> str:
    """`[flag ES]`: no font that matplotlib can draw with has flags."""
    return f"[flag {''.join(chr(ord(sign) - FIRST_INDICATOR + ord('A')) for sign in found[0])}]"


def _sign(sign: str) -> str:
    name = unicodedata.name(sign, "").lower() if unicodedata.category(sign) == "So" else ""
    if not name or any(font.get_char_index(ord(sign)) for font in _fonts()):
        return sign
    return f"[{name}]"


@cache
def _fonts() -> list[Any]:
    from matplotlib import font_manager

    return [font_manager.get_font(font_manager.findfont(name)) for name in families()]
