"""What cameras, messengers and haste do to pictures: ten corruptions in three strengths, to see what sorting stands.

Kinds and strengths follow Hendrycks & Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and
Perturbations" (ICLR 2019), whose pictures are 224 pixels high. Lengths are therefore shares of the short side: a
large picture is spoilt as much as a small one once a network has scaled both to its size.
"""

from collections.abc import Callable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

STRENGTHS = (1, 2, 3)
SEEN = 224
"""Pixels of the short side that a network is likely to see: noise and JPEG blocks are made at this size or below."""

BLUR = (0.006, 0.012, 0.025)
"""Standard deviation of the Gaussian, as a share of the short side."""
NOISE = (20.0, 45.0, 90.0)
"""Standard deviation, in levels of 255."""
QUALITY = (25, 10, 4)
"""Of the JPEG."""
DARKER, BRIGHTER = (-1.2, -2.4, -3.6), (0.6, 1.2, 1.8)
"""Exposure, in stops."""
TURN = (5.0, 12.0, 25.0)
"""Degrees, to either side."""
KEPT = (0.85, 0.7, 0.5)
"""Share of both sides that a crop keeps."""
GREYED = (0.5, 0.8, 1.0)
"""Share of the colour that is taken out."""
REDUCED = (0.35, 0.2, 0.11)
"""New short side as a share of the old one, or of SEEN where the picture is larger."""
DRAWN = (0.5, 0.8, 1.0)
"""Share of the drawing in the mixture with the picture."""
PENCIL = 0.02
"""Width of the neighbourhood against which a pencil line is dark, as a share of the short side."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def corrupt(rgb: Rgb, name: str, strength: int, seed: int = 0) -> Rgb:
    """uint8[H, W, 3] → the same shape, spoilt by one of CORRUPTIONS with strength 1, 2 or 3. Deterministic.

    `seed` rules the noise, the side to which a picture turns, and where it is cropped. Raises ValueError.
    """
    if strength not in STRENGTHS:
        raise ValueError(f"strength {strength} is none of {STRENGTHS}")
    if name not in CORRUPTIONS:
        raise ValueError(f"{name} is none of {', '.join(CORRUPTIONS)}")
    return np.ascontiguousarray(CORRUPTIONS[name](rgb, strength - 1, np.random.default_rng(seed)))


def shrunk(rgb: Rgb, short: int) -> Rgb:
    """The picture with its short side scaled down to `short` pixels; one that is smaller stays as it is."""
    height, width = rgb.shape[:2]
    if min(height, width) <= short:
        return rgb
    return _resized(rgb, short / min(height, width), Image.Resampling.LANCZOS)


def _resized(rgb: Rgb, factor: float, how: Image.Resampling) -> Rgb:
    height, width = rgb.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return np.asarray(Image.fromarray(rgb).resize(size, how, reducing_gap=3.0))


def _back(small: Rgb, like: Rgb, how: Image.Resampling = Image.Resampling.BICUBIC) -> Rgb:
    """Scaled to the size of another picture."""
    return np.asarray(Image.fromarray(small).resize((like.shape[1], like.shape[0]), how))


def _short(rgb: Rgb) -> int:
    return int(min(rgb.shape[:2]))


def _levels(values: Floats) -> Rgb:
    """Rounded and clipped to 0 … 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _blur(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(BLUR[step] * _short(rgb))))


def _noise(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    """Grains of one pixel at the size a network sees: finer ones would vanish when it scales the picture down."""
    height, width = rgb.shape[:2]
    factor = min(1.0, SEEN / _short(rgb))
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    grain = rng.normal(0.0, 1.0, (rows, columns, 3)).astype(np.float32) * NOISE[step]
    spread = grain[np.arange(height) * rows // height][:, np.arange(width) * columns // width]
    return _levels(rgb + spread)


def _jpeg(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    buffer = BytesIO()
    Image.fromarray(shrunk(rgb, SEEN)).save(buffer, "JPEG", quality=QUALITY[step])
    return _back(np.asarray(Image.open(buffer)), rgb)


def _exposed(rgb: Rgb, stops: float) -> Rgb:
    """As if so many stops more light had fallen in: multiplied in linear light, back to sRGB, clipped."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    light = np.minimum(linear * 2.0**stops, 1.0)
    coded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return _levels(255 * coded.astype(np.float32))[rgb]


def _dark(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    return _exposed(rgb, DARKER[step])


def _bright(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    return _exposed(rgb, BRIGHTER[step])


def _rotation(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    """Turned around the middle; the corners show the picture's mirror image, as black ones would be a clue."""
    angle = np.deg2rad(TURN[step]) * (1 if rng.random() < 0.5 else -1)
    height, width = rgb.shape[:2]
    y, x = (
        np.mgrid[:height, :width].astype(np.float32) - np.array([height - 1, width - 1], np.float32)[:, None, None] / 2
    )
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    rows = _mirrored(cosine * y - sine * x + np.float32((height - 1) / 2), height)
    columns = _mirrored(sine * y + cosine * x + np.float32((width - 1) / 2), width)
    return _sampled(rgb, rows, columns)


def _mirrored(position: Floats, size: int) -> Floats:
    """Positions outside 0 … size - 1 folded back in, as often as needed."""
    last = max(size - 1, 0)
    if last == 0:
        return np.zeros_like(position)
    wave = np.mod(position, 2 * last)
    return np.asarray(np.minimum(wave, 2 * last - wave), dtype=np.float32)


def _sampled(rgb: Rgb, rows: Floats, columns: Floats) -> Rgb:
    """Colours at fractional positions float32[H, W], bilinear."""
    top, left = np.floor(rows).astype(np.intp), np.floor(columns).astype(np.intp)
    bottom, right = np.minimum(top + 1, rgb.shape[0] - 1), np.minimum(left + 1, rgb.shape[1] - 1)
    down, across = (rows - top)[..., None], (columns - left)[..., None]
    upper = rgb[top, left] * (1 - across) + rgb[top, right] * across
    lower = rgb[bottom, left] * (1 - across) + rgb[bottom, right] * across
    return _levels(upper * (1 - down) + lower * down)


def _crop(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    """A part, somewhere, enlarged to the old size; stronger crops lie within weaker ones."""
    height, width = rgb.shape[:2]
    rows, columns = max(1, round(height * KEPT[step])), max(1, round(width * KEPT[step]))
    top, left = (
        round(float(share) * rest) for share, rest in zip(rng.random(2), (height - rows, width - columns), strict=True)
    )
    return _back(np.ascontiguousarray(rgb[top : top + rows, left : left + columns]), rgb)


def _grey(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    luma = (rgb @ LUMA)[..., None]
    return _levels(rgb + GREYED[step] * (luma - rgb))


def _low_resolution(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    factor = REDUCED[step] * min(1.0, SEEN / _short(rgb))
    return _back(_resized(rgb, factor, Image.Resampling.BOX), rgb, Image.Resampling.BILINEAR)


def _sketch(rgb: Rgb, step: int, rng: np.random.Generator) -> Rgb:
    """Mixed with a pencil drawing of itself: dark where it is darker than its neighbourhood, else white paper."""
    luma = rgb @ LUMA
    around = Image.fromarray(_levels(luma)).filter(ImageFilter.GaussianBlur(max(1.0, PENCIL * _short(rgb))))
    paper = np.minimum(255.0, 255.0 * ((luma + 8) / (np.asarray(around, np.float32) + 8)) ** 3)[..., None]
    return _levels(rgb + DRAWN[step] * (paper - rgb))


CORRUPTIONS: dict[str, Callable[[Rgb, int, np.random.Generator], Rgb]] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "dark": _dark,
    "bright": _bright,
    "rotation": _rotation,
    "crop": _crop,
    "grey": _grey,
    "low resolution": _low_resolution,
    "sketch": _sketch,
}
