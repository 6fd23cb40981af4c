"""One synthetic picture that no turn or flip maps onto itself, and the forms in which files hold it."""

import struct
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from refsort.demo.render import noise_of, orders, photograph

WIDTH, HEIGHT = 320, 240
PICTURE = (7, 20)
"""Seed and number of the rendered picture."""
SIDE = 224
"""Pictures are compared at SIDE x SIDE pixels."""

# Columns are the XYZ (D50) of red, green and blue (Lindbloom, RGB working space matrices).
SRGB = np.array([[0.43607, 0.38506, 0.14308], [0.22250, 0.71688, 0.06062], [0.01393, 0.09710, 0.71417]])
WIDE = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
WIDE_GAMMA = 563 / 256


def to_bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _paint() -> NDArray[np.float64]:
    """Hardware on a workbench, float[H, W, 3]: traced light, soft and hard edges, the grain of a sensor."""
    order = orders(PICTURE[0])[PICTURE[1]]
    picture = photograph(order, noise_of(PICTURE[0])).resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(0.6)), float)


class Scene:
    """The picture: `inner`, which fades into white towards one corner, and what follows from it."""

    def __init__(self) -> None:
        y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
        self.inner = _paint()
        self.fade = np.clip((x + y - 60) / 50, 0, 1)
        self.rgb = to_bytes(self.inner * self.fade[..., None] + 255 * (1 - self.fade[..., None]))
        self.image = Image.fromarray(self.rgb)
        self.grey = self.image.convert("L")
        self.other = Image.fromarray(255 - self.rgb[::-1]).convert("L").convert("RGB")  # later frames and pages

    @cached_property
    def rgba(self) -> NDArray[np.uint8]:
        """The same with alpha; black where nothing of it is seen."""
        alpha = to_bytes(self.fade * 255)[..., None]
        return np.concatenate([np.where(alpha > 0, to_bytes(self.inner), np.uint8(0)), alpha], -1)

    @cached_property
    def la(self) -> NDArray[np.uint8]:
        colour = Image.fromarray(np.ascontiguousarray(self.rgba[..., :3])).convert("L")
        return np.stack([np.asarray(colour), self.rgba[..., 3]], -1)

    @cached_property
    def cmyk(self) -> Image.Image:
        """Separated with half of the grey in black, so that a lost or inverted K shows."""
        rgb = self.rgb.astype(float)
        black = 0.5 * (255 - rgb.max(-1, keepdims=True))
        ink = 255 * (1 - rgb / (255 - black))
        return Image.frombytes("CMYK", self.image.size, to_bytes(np.concatenate([ink, black], -1)).tobytes())

    @cached_property
    def wide(self) -> Image.Image:
        """The same colours as numbers of a wider space (see wide_profile)."""
        v = self.rgb / 255
        linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
        linear = np.clip(linear @ (np.linalg.inv(WIDE) @ SRGB).T, 0, 1)
        return Image.fromarray(to_bytes(255 * linear ** (1 / WIDE_GAMMA)))

    @cached_property
    def keyed(self) -> Image.Image:
        """Palette of 256 whose last entry, black, stands for what lies outside the picture."""
        picture = self.image.quantize(255)
        indices = np.asarray(picture).copy()
        outside = (self.rgb == 255).all(-1)
        indices[outside] = 255
        keyed = Image.frombytes("P", picture.size, indices.tobytes())
        palette = picture.getpalette()
        assert palette is not None
        keyed.putpalette([*(palette + [0] * 768)[: 255 * 3], 0, 0, 0])
        return keyed

    def large(self, times: float = 12.5) -> Image.Image:
        """The picture enlarged; 12.5 times is 4000 x 3000."""
        size = round(WIDTH * times), round(HEIGHT * times)
        return self.image.resize(size, Image.Resampling.BICUBIC)


STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How the upright picture must be stored so that the orientation turns it back."""


def stored(image: Image.Image, orientation: int) -> Image.Image:
    turn = STORED[orientation]
    return image if turn is None else image.transpose(turn)


def exif(orientation: int, maker_note: bytes = b"") -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    if maker_note:
        tags.get_ifd(0x8769)[0x927C] = maker_note
    return tags.tobytes()


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 4 display profile of the given tags (ICC.1:2022, section 7)."""
    table, body, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", at + len(body), 0x04000000, b"mntr", space, b"XYZ ", b"acsp")
    head += bytes(68 - len(head)) + struct.pack(">3i", 63190, 65536, 54061) + bytes(48)
    return head + table + body


def _curve(gamma: float) -> bytes:
    return b"para" + struct.pack(">IHHi", 0, 0, 0, round(gamma * 65536))


def wide_profile() -> bytes:
    """Matrix and gamma of a space as wide as Adobe RGB."""
    tags = {b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)}
    for i, name in enumerate((b"r", b"g", b"b")):
        tags[name + b"XYZ"] = b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in WIDE[:, i]))
        tags[name + b"TRC"] = _curve(WIDE_GAMMA)
    return profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return profile(b"GRAY", {b"wtpt": white, b"kTRC": _curve(gamma)})


def srgb_profile() -> bytes:
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def difference(picture: NDArray[np.uint8], reference: Image.Image, grey: bool = False) -> float:
    """Mean absolute difference, 0..255, after both are brought to SIDE x SIDE pixels; in grey if asked for."""

    def square(image: Image.Image) -> NDArray[np.float64]:
        image = image.convert("L").convert("RGB") if grey else image
        return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), float)

    return float(np.abs(square(Image.fromarray(picture)) - square(reference)).mean())
