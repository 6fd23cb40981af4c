"""The same picture gives the same vector, whatever file it comes in."""

from refsort.encoders import load
from tests.images.conftest import Battery
from tests.images.table import lines


def test_every_form_of_a_picture_gives_nearly_the_same_vector(battery: Battery) -> None:
    off = [
        f"{line.row.name}: {line.cosine}, asked {line.least}"
        for line in lines(battery.folder, battery.good, load("builtin"))
        if not line.well
    ]
    assert off == []
