"""Files that belong together by name."""

from refsort.files.groups import gather


def grouped(*names: str) -> dict[str, tuple[str, ...]]:
    return {group.main: group.others for group in gather("Images", sorted(names))}


def test_sidecars_go_with_their_picture() -> None:
    assert grouped("a.jpg", "a.xmp", "a.aae", "b.jpg") == {"a.jpg": ("a.aae", "a.xmp"), "b.jpg": ()}


def test_a_sidecar_that_names_its_picture_in_full_goes_with_that_one() -> None:
    assert grouped("a.heic", "a.jpg", "a.jpg.json") == {"a.heic": (), "a.jpg": ("a.jpg.json",)}


def test_raw_and_film_follow_the_jpeg() -> None:
    assert grouped("IMG_1.CR2", "IMG_1.JPG", "IMG_1.MOV") == {"IMG_1.JPG": ("IMG_1.CR2", "IMG_1.MOV")}


def test_companions_without_a_picture_stand_alone() -> None:
    assert grouped("clip.mov", "x.xmp") == {"clip.mov": (), "x.xmp": ()}


def test_two_pictures_of_one_stem_are_two_pictures() -> None:
    assert grouped("a.jpg", "a.png", "a.xmp") == {"a.jpg": ("a.xmp",), "a.png": ()}
