"""The map of the small CLIP: phrases of both languages lie with the pictures that they describe."""

import logging
from pathlib import Path

import numpy as np
import pytest

from refsort.explore.map import Map, Phrase, Wish, make_map
from refsort.explore.projection import Method
from refsort.explore.source import open_source
from tests.encoders.tiny_clip import CLASSES, COLOURS, caption
from tests.explore.helpers import Listener, config, shapes

EACH = 10


def mapped(folder: Path, phrases: list[Phrase], method: Method) -> Map:
    with open_source(config(), folder, Listener(), text=True) as source:
        return make_map(source, Wish(method=method), phrases, Listener())


def with_own(found: Map, wanted: list[str]) -> float:
    """Of the phrases, the share whose nearest middle of a class's pictures is that of the class wanted for each."""
    classes = sorted({point.group for point in found.images})
    middles = [np.mean([(p.x, p.y) for p in found.images if p.group == name], axis=0) for name in classes]
    places = np.array([(p.x, p.y) for p in found.texts])
    nearest = np.linalg.norm(places[:, None] - np.array(middles), axis=2).argmin(axis=1)
    share = float(np.mean([classes[n] == name for n, name in zip(nearest, wanted, strict=True)]))
    logging.info("%s: %.3f of %d phrases lie with their class", found.method, share, len(wanted))
    return share


@pytest.mark.parametrize(("method", "colours"), [("pca", ["red"]), ("pca", ["blue", "yellow"]), ("tsne", COLOURS)])
def test_phrases_lie_with_the_pictures_of_their_class(tmp_path: Path, method: Method, colours: list[str]) -> None:
    """A plane of two principal axes has room for few classes; t-SNE's has room for all twenty."""
    if method == "tsne":
        pytest.importorskip("sklearn")
    shapes(tmp_path, EACH, seed=6, colours=colours)
    kinds = [(shape, colour) for shape, colour in CLASSES if colour in colours]
    phrases = [Phrase(caption(shape, colour, language)) for language in ("en", "es") for shape, colour in kinds]
    wanted = [f"{colour} {shape}" for shape, colour in kinds] * 2
    assert with_own(mapped(tmp_path, phrases, method), wanted) >= 0.95


def test_a_phrase_keeps_its_place_in_any_company(tmp_path: Path) -> None:
    shapes(tmp_path, EACH, seed=6, colours=["red", "blue"])
    same = [Phrase("a red ring"), Phrase("un anillo rojo"), Phrase("red ring")]
    others = [Phrase("a blue bar"), Phrase("a blue cross")]
    found = mapped(tmp_path, same, "pca")
    assert with_own(found, ["red ring"] * 3) == 1
    assert mapped(tmp_path, [*same, *others], "pca").texts[:3] == found.texts
