"""Which sidecar is a picture's, and that tags in the journal are taken for nothing but tags."""

from pathlib import Path

import pytest

from refsort.files.groups import gather
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal
from refsort.files.sidecars import sidecar_of, tag_request
from refsort.files.survey import take_survey
from refsort.files.tagging import Tagger
from refsort.files.xmp import new
from tests.files.helpers import dataset_of, move_all


@pytest.mark.parametrize(
    ("names", "sidecar"),
    [
        (["p.jpg"], "p.jpg.xmp"),
        (["p.jpg", "p.xmp"], "p.xmp"),
        (["p.jpg", "p.jpg.XMP", "p.xmp"], "p.jpg.XMP"),
        (["p.jpg", "p.png", "p.xmp"], "p.xmp"),
        (["p.cr2", "p.jpg"], "p.jpg.xmp"),
        ([f"{'ñ' * 124}.jpg"], f"{'ñ' * 124}.xmp"),
    ],
)
def test_which_sidecar(names: list[str], sidecar: str) -> None:
    assert sidecar_of(gather("Images", sorted(names))[0]) == f"Images/{sidecar}"


def test_two_pictures_of_one_stem_never_share_a_sidecar() -> None:
    sidecars = [sidecar_of(group) for group in gather("Images", ["p.jpg", "p.png", "p.xmp"])]
    assert sidecars == ["Images/p.xmp", "Images/p.png.xmp"]


def test_a_tag_is_no_move_of_a_picture(tmp_path: Path) -> None:
    """A survey and the companions of a picture go by moves; a sidecar written later must not change their story."""
    data = dataset_of(tmp_path / "D", {"Images": {"p.jpg": b"p", "p.xmp": new(["mine"])}})
    move_all(data)
    journal = Journal(data.state / "journal.db")
    try:
        brought = journal.main_at("Dataset/a/p.xmp")
        before = take_survey(data, journal)
        (group,) = data.groups("Dataset")
        stat = look(data.path(group.path))
        assert stat is not None
        request = tag_request(group, stat, hash_file(data.path(group.path)), ["a"], None)
        (outcome,) = Tagger(data, journal).file(journal.begin_run("tag", "tag", {}), [request])
        assert (outcome.status, outcome.targets) == ("done", ["Dataset/a/p.xmp"])
        after = take_survey(data, journal)
        assert journal.main_at("Dataset/a/p.xmp") == brought
        assert after.standing == before.standing
        assert after.missing() == {}
    finally:
        journal.close()
