"""A real, small CLIP, trained on coloured shapes, sorts them through the same code as clip-ViT-B-32."""

from pathlib import Path

import numpy as np

from tests.e2e.helpers import on, refsort
from tests.encoders.tiny_clip import COLOURS, SHAPES, draw_shape, tiny_clip_folder

REFERENCES, ARRIVALS = 5, 8


def test_shapes_are_sorted_by_a_clip_from_a_folder(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    dataset = tmp_path / "Formas"
    truth = {}
    (dataset / "Images").mkdir(parents=True)
    for shape in SHAPES:
        for colour in COLOURS:
            name = f"{colour} {shape}"
            (dataset / "Clases" / name).mkdir(parents=True)
            for number in range(REFERENCES + ARRIVALS):
                picture = draw_shape(rng, shape, colour)
                if number < REFERENCES:
                    picture.save(dataset / "Clases" / name / f"{number}.png")
                else:
                    truth[f"{len(truth):04}.png"] = name
                    picture.save(dataset / "Images" / f"{len(truth) - 1:04}.png")
    done = refsort("sort", *on(dataset), "--encoder", tiny_clip_folder(), "--unsure", "off", "--json")
    assert done.code == 0, done.err
    right = sum((dataset / "Dataset" / own / name).exists() for name, own in truth.items())
    assert right / len(truth) >= 0.95
