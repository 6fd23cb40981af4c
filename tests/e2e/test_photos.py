"""The main job on real photographs: every file ends in one place, unchanged, and undo brings it all back."""

from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.e2e.helpers import on, refsort, split_set
from tests.trees import contents, read

LEAST = {"clothing": 0.60, "coins": 0.40, "grocery": 0.80, "screws": 0.95, "sign_digits": 0.60, "trash": 0.45}
"""Share that comes right with `builtin`, `prototype` and 5 references, less about ten points for the luck of a draw."""


def photo_sets() -> list[str]:
    return sorted(LEAST)


@pytest.mark.parametrize("name", photo_sets())
def test_a_set_of_photographs_is_sorted_and_taken_back(tmp_path: Path, name: str) -> None:
    photos = SHARED / "photos" / name
    if not photos.is_dir():
        pytest.skip("the labelled photographs are not here")
    dataset = tmp_path / name
    truth = split_set(photos, dataset, references=5, arrivals=10)
    before, tree = contents(dataset), read(dataset)

    done = refsort("sort", *on(dataset), "--encoder", "builtin", "--unsure", "off", "--json")
    assert done.code == 0, done.err
    assert done.json["sorted"] == len(truth)
    assert sum(done.json["per_class"].values()) == len(truth)
    assert contents(dataset) == before
    assert read(dataset / "Clases") == tree["Clases"]
    assert read(dataset / "Images") == {}
    right = sum((dataset / "Dataset" / own / file).exists() for file, own in truth.items())
    assert right / len(truth) >= LEAST[name]
    assert Path(done.json["report"]).stat().st_size > 10_000

    undone = refsort("undo", *on(dataset), "--json")
    assert (undone.code, undone.json["restored"], undone.json["left"]) == (0, len(truth), [])
    assert read(dataset) == tree
