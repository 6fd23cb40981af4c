"""Pictures and phrases on which two ways of computing the same vectors are compared. All made by formulas."""

import numpy as np

from refsort.encoders.base import Floats, Rgb, unit

SIZES = [(640, 480), (224, 224), (300, 451), (1000, 64), (40, 500), (33, 32), (3, 20)]
"""Width and height in pixels."""
COUNT = 32
PHRASES = [
    *("a photo of a red car", "una foto de un niño en el jardín", "¿dónde está la señal?", "x", "", "  two  spaces "),
    *("Grüße aus Köln, 1990–2024", "🐶🎉 party!", "猫の写真", "don't; isn't (really) #1 50% a/b", "word " * 300),
]
KNOWN_PHRASE = "una foto de prueba"


def known_picture() -> Rgb:
    """uint8[480, 640, 3]. For column x and row y, both from 0, in integer arithmetic:

        red = x · 255 // 639,  green = y · 255 // 479,  blue = 255 where x // 40 + y // 40 is odd, else 0

    Mirrored, turned, cropped or with its colours swapped it is another picture.
    """
    y, x = np.mgrid[:480, :640]
    return np.stack([x * 255 // 639, y * 255 // 479, 255 * ((x // 40 + y // 40) % 2)], axis=-1).astype(np.uint8)


def pictures() -> list[Rgb]:
    """COUNT pictures: flat colours, gradients, grids, noise and clouds, in SIZES; the same every time."""
    rng = np.random.default_rng(20)
    kinds = [_flat, _gradient, _grid, _noise, _clouds]
    return [kinds[i % len(kinds)](rng, *SIZES[i % len(SIZES)]) for i in range(COUNT)]


def agreement(found: Floats, expected: Floats) -> float:
    """The smallest cosine between the rows of two float32[n, dim], plain or with the mean row taken off both.

    Many networks put all pictures into one corner of the space, where the plain cosine of any two is near 1. NaN if
    there is NaN in the vectors.
    """
    mean = expected.mean(axis=0)
    pairs = [(found, expected), (found - mean, expected - mean)]
    return float(np.min([(unit(a) * unit(b)).sum(axis=1) for a, b in pairs]))


def _flat(rng: np.random.Generator, width: int, height: int) -> Rgb:
    return np.broadcast_to(rng.integers(0, 256, 3, np.uint8), (height, width, 3)).copy()


def _gradient(rng: np.random.Generator, width: int, height: int) -> Rgb:
    """From one colour to another in some direction."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    turn = rng.uniform(0, 2 * np.pi)
    share = 0.5 + 0.5 * np.sin(turn + 3 * (x * np.cos(turn) + y * np.sin(turn)))
    start, end = rng.integers(0, 256, (2, 3))
    return np.asarray(start + share[..., None] * (end - start), np.uint8)


def _grid(rng: np.random.Generator, width: int, height: int) -> Rgb:
    """Fields of two colours."""
    y, x = np.mgrid[:height, :width] // rng.integers(2, 60)
    return np.asarray(rng.integers(0, 256, (2, 3), np.uint8)[(x + y) % 2])


def _noise(rng: np.random.Generator, width: int, height: int) -> Rgb:
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def _clouds(rng: np.random.Generator, width: int, height: int) -> Rgb:
    """Soft spots: a few waves for each colour."""
    y, x = np.mgrid[:height, :width] / max(width, height)
    waves = [
        sum(np.sin(a * x + b * y + c) for a, b, c in rng.uniform(-15, 15, (4, 3))) for _ in range(3)
    ]  # between -4 and 4
    return np.stack([127.5 + 31 * np.asarray(wave) for wave in waves], axis=-1).astype(np.uint8)
