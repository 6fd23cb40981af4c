"""Table tops: square pictures of wood, steel, cardboard, cloth, concrete, a cutting mat or paper; litter.

A top is uint8[SIDE, SIDE, 3] in sRGB and covers the square from -REACH to REACH scene units.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from refsort.demo.shapes import Field

Rng = np.random.Generator
Rgb = tuple[float, float, float]
SIDE = 768
REACH = 6.0
PER_UNIT = SIDE / (2 * REACH)


class Noise:
    """Random fields that tile, zero mean, unit spread; made once, then shifted and mirrored per picture."""

    def __init__(self, rng: Rng) -> None:
        fy, fx = np.fft.fftfreq(SIDE)[:, None] * SIDE, np.fft.rfftfreq(SIDE)[None, :] * SIDE
        radius = np.hypot(fx, fy) + 1.0
        filters = {
            "swell": (np.hypot(5.0 * fx, fy) + 3.0) ** -3.0,
            "cloud": (radius + 2.0) ** -1.7,
            "mottle": (radius + 20.0) ** -1.5,
            "grit": np.exp(-((radius / 230.0) ** 2)),
            "streak": np.exp(-((fx / 3.0) ** 2)) * (np.abs(fy) + 6.0) ** -0.3,
            "fibre": np.exp(-((fx / 16.0) ** 2)) * np.exp(-((fy / 300.0) ** 2)),
        }
        self._fields = {name: self._make(rng, f) for name, f in filters.items()}

    @staticmethod
    def _make(rng: Rng, shape: NDArray[np.float64]) -> Field:
        spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE))) * shape
        spectrum[0, 0] = 0.0
        made = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
        return np.asarray(made / made.std(), np.float32)

    def take(self, name: str, rng: Rng) -> Field:
        """A shifted, perhaps mirrored copy of one field, float32[SIDE, SIDE]."""
        made = np.roll(self._fields[name], tuple(rng.integers(SIDE, size=2)), (0, 1))
        return made[:: rng.choice([1, -1]), :: rng.choice([1, -1])]


def grid(rng: Rng) -> tuple[Field, Field]:
    """Column and row coordinates in scene units, float32[1, SIDE] and float32[SIDE, 1]."""
    line = np.linspace(-REACH, REACH, SIDE, dtype=np.float32)
    return line[None, :] + rng.uniform(-1, 1), line[:, None] + rng.uniform(-1, 1)


def paint(value: Field, dark: Rgb, light: Rgb) -> NDArray[np.uint8]:
    """Mixes two sRGB colours (0 to 255) by a field between 0 and 1."""
    out = np.empty((*value.shape, 3), np.uint8)
    for i in range(3):
        out[..., i] = np.clip(dark[i] + (light[i] - dark[i]) * value, 0, 255)
    return out


def wood(noise: Noise, rng: Rng) -> NDArray[np.uint8]:
    """Planks with growth rings and pores."""
    kinds: list[tuple[Rgb, Rgb]] = [
        ((150, 104, 62), (222, 182, 132)),
        ((112, 68, 38), (178, 122, 78)),
        ((66, 42, 28), (116, 78, 52)),
        ((168, 140, 108), (226, 206, 176)),
    ]
    dark, light = kinds[int(rng.integers(len(kinds)))]
    x, y = grid(rng)
    plank = rng.uniform(2.4, 4.5)
    board = np.floor(y / plank)
    rings = y + 0.09 * (x + 2.3 * board) + noise.take("swell", rng) * 0.4 + 0.12 * np.sin(x * 0.7 + 5.0 * board)
    wave = np.sin(rings * rng.uniform(9.0, 16.0))
    value = 0.4 + 0.13 * np.exp(0.9 * wave) + 0.12 * noise.take("streak", rng) + 0.05 * noise.take("fibre", rng)
    value = value + 0.06 * np.sin(board * 7.3)
    seam = np.abs(y - plank * (board + 0.5)) > plank / 2 - 0.025
    return paint(np.asarray(value * (1.0 - 0.75 * seam), np.float32), dark, light)


def steel(noise: Noise, rng: Rng) -> NDArray[np.uint8]:
    """Brushed sheet metal."""
    value = 0.5 + 0.13 * noise.take("streak", rng) + 0.05 * noise.take("grit", rng) + 0.1 * noise.take("cloud", rng)
    shade = rng.uniform(-25, 15)
    return paint(value, (92 + shade, 96 + shade, 102 + shade), (178 + shade, 182 + shade, 186 + shade))


def cardboard(noise: Noise, rng: Rng) -> NDArray[np.uint8]:
    """Brown board with faint flutes."""
    _, y = grid(rng)
    flutes = np.sin(y * rng.uniform(18.0, 24.0))
    value = 0.55 + 0.05 * flutes + 0.07 * noise.take("fibre", rng) + 0.06 * noise.take("cloud", rng)
    value = value + 0.05 * noise.take("mottle", rng)
    return paint(np.asarray(value, np.float32), (138, 104, 70), (212, 176, 132))


def cloth(noise: Noise, rng: Rng) -> NDArray[np.uint8]:
    """Coarse plain weave with a few folds."""
    dyes: list[Rgb] = [(60, 78, 112), (150, 60, 52), (196, 188, 170), (84, 96, 82), (74, 70, 74)]
    dye = dyes[int(rng.integers(len(dyes)))]
    x, y = grid(rng)
    bend = noise.take("swell", rng) * 0.12
    count = rng.uniform(34.0, 44.0)
    warp, weft = np.sin((x + bend) * count), np.sin((y - bend) * count)
    over = warp * weft > 0
    value = 0.42 + 0.3 * np.where(over, warp * warp, weft * weft) + 0.06 * noise.take("mottle", rng)
    value = value + 0.07 * np.sin(noise.take("cloud", rng) * 1.3) + 0.04 * noise.take("grit", rng)
    lighter = (dye[0] * 1.35 + 12, dye[1] * 1.35 + 12, dye[2] * 1.35 + 12)
    return paint(np.asarray(value, np.float32), (dye[0] * 0.5, dye[1] * 0.5, dye[2] * 0.5), lighter)


def concrete(noise: Noise, rng: Rng) -> NDArray[np.uint8]:
    """Trowelled grey with pits."""
    value = 0.55 + 0.14 * noise.take("cloud", rng) + 0.09 * noise.take("mottle", rng) + 0.05 * noise.take("grit", rng)
    pits = noise.take("mottle", rng) > 2.45
    warm = rng.uniform(-6, 8)
    return paint(np.asarray(value - 0.4 * pits, np.float32), (96 + warm, 95, 93 - warm), (184 + warm, 183, 180 - warm))


def cutting_mat(noise: Noise, rng: Rng) -> NDArray[np.uint8]:
    """Self-healing mat with a centimetre grid."""
    mats: list[Rgb] = [(32, 104, 82), (38, 74, 120), (56, 60, 64)]
    base = mats[int(rng.integers(len(mats)))]
    value = 0.5 + 0.08 * noise.take("mottle", rng) + 0.05 * noise.take("cloud", rng) + 0.05 * noise.take("grit", rng)
    top = paint(
        value,
        (base[0] * 0.75, base[1] * 0.75, base[2] * 0.75),
        (base[0] * 1.25 + 6, base[1] * 1.25 + 6, base[2] * 1.25 + 6),
    )
    picture = Image.fromarray(top)
    draw = ImageDraw.Draw(picture)
    step, line = SIDE / 24, (int(base[0] * 0.5 + 110), int(base[1] * 0.5 + 110), int(base[2] * 0.5 + 100))
    faint = (int(base[0] * 0.8 + 40), int(base[1] * 0.8 + 40), int(base[2] * 0.8 + 36))
    for i in range(25):
        at = i * step + 3
        draw.line([(at, 0), (at, SIDE)], line if i % 2 == 0 else faint, 1)
        draw.line([(0, at), (SIDE, at)], line if i % 2 == 0 else faint, 1)
    return np.asarray(picture)


def paper(noise: Noise, rng: Rng) -> NDArray[np.uint8]:
    """White or cream drawing paper on a bench."""
    value = 0.7 + 0.07 * noise.take("fibre", rng) + 0.05 * noise.take("mottle", rng) + 0.06 * noise.take("cloud", rng)
    cream = rng.uniform(0, 22)
    return paint(value, (186, 184 - cream * 0.4, 180 - cream), (242, 240 - cream * 0.4, 236 - cream))


Top = Callable[[Noise, Rng], NDArray[np.uint8]]
TOPS: tuple[Top, ...] = (wood, wood, steel, cardboard, cloth, concrete, cutting_mat, paper)
GLOSS: dict[Top, float] = {wood: 0.05, steel: 0.35, cutting_mat: 0.05, concrete: 0.02}
"""Share of the lamp that a top mirrors."""


def litter(top: NDArray[np.uint8], rng: Rng, amount: int) -> NDArray[np.uint8]:
    """Adds scratches, crumbs with a small shadow and, at times, the ring of a cup."""
    picture = Image.fromarray(top)
    draw = ImageDraw.Draw(picture, "RGBA")
    for _ in range(int(rng.integers(0, 3 + amount))):
        x, y, angle = *rng.uniform(0, SIDE, 2), rng.uniform(0, math.pi)
        run = rng.uniform(20, 160)
        tone = (255, 255, 255, 46) if rng.random() < 0.5 else (0, 0, 0, 50)
        draw.line([(x, y), (x + run * math.cos(angle), y + run * math.sin(angle))], tone, 1)
    if rng.random() < 0.15:
        x, y, r = *rng.uniform(0.2 * SIDE, 0.8 * SIDE, 2), rng.uniform(70, 110)
        for i in range(4):
            start, end = rng.uniform(0, 90), rng.uniform(240, 360)
            draw.arc([x - r - i, y - r, x + r, y + r + i], start, end, (70, 40, 15, 26), 3)
    for _ in range(int(rng.integers(2, 6 + 8 * amount))):
        x, y = rng.uniform(0, SIDE, 2)
        size, stretch = rng.uniform(0.8, 3.2), rng.uniform(0.5, 1.8)
        grey = int(rng.integers(60, 220))
        draw.ellipse([x - size + 1, y - size * stretch + 1, x + size + 2, y + size * stretch + 2], (0, 0, 0, 90))
        draw.ellipse(
            [x - size, y - size * stretch, x + size, y + size * stretch],
            (grey, int(grey * 0.9), int(grey * 0.75), 235),
        )
    return np.asarray(picture)


def ruler(top: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Lays a ruler along one side, away from the middle."""
    wide, inset = int(rng.uniform(60, 90)), int(rng.uniform(90, 130))
    body = Image.new("RGBA", (SIDE, wide + 10), (0, 0, 0, 0))
    draw = ImageDraw.Draw(body)
    for i in range(6):
        draw.rectangle([0, wide - 2 + i, SIDE, wide - 1 + i], (0, 0, 0, 90 - 15 * i))
    tints = [(206, 208, 210, 255), (226, 196, 128, 255), (238, 236, 228, 255)]
    draw.rectangle([0, 0, SIDE, wide], tints[int(rng.integers(len(tints)))])
    draw.line([(0, 0), (SIDE, 0)], (255, 255, 255, 160), 2)
    for i in range(SIDE // 4):
        tall = 0.34 if i % 10 == 0 else 0.25 if i % 5 == 0 else 0.16
        draw.line([(i * 4, wide), (i * 4, wide - tall * wide)], (30, 30, 30, 255), 1)
    picture = Image.fromarray(top)
    picture.paste(body, (0, SIDE // 2 - int(1.6 * PER_UNIT) - inset), body)
    return np.asarray(picture)
