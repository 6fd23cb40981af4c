"""Any mode of Pillow → 8-bit sRGB on white."""

from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

WHITE_16 = 65535
_WIDE = frozenset(("I", "I;16", "I;16L", "I;16B", "I;16N", "F"))
_PLAIN = ("L", "RGB", "CMYK")


def to_rgb(
    image: Image.Image,
    profile: bytes | None = None,
    *,
    white: int = WHITE_16,
    inverted: bool = False,
    empty_alpha_is_none: bool = False,
) -> Image.Image:
    """The picture as RGB in sRGB, what is transparent on white.

    profile: ICC profile of the stored numbers; a broken one, or one for another kind of colour, is ignored.
    white, inverted: the sample for white in 16-bit grey, and whether 0 is white instead.
    empty_alpha_is_none: for formats whose fourth byte is often left at zero: alpha of zero everywhere means none.
    """
    base, alpha = _base_and_alpha(image, white, inverted)
    transform = _to_srgb(profile, base.mode) if profile else None
    rgb = transform.apply(base) if transform else base if base.mode == "RGB" else base.convert("RGB")
    if alpha is None:
        return rgb
    least, most = _extrema(alpha)
    if least == 255 or (most == 0 and empty_alpha_is_none):
        return rgb
    on_white = Image.new("RGB", rgb.size, "white")
    on_white.paste(rgb, mask=alpha)
    return on_white


def _base_and_alpha(image: Image.Image, white: int, inverted: bool) -> tuple[Image.Image, Image.Image | None]:
    """The colours in L, RGB or CMYK, and alpha in L (None where all is opaque)."""
    if image.mode in _WIDE:
        return _narrow(image, white, inverted)
    if image.has_transparency_data:
        grey = image.mode in ("1", "L", "LA", "La")
        image = image.convert("LA" if grey else "RGBA")
        return image.convert("L" if grey else "RGB"), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return (image if image.mode in _PLAIN else image.convert("RGB")), None


def _narrow(image: Image.Image, white: int, inverted: bool) -> tuple[Image.Image, Image.Image | None]:
    """Grey of more than 8 bits: Pillow's own conversion cuts off at 255 instead of scaling."""
    values = np.asarray(image)
    key = image.info.get("transparency")
    alpha = Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)) if isinstance(key, int) else None
    if values.dtype.kind == "u":
        table = np.minimum((np.arange(WHITE_16 + 1) * 255 + white // 2) // white, 255).astype(np.uint8)
        return Image.fromarray((255 - table if inverted else table)[values]), alpha
    values = np.nan_to_num(values.astype(np.float32), nan=0, posinf=0, neginf=0)
    grey = np.clip(values * (255 / _natural_white(values)) + 0.5, 0, 255)
    return Image.fromarray(grey.astype(np.uint8)), alpha


def _natural_white(values: NDArray[np.float32]) -> float:
    """32-bit samples don't say what is white: the smallest usual maximum that holds them all."""
    largest = float(values.max())
    return next((usual for usual in (1.0, 255.0, float(WHITE_16)) if largest <= usual), largest)


@lru_cache(maxsize=8)
def _to_srgb(profile: bytes, mode: str) -> "ImageCmsTransform | None":
    """What turns numbers of this profile into sRGB; None where the profile is broken or for another kind of colour.

    Kept, because making one takes ten times as long as using it on a small picture, and a camera has one profile.
    Several threads may use one transform at a time.
    """
    from PIL import ImageCms

    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        return ImageCms.ImageCmsTransform(source, srgb, mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _extrema(alpha: Image.Image) -> tuple[float, float]:
    least, most = alpha.getextrema()
    assert isinstance(least, (int, float)) and isinstance(most, (int, float))  # one band
    return least, most
