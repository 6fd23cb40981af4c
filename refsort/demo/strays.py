"""Things that belong to no class of the demo, and things that lie about on a workbench."""

import math
from collections.abc import Callable

import numpy as np

from refsort.demo.shapes import (
    TAU,
    Colour,
    Field,
    Material,
    Thing,
    about_x,
    both,
    cut,
    fade,
    hexagon,
    hypot,
    join,
    segment,
    slab,
    tooth,
)
from refsort.demo.things import BRASS, STEEL, YELLOW_ZINC, ZINC, Rng, metal

COPPER: Colour = (0.76, 0.31, 0.17)


def door_key(rng: Rng) -> Thing:
    """Flat key of a cylinder lock."""
    depths = [rng.uniform(0.02, 0.2) for _ in range(6)]

    def shape(x: Field, y: Field, z: Field) -> Field:
        bow = join(hypot(x + 0.75, y) - 0.52, hypot(x + 0.55, y) - 0.5, 0.05)
        bow = cut(bow, hypot(x + 1.0, y) - 0.13)
        notch = np.full_like(x, 9.0)
        for i, depth in enumerate(depths):
            notch = np.minimum(notch, np.abs(x - 0.25 - 0.2 * i) * 0.8 - 0.05 + y - 0.2 + depth)
        blade = np.maximum(both(slab(x, -0.4, 1.55), np.abs(y) - 0.2, 0.02), 0.7 * (np.abs(y) + x - 1.62))
        blade = cut(blade, 0.7 * np.maximum(-notch, -0.04 - y))
        groove = np.maximum(np.abs(y + 0.05) - 0.04, np.maximum(-0.2 - x, 0.035 - np.abs(z)))
        flat = both(np.minimum(bow, blade), np.abs(z) - 0.07, 0.03)
        return cut(flat, groove)

    return Thing(
        shape,
        (-1.3, -0.55, -0.07),
        (1.6, 0.55, 0.07),
        metal(rng, [BRASS, ZINC], (0.2, 0.35)),
        about_x(math.pi * int(rng.integers(2))),
        lift=0.07,
        relax=0.7,
    )


def coin(rng: Rng) -> Thing:
    """Coin with a rim, a ring of stars and a raised numeral."""
    points = int(rng.integers(8, 13))

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho = hypot(x, y)
        turn = np.arctan2(y, x) * np.float32(points / TAU)
        star = hypot((turn - np.floor(turn) - 0.5) * (0.75 * TAU / points), rho - 0.75) - 0.07
        numeral = segment(x, y, (0.05, -0.4), (0.05, 0.4), 0.09)
        numeral = np.minimum(numeral, segment(x, y, (0.05, 0.4), (-0.2, 0.2), 0.08))
        numeral = np.minimum(numeral, segment(x, y, (-0.15, -0.4), (0.25, -0.4), 0.08))
        relief = np.minimum(np.minimum(star, numeral), 0.93 - rho)
        top = 0.07 - 0.05 * fade(relief, -0.01, 0.03) + 0.006 * tooth(rho * 3.0)
        edge = rho - 1.0 + 0.01 * tooth(np.arctan2(y, x) * np.float32(90 / TAU))
        return both(edge, np.abs(z) - top, 0.02)

    tints = [YELLOW_ZINC, COPPER]
    return Thing(
        shape,
        (-1.0, -1.0, -0.08),
        (1.0, 1.0, 0.08),
        metal(rng, tints, (0.2, 0.35)),
        lift=0.07,
        relax=0.6,
    )


def gear(rng: Rng) -> Thing:
    """Spur gear with a hub and lightening holes."""
    teeth, holes = int(rng.integers(14, 21)), int(rng.integers(4, 7))

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho, angle = hypot(x, y), np.arctan2(y, x)
        flank = fade(tooth(angle * np.float32(teeth / TAU)), 0.3, 0.7)
        wheel = both(0.6 * (rho - 0.92 - 0.17 * flank), np.abs(z) - 0.14, 0.02)
        wheel = both(wheel, -np.maximum(np.abs(rho - 0.57) - 0.22, 0.09 - np.abs(z)), 0.03)
        sector = (angle * np.float32(holes / TAU)) % 1.0 - 0.5
        hole = hypot(sector * np.float32(TAU / holes * 0.57), rho - 0.57) - 0.14
        hub = both(rho - 0.32, np.abs(z) - 0.28, 0.03)
        keyway = np.maximum(np.abs(x) - 0.05, np.abs(y - 0.17) - 0.07)
        bore = np.minimum(rho - 0.17, keyway)
        return cut(np.minimum(cut(wheel, hole), hub), bore)

    return Thing(
        shape,
        (-1.1, -1.1, -0.28),
        (1.1, 1.1, 0.28),
        metal(rng, [STEEL, BRASS], (0.2, 0.35)),
        lift=0.28,
        relax=0.8,
    )


def spring(rng: Rng) -> Thing:
    """Coil spring of round wire."""
    half, radius, pitch = rng.uniform(1.1, 1.3), rng.uniform(0.36, 0.44), rng.uniform(0.25, 0.32)
    wire = 0.075

    def shape(x: Field, y: Field, z: Field) -> Field:
        turn = x * (1.0 / pitch) + np.arctan2(z, y) * np.float32(1.0 / TAU)
        along = (turn - np.floor(turn) - 0.5) * pitch * 0.99
        coil = hypot(along, hypot(y, z) - radius) - wire
        return np.asarray(np.maximum(coil, np.abs(x) - half))

    edge = radius + wire
    return Thing(
        shape,
        (-half, -edge, -edge),
        (half, edge, edge),
        metal(rng, [ZINC, STEEL], (0.15, 0.3)),
        about_x(rng.uniform(0, 6)),
        lift=edge,
        relax=0.7,
    )


def paper_clip(rng: Rng) -> Thing:
    """Wire clip, steel or coated in colour."""
    coats: list[Colour] = [(0.6, 0.03, 0.03), (0.02, 0.1, 0.5), (0.02, 0.35, 0.08)]
    if rng.random() < 0.7:
        material = Material(coats[int(rng.integers(len(coats)))], 0.0, 0.25)
    else:
        material = metal(rng, [ZINC], (0.12, 0.2))

    def arch(x: Field, y: Field, at: tuple[float, float], radius: float, way: float) -> Field:
        """Half a circle that opens against `way` along x."""
        dx = (x - at[0]) * way
        ring = np.abs(hypot(x - at[0], y - at[1]) - radius)
        return np.asarray(np.where(dx > 0.0, ring, hypot(dx, np.abs(y - at[1]) - radius)))

    def shape(x: Field, y: Field, z: Field) -> Field:
        wire = np.minimum(arch(x, y, (0.85, 0.0), 0.38, 1.0), arch(x, y, (-0.75, 0.05), 0.33, -1.0))
        wire = np.minimum(wire, arch(x, y, (0.5, 0.06), 0.22, 1.0))
        for start, end, level in (
            (-0.3, 0.85, -0.38),
            (-0.75, 0.85, 0.38),
            (-0.75, 0.5, -0.28),
            (-0.35, 0.5, 0.28),
        ):
            wire = np.minimum(wire, segment(x, y, (start, level), (end, level), 0.0))
        return np.asarray(hypot(wire, z) - 0.05)

    flip = about_x(math.pi * int(rng.integers(2)))
    return Thing(shape, (-1.15, -0.45, -0.05), (1.3, 0.45, 0.05), material, flip, 0.05)


def leaf(rng: Rng) -> Thing:
    """A dry or green leaf that curls a little."""
    tints: list[Colour] = [(0.10, 0.26, 0.03), (0.42, 0.20, 0.03), (0.36, 0.07, 0.02)]
    curl, serration = rng.uniform(0.05, 0.18), rng.uniform(0.02, 0.05)
    green = tints[int(rng.integers(len(tints)))]

    def shape(x: Field, y: Field, z: Field) -> Field:
        side = np.abs(y)
        span = np.clip((x + 1.0) * 0.5, 0.0, 1.0)
        outline = side - 1.25 * np.sqrt(span) * (1.0 - span) + serration * tooth(x * 7.0 - side * 3.0)
        stalk = segment(x, y, (-1.55, 0.12), (-0.95, 0.0), 0.05, 0.035)
        vein = np.minimum(side, np.abs(tooth(x * 2.2 - side * 2.0) - 0.5) * 0.35 + 0.02)
        height = 0.06 + curl * (side * side * 2.0 + 0.3 * x * x) - 0.035 * fade(vein, 0.07, 0.0)
        flat = np.minimum(0.6 * np.maximum(outline, np.abs(x) - 1.0), stalk)
        return both(flat, np.abs(z - height) - 0.018, 0.01)

    return Thing(
        shape,
        (-1.6, -0.75, 0.0),
        (1.02, 0.75, 0.5),
        Material(green, 0.0, 0.6, 0.25, (0.16, 0.09, 0.02)),
        relax=0.5,
    )


def pencil(rng: Rng) -> Thing:
    """Painted hexagonal pencil, without a point: only its middle is ever seen."""
    paints: list[Colour] = [(0.70, 0.36, 0.02), (0.5, 0.02, 0.02), (0.02, 0.16, 0.1), (0.03, 0.05, 0.25)]
    paint = paints[int(rng.integers(len(paints)))]

    def shape(x: Field, y: Field, z: Field) -> Field:
        return both(hexagon(y, z, 0.2), np.abs(x) - 2.5, 0.04)

    return Thing(shape, (-2.5, -0.24, -0.24), (2.5, 0.24, 0.24), Material(paint, 0.0, 0.3), lift=0.2)


def handle(rng: Rng) -> Thing:
    """Fluted plastic handle of a screwdriver."""
    paints: list[Colour] = [(0.55, 0.02, 0.02), (0.75, 0.30, 0.01), (0.02, 0.07, 0.35), (0.02, 0.02, 0.02)]
    paint = paints[int(rng.integers(len(paints)))]

    def shape(x: Field, y: Field, z: Field) -> Field:
        flutes = 0.04 * tooth(np.arctan2(z, y) * np.float32(6 / TAU))
        return both(hypot(y, z) - 0.5 + flutes + 0.1 * fade(x, 0.4, 1.2), np.abs(x) - 1.5, 0.2)

    return Thing(shape, (-1.5, -0.5, -0.5), (1.5, 0.5, 0.5), Material(paint, 0.0, 0.2), about_x(0.4), 0.46)


STRAYS: dict[str, Callable[[Rng], Thing]] = {
    "key": door_key,
    "coin": coin,
    "spring": spring,
    "leaf": leaf,
    "paper_clip": paper_clip,
    "gear": gear,
}
CLUTTER: tuple[Callable[[Rng], Thing], ...] = (pencil, handle)
