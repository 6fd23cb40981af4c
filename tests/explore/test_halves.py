"""Halves of a picture: all of it is in them, and never of another picture than was embedded."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.explore.halves import half_vectors, halves
from refsort.explore.source import open_source
from tests.encoders.tiny_clip import draw_shape
from tests.explore.helpers import Listener, config


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 1)])
def test_two_and_two_are_the_whole(size: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    left, right, upper, lower = halves(rgb)
    assert np.array_equal(np.concatenate([left, right[:, size[1] % 2 :]], axis=1), rgb)
    assert np.array_equal(np.concatenate([upper, lower[size[0] % 2 :]], axis=0), rgb)


def test_a_half_has_the_vector_of_a_picture_of_it_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one, other = draw_shape(rng, "ring", "red"), draw_shape(rng, "bar", "blue")
    both = Image.new("RGB", (192, 96))
    both.paste(one, (0, 0))
    both.paste(other, (96, 0))
    for name, picture in {"both": both, "one": one, "other": other}.items():
        picture.save(tmp_path / f"{name}.png")
    with open_source(config(), tmp_path, Listener(), text=False) as source:
        whole, *alone = source.embedder.stream(["both.png", "one.png", "other.png"])
        found = half_vectors(source.embedder, whole)
        assert found.shape == (4, source.encoder.dim)
        assert np.array_equal(found[:2], np.stack([picture.vector for picture in alone]))
        one.save(tmp_path / "both.png")
        assert len(half_vectors(source.embedder, whole)) == 0, "it has changed since"
        (tmp_path / "both.png").unlink()
        assert len(half_vectors(source.embedder, whole)) == 0, "it is gone"
