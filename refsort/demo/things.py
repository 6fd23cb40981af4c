"""The classes of the demo: one function per kind of hardware, each piece a little different.

A scene unit is about 2 cm: long pieces measure about 2.4 units.
"""

import math
from collections.abc import Callable

import numpy as np

from refsort.demo.shapes import (
    Colour,
    Field,
    Material,
    Thing,
    about_x,
    both,
    box,
    cut,
    fade,
    hexagon,
    hypot,
    join,
    lying,
    segment,
    slab,
    thread,
    tooth,
    unturned,
)

Rng = np.random.Generator

ZINC: Colour = (0.66, 0.69, 0.72)
STEEL: Colour = (0.50, 0.50, 0.50)
BRASS: Colour = (0.80, 0.52, 0.15)
YELLOW_ZINC: Colour = (0.80, 0.54, 0.19)


def metal(rng: Rng, tints: list[Colour], rough: tuple[float, float] = (0.12, 0.3), worn: float = 0.0) -> Material:
    """One of the metals, a little off its usual colour."""
    tint = tints[int(rng.integers(len(tints)))]
    red, green, blue = (c * rng.uniform(0.93, 1.05) for c in tint)
    return Material((red, green, blue), 1.0, rng.uniform(*rough), worn)


def wood_screw(rng: Rng) -> Thing:
    """Countersunk wood screw with a Phillips recess, mostly yellow zinc."""
    length, head, core = rng.uniform(2.2, 2.6), rng.uniform(0.36, 0.41), rng.uniform(0.165, 0.19)
    pitch, plain = rng.uniform(0.15, 0.18), rng.uniform(0.5, 0.8)

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho = hypot(y, z)
        cone = both(0.71 * (rho - head + x - 0.05), np.abs(x - 0.3) - 0.3, 0.02)
        reach = np.minimum(core, 0.36 * (length - x))
        ridge = fade(x, plain, plain + 0.15)
        shaft = thread(x, y, z, rho, reach + 0.02 * ridge, pitch, np.minimum(0.1, 0.55 * reach) * ridge, 1.5)
        shaft = both(shaft, slab(x, 0.1, length), 0.01)
        arm = 0.05 + 0.16 * np.maximum(0.25 - x, 0.0)
        width = 0.24 - 0.6 * x
        side, up = np.abs(y), np.abs(z)
        cross = np.minimum(np.maximum(side - width, up - arm), np.maximum(up - width, side - arm))
        return cut(join(cone, shaft, 0.06), np.maximum(cross, x - 0.26))

    rest, lift = lying((0.05, head), (length, 0.02), rng.uniform(0, math.tau))
    edge = head + 0.05
    return Thing(
        shape,
        (-0.02, -edge, -edge),
        (length, edge, edge),
        metal(rng, [YELLOW_ZINC], (0.2, 0.35)),
        rest,
        lift,
        relax=0.6,
        beside=rng.uniform(0.8, 1.0),
    )


def hex_bolt(rng: Rng) -> Thing:
    """Bolt with a hexagonal head, a plain shank and a machine thread."""
    length, radius = rng.uniform(1.7, 2.2), rng.uniform(0.25, 0.3)
    apothem, tall, pitch = radius * 1.72, radius * 1.3, rng.uniform(0.1, 0.125)
    plain = rng.uniform(0.05, 0.4) * length

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho = hypot(y, z)
        head = both(hexagon(y, z, apothem), slab(x, -tall, 0.0), 0.03)
        head = both(head, 0.87 * (rho - apothem * 1.06) - 0.5 * (x + tall), 0.02)
        shaft = thread(x, y, z, rho, radius, pitch, 0.065 * fade(x, plain, plain + 0.08))
        shaft = both(shaft, slab(x, -0.1, length), 0.02)
        shaft = both(shaft, 0.71 * (rho - radius + x - length + 0.08), 0.01)
        return join(head, shaft, 0.05)

    rest, lift = lying((0.0, apothem), (length, radius), math.tau / 6 * int(rng.integers(6)))
    edge = apothem * 1.16
    return Thing(
        shape,
        (-tall, -edge, -edge),
        (length, edge, edge),
        metal(rng, [ZINC, ZINC, STEEL], (0.1, 0.28)),
        rest,
        lift,
        relax=0.65,
        beside=rng.uniform(1.0, 1.3),
    )


def nut(rng: Rng) -> Thing:
    """Hexagonal nut."""
    apothem = rng.uniform(0.85, 0.95)
    bore, tall = apothem * rng.uniform(0.52, 0.58), apothem * rng.uniform(0.8, 0.95)

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho = hypot(x, y)
        body = both(hexagon(x, y, apothem), np.abs(z) - tall / 2, 0.03)
        body = both(body, 0.5 * (rho - apothem * 1.03) + 0.87 * (np.abs(z) - tall / 2), 0.02)
        hole = thread(z, x, y, rho, bore, 0.16, 0.09)
        hole = np.minimum(hole, 0.71 * (rho - bore - 0.06 + tall / 2 - np.abs(z)))
        return both(body, -hole, 0.02)

    edge = apothem * 1.16
    return Thing(
        shape,
        (-edge, -edge, -tall / 2),
        (edge, edge, tall / 2),
        metal(rng, [ZINC, ZINC, STEEL], (0.12, 0.3)),
        lift=tall / 2,
        relax=0.7,
        beside=apothem * rng.uniform(2.3, 2.6),
    )


def washer(rng: Rng) -> Thing:
    """Flat ring, stamped from sheet metal."""
    outer = rng.uniform(0.95, 1.1)
    bore, thick = outer * rng.uniform(0.42, 0.52), rng.uniform(0.05, 0.08)

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho = hypot(x, y)
        ring = np.abs(rho - 0.5 * (outer + bore)) - 0.5 * (outer - bore)
        return both(ring, np.abs(z) - thick, 0.05)

    return Thing(
        shape,
        (-outer, -outer, -thick),
        (outer, outer, thick),
        metal(rng, [ZINC, STEEL], (0.1, 0.3)),
        lift=thick,
        beside=outer * rng.uniform(2.1, 2.4),
    )


def nail(rng: Rng) -> Thing:
    """Round wire nail with a flat head and a cut point, sometimes with rust."""
    length, radius = rng.uniform(2.7, 3.1), rng.uniform(0.075, 0.09)
    head = radius * rng.uniform(2.3, 2.7)

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho = hypot(y, z)
        disc = both(rho - head + 0.5 * np.maximum(x, 0.0), slab(x, 0.0, 0.07), 0.03)
        grip = 0.012 * tooth(x * 9.0) * fade(x, 0.5, 0.4)
        point = np.maximum(np.abs(y + z), np.abs(y - z)) * 0.71 - 0.3 * (length - x)
        return join(disc, np.maximum(both(rho - radius + grip, slab(x, 0.02, length), 0.01), point), 0.05)

    rest, lift = lying((0.0, head), (length - 0.25, radius), rng.uniform(0, 6))
    worn = rng.uniform(0.3, 0.6) if rng.random() < 0.3 else 0.0
    return Thing(
        shape,
        (0.0, -head, -head),
        (length, head, head),
        metal(rng, [STEEL], (0.14, 0.3), worn),
        rest,
        lift,
        relax=0.9,
        beside=rng.uniform(0.5, 0.8),
    )


def wing_nut(rng: Rng) -> Thing:
    """Nut with two wings to turn it by hand."""
    base, tall = rng.uniform(0.5, 0.56), rng.uniform(0.55, 0.65)
    reach, high, tip = rng.uniform(1.05, 1.2), rng.uniform(0.95, 1.15), rng.uniform(0.24, 0.3)

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho, side = hypot(x, y), np.abs(x)
        body = both(0.98 * (rho - base + 0.2 * z), slab(z, 0.0, tall), 0.06)
        wing = segment(side, z, (base * 0.7, 0.3), (reach, high), 0.26, tip)
        wing = both(wing, np.abs(y) - 0.16 + 0.05 * side, 0.1)
        hole = thread(z, x, y, rho, 0.31, 0.12, 0.06)
        return both(join(body, wing, 0.12), -hole, 0.03)

    wide, top = reach + tip, high + tip
    rest, lift = unturned(), 0.0
    if rng.random() < 0.2:
        # Toppled: it rests on the rim of its base and on the side of both wings.
        tilt = math.pi / 2 - math.atan2(base - 0.12, top)
        rest, lift = about_x(tilt), base * math.sin(tilt)
    return Thing(
        shape,
        (-wide, -base, 0.0),
        (wide, base, top),
        metal(rng, [ZINC, ZINC, BRASS], (0.14, 0.3)),
        rest,
        lift,
        relax=0.65,
        beside=rng.uniform(1.6, 2.0),
    )


def screw_hook(rng: Rng) -> Thing:
    """Square-bent hook with a wood thread (escarpia), brass or zinc."""
    length, arm, radius = rng.uniform(1.8, 2.1), rng.uniform(0.95, 1.2), rng.uniform(0.12, 0.14)
    bend, pitch, plain = rng.uniform(0.22, 0.3), rng.uniform(0.14, 0.17), rng.uniform(0.75, 0.95)

    def shape(x: Field, y: Field, z: Field) -> Field:
        corner = np.where(
            (x < bend) & (y < bend),
            np.abs(hypot(x - bend, y - bend) - bend),
            np.where(x > y, np.abs(y), np.abs(x)),
        )
        rod = both(hypot(corner, z) - radius, np.maximum(x - plain, y - arm), 0.04)
        rho = hypot(y, z)
        reach = np.minimum(radius, 0.34 * (length - x))
        depth = np.minimum(0.065, 0.5 * reach) * fade(x, plain, plain + 0.1)
        screw = thread(x, y, z, rho, reach, pitch, depth, 1.4)
        return np.minimum(rod, both(screw, slab(x, plain - 0.05, length), 0.01))

    flip = about_x(math.pi * int(rng.integers(2)))
    return Thing(
        shape,
        (-radius, -radius, -radius),
        (length, arm, radius),
        metal(rng, [BRASS, ZINC, ZINC], (0.1, 0.3)),
        flip,
        lift=radius,
        relax=0.6,
        beside=rng.uniform(1.2, 1.4),
    )


def wall_plug(rng: Rng) -> Thing:
    """Plastic wall plug, split lengthwise, with ribs."""
    length, radius = rng.uniform(1.9, 2.3), rng.uniform(0.3, 0.34)
    colours: list[Colour] = [(0.5, 0.02, 0.02), (0.25, 0.26, 0.28), (0.6, 0.2, 0.02), (0.62, 0.6, 0.55)]
    tint = colours[int(rng.integers(len(colours)))]

    def shape(x: Field, y: Field, z: Field) -> Field:
        rho = hypot(y, z)
        ribs = 0.07 * (x * 4.5 - np.floor(x * 4.5)) * fade(x, 0.5, 0.6) * fade(x, length - 0.1, length - 0.2)
        tube = both(rho - radius + 0.04 * x + ribs, slab(x, 0.0, length), 0.04)
        collar = both(rho - radius - 0.09, slab(x, 0.0, 0.08), 0.03)
        fins = box(x - 0.55 * length, y, z, (0.35 * length, 0.03, radius + 0.1), 0.02)
        fins = np.maximum(fins, np.abs(z) - radius - 0.1 + 0.25 * np.maximum(x - 0.5 * length, 0.0))
        slot = np.maximum(np.abs(z) - 0.035, np.abs(x - 0.62 * length) - 0.3 * length)
        bore = np.maximum(rho - 0.55 * radius, x - 0.8 * length)
        body = np.minimum(join(tube, collar, 0.03), fins)
        return cut(body, np.minimum(slot, bore))

    edge = radius + 0.1
    rest, lift = lying((0.0, edge), (length * 0.9, radius - 0.04 * length), rng.choice([0.7, -0.7, 2.4, -2.4]))
    return Thing(
        shape,
        (0.0, -edge, -edge),
        (length, edge, edge),
        Material(tint, 0.0, rng.uniform(0.35, 0.6)),
        rest,
        lift,
        relax=0.7,
        beside=rng.uniform(0.8, 1.1),
    )


CLASSES: dict[str, Callable[[Rng], Thing]] = {
    "arandela": washer,
    "clavo": nail,
    "escarpia": screw_hook,
    "perno_hexagonal": hex_bolt,
    "taco": wall_plug,
    "tornillo_phillips": wood_screw,
    "tuerca": nut,
    "tuerca_mariposa": wing_nut,
}
"""Folder name of each class and how to make a piece of it."""
