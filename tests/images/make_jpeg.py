"""The good JPEG files of the battery."""

from io import BytesIO

from PIL import Image

from tests.images.make import Folder, jpeg
from tests.images.scene import STORED, Scene, exif, grey_profile, srgb_profile, stored, wide_profile

CODING, COLOUR, REDUCED = 2.0, 3.0, 4.0
"""Tolerances: what JPEG loses; what a change of colour space adds; what decoding at another size adds."""


def write_jpeg(files: Folder, s: Scene) -> None:
    _plain(files, s)
    _colours(files, s)
    _large(files, s)


def _plain(files: Folder, s: Scene) -> None:
    base = jpeg(s.image)
    files.good("baseline.jpg", base, "baseline", CODING)
    files.good("progressive.jpg", jpeg(s.image, progressive=True), "progressive", CODING)
    files.good("420.jpg", jpeg(s.image, subsampling=2, quality=97), "4:2:0 chroma", CODING + 1)
    files.good("restart.jpg", jpeg(s.image, restart_marker_rows=1), "restart markers", CODING)
    for turn in STORED:
        data = jpeg(stored(s.image, turn), exif=exif(turn))
        files.good(f"orientation_{turn}.jpg", data, f"EXIF orientation {turn}", CODING)
    files.good("orientation_9.jpg", jpeg(s.image, exif=exif(9)), "an orientation that does not exist", CODING)
    broken = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(200))
    files.good("exif_broken.jpg", jpeg(s.image, exif=broken), "EXIF directory of nonsense", CODING)
    outside = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x1a\0\5\0\0\0\1\0\0\xff\0\0\0\0\0"
    files.good("exif_outside.jpg", jpeg(s.image, exif=outside), "EXIF whose only value lies outside", CODING)
    files.good("exif_text.jpg", jpeg(s.image, exif=b"Exif\0\0no header"), "EXIF without a header", CODING)
    files.good("exif_60k.jpg", jpeg(s.image, exif=exif(1, bytes(60_000))), "60 KB of maker note", CODING)
    files.good("xmp_60k.jpg", jpeg(s.image, xmp=b"<x>" + b" " * 60_000 + b"</x>"), "60 KB of XMP", CODING)
    files.good("trailing.jpg", base + b"\xff\xd8 more " * 200, "bytes behind the end", CODING)
    files.good("wrong_name.png", base, "a JPEG named .png", CODING)
    out = BytesIO()
    s.image.save(out, "MPO", save_all=True, append_images=[s.other], quality=92, subsampling=0)
    files.good("two.mpo", out.getvalue(), "two pictures in one file, as phones write", CODING)


def _colours(files: Folder, s: Scene) -> None:
    files.good("grey.jpg", jpeg(s.grey), "one component", CODING, grey=True)
    files.good("cmyk.jpg", jpeg(s.cmyk), "CMYK, inverted as Adobe does", CODING + 1)
    files.good("ycck.jpg", ycck(s.cmyk), "YCCK, inverted as Adobe does", CODING + 1)
    files.good("icc_srgb.jpg", jpeg(s.image, icc_profile=srgb_profile()), "sRGB profile", CODING)
    files.good("icc_wide.jpg", jpeg(s.wide, icc_profile=wide_profile()), "a wide space and its profile", COLOUR)
    dark = s.grey.point([round(255 * (v / 255) ** 2.2) for v in range(256)])
    light = jpeg(dark, icc_profile=grey_profile(1.0), quality=97)
    files.good("icc_grey.jpg", light, "linear grey and its profile", 6.0, grey=True)
    files.good("icc_broken.jpg", jpeg(s.image, icc_profile=b"no profile" * 20), "a broken profile", CODING)
    files.good("icc_empty.jpg", jpeg(s.image, icc_profile=b""), "an empty profile", CODING)
    wrong = jpeg(s.grey, icc_profile=wide_profile())
    files.good("icc_for_rgb.jpg", wrong, "profile for colour on a grey picture", CODING, grey=True)


def _large(files: Folder, s: Scene) -> None:
    """Large enough for a decoder to make them smaller when SIDE is asked for."""
    big = s.large(5)
    files.good("large.jpg", jpeg(big), "1600 x 1200", REDUCED)
    files.good("large_6.jpg", jpeg(stored(big, 6), exif=exif(6)), "1600 x 1200, orientation 6", REDUCED)
    files.good("large_progressive.jpg", jpeg(big, progressive=True), "1600 x 1200, progressive", REDUCED)
    files.good("large_grey.jpg", jpeg(big.convert("L")), "1600 x 1200, grey", REDUCED, grey=True)
    cmyk = s.cmyk.resize(big.size, Image.Resampling.BICUBIC)
    files.good("large_cmyk.jpg", jpeg(cmyk), "1600 x 1200, CMYK", REDUCED)
    wide = jpeg(s.wide.resize(big.size, Image.Resampling.BICUBIC), icc_profile=wide_profile())
    files.good("large_wide.jpg", wide, "1600 x 1200 with a profile", REDUCED)


def ycck(cmyk: Image.Image) -> bytes:
    """The first three components as YCbCr, which the Adobe segment then says (transform 2)."""
    *ink, black = cmyk.split()
    turned = [band.point(lambda v: 255 - v) for band in Image.merge("RGB", ink).convert("YCbCr").split()]
    data = jpeg(Image.merge("CMYK", (*turned, black)))
    at = data.index(b"Adobe") + 11
    return data[:at] + b"\2" + data[at + 1 :]
