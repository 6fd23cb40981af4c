"""Bytes → picture: the one way in, and which decoder reads what."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refsort.errors import BadPicture
from refsort.images.colour import WHITE_16, to_rgb
from refsort.images.exif import orientation
from refsort.images.formats import Kind, kind_of, what_else
from refsort.images.header import best_icon, check_content, check_size, check_tga, check_webp
from refsort.images.heif import check_heif
from refsort.images.jpeg import check_jpeg
from refsort.images.jpeg2000 import check_jpeg2000
from refsort.images.netpbm import read_netpbm
from refsort.images.png import check_png
from refsort.images.tiff import check_tiff

MAX_PIXELS = 200_000_000
"""Width x height that is still decoded, if the caller names no other limit."""
MAX_RLE_PIXELS = 16_000_000
"""The same for bitmaps that are run-length coded (some BMP and ICO): Pillow decodes those in Python."""

_STRIP = 1_000_000  # pixels
_TGA_DESCRIPTOR, _TGA_ALPHA_BITS = 17, 0x0F  # where a TGA says how many bits of a pixel are alpha

# Pillow's own limit knows only one number for the whole process, warns from 89 megapixels on and refuses above 179.
# It is switched off once, here, where no thread can be reading yet; check_size below takes its place.
Image.MAX_IMAGE_PIXELS = None

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns a picture with this EXIF orientation upright."""


@dataclass(frozen=True)
class _Stored:
    """A decoded picture as the file holds it."""

    image: Image.Image
    orientation: int = 1
    profile: bytes | None = None
    white: int = WHITE_16
    inverted: bool = False
    empty_alpha_is_none: bool = False


def read_picture(data: bytes, *, side: int | None = None, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The first picture in the bytes of a file: [H, W, 3], sRGB, upright, on white.

    side: the caller will scale the shorter edge to this many pixels; a JPEG may then come 2, 4 or 8 times smaller,
    but never with less than 2 * side on its shorter edge.
    max_pixels: larger pictures are refused before they are decoded.

    Raises BadPicture with the reason, and nothing else. May be called from several threads.
    """
    kind = kind_of(data[:64])
    if kind is None:
        raise BadPicture(what_else(data[:64]))
    try:
        stored = _DECODERS[kind](data, side or 0, max_pixels)
        rgb = to_rgb(
            stored.image,
            stored.profile,
            white=stored.white,
            inverted=stored.inverted,
            empty_alpha_is_none=stored.empty_alpha_is_none,
        )
        turn = _TURNS.get(stored.orientation)
        return _array(rgb if turn is None else rgb.transpose(turn))
    except BadPicture:
        raise
    except Exception as error:
        raise BadPicture(f"{kind}: {_why(error)}") from error


def _array(rgb: Image.Image) -> NDArray[np.uint8]:
    """The pixels, copied a strip at a time: numpy's own way holds two more copies of them while it works."""
    width, height = rgb.size
    pixels = np.empty((height, width, 3), np.uint8)
    rows = max(1, _STRIP // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        pixels[top:bottom] = np.asarray(rgb.crop((0, top, width, bottom)))
    return pixels


def _why(error: Exception) -> str:
    """A decoder's complaint in plain words."""
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    text = str(error).lower()
    if any(word in text for word in ("truncated", "end of file", "not enough", "not large enough", "incomplete")):
        return "the file is cut short"
    if any(word in text for word in ("unsupported", "not yet supported", "cannot handle", "unknown")):
        return "a variant of the format that can't be read"
    return "the file is damaged"


def _loaded(image: Image.Image, kind: Kind, max_pixels: int, length: int | None = None) -> Image.Image:
    """The image with its pixels. What the decoder makes of the header must hold too, not only our own reading.

    length: bytes of the file, for formats that need check_content.
    """
    check_size(kind, *image.size, max_pixels)
    if length is not None:
        check_content(kind, *image.size, length)
    image.load()
    return image


def _jpeg(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.JpegImagePlugin import JpegImageFile  # not through Image.open: that would read an MPO as many frames

    checked = check_jpeg(data, max_pixels)
    image = JpegImageFile(BytesIO(checked.data))
    check_size("JPEG", *image.size, max_pixels)
    if side > 0 and min(image.size) >= 4 * side:
        image.draft(None, (2 * side, 2 * side))
    image.load()
    return _Stored(image, checked.orientation, image.info.get("icc_profile"))


def _png(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.PngImagePlugin import PngImageFile

    checked = check_png(data, max_pixels)
    image = _loaded(PngImageFile(BytesIO(checked.data)), "PNG", max_pixels)
    return _Stored(image, checked.orientation, checked.profile)


def _webp(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.WebPImagePlugin import WebPImageFile

    checked = check_webp(data, max_pixels)
    image = _loaded(WebPImageFile(BytesIO(checked.data)), "WebP", max_pixels)
    return _Stored(image, orientation(image.info.get("exif", b"")), image.info.get("icc_profile"))


def _gif(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.GifImagePlugin import GifImageFile

    return _Stored(_loaded(GifImageFile(BytesIO(data)), "GIF", max_pixels, len(data)))


def _tiff(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.TiffImagePlugin import TiffImageFile

    checked = check_tiff(data, max_pixels)
    image = _loaded(TiffImageFile(BytesIO(checked.data)), "TIFF", max_pixels)  # turned upright by load()
    profile = image.info.get("icc_profile")
    return _Stored(image, 1, profile, checked.white, checked.inverted)


def _bmp(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.BmpImagePlugin import BmpImageFile

    image = BmpImageFile(BytesIO(data))
    run_length = image.info.get("compression") in (BmpImageFile.COMPRESSIONS["RLE8"], BmpImageFile.COMPRESSIONS["RLE4"])
    if run_length and image.width * image.height > MAX_RLE_PIXELS:
        raise BadPicture(f"BMP: {image.width} x {image.height} pixels are too many for one that is run-length coded")
    _loaded(image, "BMP", max_pixels)
    return _Stored(image, empty_alpha_is_none=True)


def _heif(data: bytes, side: int, max_pixels: int) -> _Stored:
    from pillow_heif import open_heif  # asked directly; registering it with Pillow would change the whole process

    check_heif("HEIF", data)
    heif = open_heif(BytesIO(data), convert_hdr_to_8bit=True)
    picture = heif[heif.primary_index]
    width, height = picture.size
    check_size("HEIF", width, height, max_pixels)
    pixels = picture.data  # first, because decoding may change size, mode and stride; turned upright by libheif
    image = Image.frombytes(picture.mode, picture.size, pixels, "raw", picture.mode, picture.stride)
    return _Stored(image, 1, picture.info.get("icc_profile"))


def _avif(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.AvifImagePlugin import AvifImageFile

    check_heif("AVIF", data)
    image = _loaded(AvifImageFile(BytesIO(data)), "AVIF", max_pixels, len(data))
    return _Stored(image, orientation(image.info.get("exif", b"")), image.info.get("icc_profile"))


def _jpeg2000(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

    checked = check_jpeg2000(data, max_pixels)
    return _Stored(_loaded(Jpeg2KImageFile(BytesIO(checked.data)), "JPEG 2000", max_pixels), 1, checked.profile)


def _ico(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.BmpImagePlugin import DibImageFile
    from PIL.IcoImagePlugin import IcoFile

    icon = best_icon(data)
    inner = icon[22:]
    if kind_of(inner[:64]) == "PNG":
        return _png(inner, side, max_pixels)
    width, twice_height = DibImageFile(BytesIO(inner)).size  # picture and mask, one above the other
    check_size("ICO", width, twice_height // 2, min(max_pixels, MAX_RLE_PIXELS))
    return _Stored(IcoFile(BytesIO(icon)).frame(0), empty_alpha_is_none=True)


def _netpbm(data: bytes, side: int, max_pixels: int) -> _Stored:
    return _Stored(Image.fromarray(read_netpbm(data, max_pixels)))


def _tga(data: bytes, side: int, max_pixels: int) -> _Stored:
    from PIL.TgaImagePlugin import TgaImageFile

    checked = check_tga(data, max_pixels)
    image: Image.Image = _loaded(TgaImageFile(BytesIO(checked.data)), "TGA", max_pixels)
    if image.mode == "RGBA" and not data[_TGA_DESCRIPTOR] & _TGA_ALPHA_BITS:
        image = image.convert("RGB")
    return _Stored(image, empty_alpha_is_none=True)


_DECODERS: dict[Kind, Callable[[bytes, int, int], _Stored]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "WebP": _webp,
    "GIF": _gif,
    "TIFF": _tiff,
    "BMP": _bmp,
    "HEIF": _heif,
    "AVIF": _avif,
    "JPEG 2000": _jpeg2000,
    "ICO": _ico,
    "PPM": _netpbm,
    "TGA": _tga,
}
