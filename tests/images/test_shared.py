"""A battery of odd and bad files that others made."""

import json

import pytest
from PIL import Image

from refsort.errors import BadPicture
from refsort.images import read_picture
from tests.conftest import SHARED
from tests.images.mutate import reason_fault
from tests.images.scene import SIDE, difference

FOLDER = SHARED / "images"
DIFFERENT = 10
"""A picture that differs by less is the same one."""


@pytest.mark.parametrize("side", [None, 100, SIDE])
def test_every_file_of_the_manifest(side: int | None) -> None:
    if not (FOLDER / "manifest.json").is_file():
        pytest.skip("sample pictures are not here")
    with Image.open(FOLDER / "odd" / "scene.png") as opened:
        reference = opened.convert("RGB")
    wrong = [
        text for row in json.loads((FOLDER / "manifest.json").read_text()) if (text := judged(row, side, reference))
    ]
    assert not wrong


def judged(row: dict[str, str | float], side: int | None, reference: Image.Image) -> str:
    """How reading this file breaks the manifest; empty if it keeps to it."""
    data = (FOLDER / str(row["folder"]) / str(row["file"])).read_bytes()
    try:
        picture = read_picture(data, side=side)
    except BadPicture as refused:
        if row["expect"] in ("same", "different"):
            return f"{row['file']}: refused, {refused}"
        return reason_fault(str(refused)) and f"{row['file']}: {reason_fault(str(refused))}"
    grey = row.get("against") == "grey"
    found = difference(picture, reference, grey)
    kept = {
        "same": found <= float(row.get("tolerance", 0)),
        "different": found > DIFFERENT,
        "refuse": False,
        "either": True,
    }
    return "" if kept[str(row["expect"])] else f"{row['file']}: expected {row['expect']}, differs by {found:.2f}"
