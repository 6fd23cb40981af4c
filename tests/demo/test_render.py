"""The demo dataset: complete, readable, the same again for the same seed."""

import io
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from refsort.demo.render import ARRIVALS, LOST, REFERENCES, SIZE, noise_of, orders, photograph, render_demo
from refsort.demo.strays import STRAYS
from refsort.demo.things import CLASSES

SEED = 7
Made = tuple[Path, dict[str, str | None]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("Tornillos")
    return folder, render_demo(folder, SEED)


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=88)
    return out.getvalue()


def test_each_class_has_its_references(made: Made) -> None:
    folder, _ = made
    found = Counter(path.parent.name for path in (folder / "Clases").glob("*/*.jpg"))
    assert found == dict.fromkeys(CLASSES, REFERENCES)
    assert len(CLASSES) >= 6


def test_truth_names_every_arrival_and_nothing_else(made: Made) -> None:
    folder, truth = made
    assert set(truth) == {path.name for path in (folder / "Images").iterdir()}
    assert len(truth) == ARRIVALS
    kinds = Counter(truth.values())
    assert kinds.pop(None) == LOST
    assert set(kinds) == set(CLASSES)
    assert max(kinds.values()) - min(kinds.values()) <= 1


def test_names_and_order_of_arrivals_do_not_tell_the_class(made: Made) -> None:
    _, truth = made
    in_order = [truth[name] for name in sorted(truth)]
    assert all(name.removeprefix("IMG_").removesuffix(".jpg").isdigit() for name in truth)
    assert sum(a == b for a, b in pairwise(in_order)) < len(in_order) / 3


def test_every_picture_is_a_readable_photograph(made: Made) -> None:
    folder, _ = made
    paths = sorted(folder.rglob("*.jpg"))
    assert len(paths) == ARRIVALS + REFERENCES * len(CLASSES)
    for path in paths:
        with Image.open(path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", SIZE)
            pixels = np.asarray(picture)
        assert pixels.std() > 8, f"{path.name} is flat"
        assert 40 < pixels.mean() < 220, f"{path.name} is too dark or too bright"
    assert len({path.read_bytes() for path in paths}) == len(paths)


def test_the_same_seed_gives_the_same_bytes(made: Made) -> None:
    folder, _ = made
    noise = noise_of(SEED)
    for order in orders(SEED)[::17]:
        assert jpeg(photograph(order, noise)) == (folder / order.path).read_bytes(), order.path


def test_another_seed_gives_other_pictures(made: Made) -> None:
    folder, _ = made
    noise = noise_of(SEED + 1)
    for order in orders(SEED + 1)[::33]:
        assert jpeg(photograph(order, noise)) != (folder / order.path).read_bytes()
    assert [order.kind for order in orders(SEED)] != [order.kind for order in orders(SEED + 1)]


def test_strays_and_classes_share_no_name() -> None:
    assert not set(STRAYS) & set(CLASSES)


def test_no_file_is_written_over(tmp_path: Path) -> None:
    first = tmp_path / orders(SEED)[0].path
    first.parent.mkdir(parents=True)
    first.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        render_demo(tmp_path, SEED)
    assert first.read_bytes() == b"mine"
