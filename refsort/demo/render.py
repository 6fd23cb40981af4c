"""The demo dataset `Tornillos`: pictures of hardware on a workbench, made by a small renderer.

Numpy and Pillow only, no downloads; the same seed gives the same pictures.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from refsort.demo.picture import Shot, develop, expose, linear
from refsort.demo.scene import DIFFUSE_LAMP, Camera, Light, Placed
from refsort.demo.shapes import Field, Thing, about_z
from refsort.demo.strays import CLUTTER, STRAYS
from refsort.demo.surfaces import GLOSS, TOPS, Noise, litter, ruler
from refsort.demo.things import CLASSES

Rng = np.random.Generator
SIZE = (384, 288)
QUALITY = 88
REFERENCES, ARRIVALS, LOST = 10, 60, 5
"""References of each class; arrivals in all; arrivals that belong to no class."""


@dataclass(frozen=True)
class Order:
    """One picture to make. It depends on nothing but this and the noise of its seed."""

    path: str
    """Relative to the dataset, with slashes."""
    kind: str
    """A key of CLASSES or STRAYS."""
    key: tuple[int, ...]
    """Seed of the picture's own random numbers."""
    table: int | None = None
    """Index into TOPS; None leaves it to chance."""
    alone: bool = True
    """Never two pieces of the kind."""


def render_demo(folder: Path, seed: int = 7) -> dict[str, str | None]:
    """Writes references to `folder`/Clases/<class> and arrivals to `folder`/Images, about 2.3 MB.

    Returns the class of every arrival by file name; None for those that belong to no class.
    Raises FileExistsError rather than write over a file, and OSError where the folder can't be written.
    """
    noise, truth = noise_of(seed), {}
    for order in orders(seed):
        path, picture = folder / order.path, photograph(order, noise)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            picture.save(file, "JPEG", quality=QUALITY)
        if order.path.startswith("Images/"):
            truth[path.name] = order.kind if order.kind in CLASSES else None
    return truth


def noise_of(seed: int) -> Noise:
    """The random fields that all pictures of a seed share."""
    return Noise(np.random.default_rng([seed, 0]))


def orders(seed: int) -> list[Order]:
    """All pictures of the dataset: references, then arrivals, shuffled and under names that tell nothing."""
    made = []
    for number, name in enumerate(CLASSES):
        # References on as many different tables as there are: a class must not be known by its background.
        tables = np.random.default_rng([seed, 1, number]).permutation(len(TOPS))
        for i in range(REFERENCES):
            path, key = f"Clases/{name}/{name}_{i + 1}.jpg", (seed, 2, number, i)
            made.append(Order(path, name, key, int(tables[i % len(TOPS)])))
    for i, kind in enumerate(arrivals(np.random.default_rng([seed, 3]))):
        made.append(Order(f"Images/IMG_{i + 1:04d}.jpg", kind, (seed, 4, i), alone=kind in STRAYS))
    return made


def arrivals(rng: Rng) -> list[str]:
    """Kinds of the arrivals in the order of their file names: classes evenly, and a few strays."""
    names, strays = list(CLASSES), list(STRAYS)
    first = rng.permutation(len(names))
    kinds = [names[int(first[i % len(names)])] for i in range(ARRIVALS - LOST)]
    kinds += [strays[int(i)] for i in rng.permutation(len(strays))[:LOST]]
    return [kinds[int(i)] for i in rng.permutation(len(kinds))]


def photograph(order: Order, noise: Noise) -> Image.Image:
    """One finished picture, with its own place, light, table and camera."""
    rng = np.random.default_rng(list(order.key))
    light, depth = expose(arrange(order, noise, rng))
    return develop(light, depth, rng)


def arrange(order: Order, noise: Noise, rng: Rng) -> Shot:
    """Chooses table, lamp, camera and what lies where."""
    make = STRAYS[order.kind] if order.kind in STRAYS else CLASSES[order.kind]
    kind = TOPS[int(rng.integers(len(TOPS))) if order.table is None else order.table]
    top = litter(kind(noise, rng), rng, int(rng.integers(0, 3)))
    if rng.random() < 0.15:
        top = ruler(top, rng)
    thing, yaw = make(rng), rng.uniform(0, math.tau)
    pieces = [place(thing, yaw, (0.0, 0.0))]
    if not order.alone and rng.random() < 0.15:
        away = yaw + thing.aside + rng.normal(0, 0.08)
        apart = (thing.beside * math.cos(away), thing.beside * math.sin(away))
        pieces.append(place(make(rng), yaw + rng.normal(0, 0.08), apart))
    camera = frame(pieces, rng)
    if rng.random() < 0.2:
        pieces.append(clutter(camera, rng))
    return Shot(camera, lamps(rng, top), top, GLOSS.get(kind, 0.0), rng.uniform(0, math.tau), pieces)


def clutter(camera: Camera, rng: Rng) -> Placed:
    """A pencil or a tool that reaches into the edge of the picture."""
    stuff, side = CLUTTER[int(rng.integers(len(CLUTTER)))](rng), rng.uniform(0, math.tau)
    middle, off = camera.target(), 0.53 * camera.span()
    at = (float(middle[0]) + off * math.cos(side), float(middle[1]) + off * math.sin(side))
    return place(stuff, side + math.pi / 2 + rng.normal(0, 0.3), at)


def frame(pieces: list[Placed], rng: Rng) -> Camera:
    """Points a camera so that all pieces are in the picture, large or small, in the middle or aside."""
    tilt, roll, fill = rng.uniform(0.05, 0.75), rng.normal(0, 0.15), rng.uniform(0.62, 0.92)
    corners = np.concatenate([piece.corners() for piece in pieces], 1)
    target, span = np.zeros(2), 4.0
    shift = rng.uniform(-0.32, 0.32, 2)
    for _ in range(2):
        camera = Camera.aim((float(target[0]), float(target[1])), tilt, roll, span, SIZE)
        seen = camera.project(corners)
        low, high = seen.min(1), seen.max(1)
        size = np.asarray(SIZE, np.float32)
        grow = float(((high - low) / size).max()) / fill
        spare = np.maximum(size - (high - low) / grow - 12.0, 0.0)
        # Where the middle of the pieces is now, less where it should come to lie, on the table.
        off = ((0.5 * (low + high) - 0.5 * size) / grow - spare * shift) * (span * grow / SIZE[0])
        span *= grow
        target += np.array([off[0], -off[1] / math.cos(tilt)])
    return Camera.aim((float(target[0]), float(target[1])), tilt, roll, span, SIZE)


def place(thing: Thing, yaw: float, middle: tuple[float, float]) -> Placed:
    """Lays a thing down so that the middle of its box is over `middle`."""
    turn = np.asarray(about_z(yaw) @ thing.rest, np.float32)
    half = turn @ (0.5 * (np.asarray(thing.low, np.float32) + np.asarray(thing.high, np.float32)))
    at = np.array([middle[0] - half[0], middle[1] - half[1], thing.lift], np.float32)
    return Placed(thing, turn, at)


def lamps(rng: Rng, top: NDArray[np.uint8]) -> Light:
    """A workshop's light: direction, colour and strength vary."""

    def towards(low: float, high: float) -> Field:
        side, up = rng.uniform(0, math.tau), rng.uniform(low, high)
        return np.array([math.cos(side) * math.cos(up), math.sin(side) * math.cos(up), math.sin(up)], np.float32)

    warm = rng.uniform(-0.5, 1.0)
    tint = np.array([1.0 + 0.1 * warm, 1.0, 1.0 - 0.22 * warm], np.float32)
    cool = np.array([0.94, 1.0, 1.08], np.float32)
    table = linear(top[::16, ::16]).reshape(-1, 3).mean(0)
    strength = rng.uniform(5.0, 8.0)
    ceiling = cool * rng.uniform(0.3, 0.65)
    glow = table * (DIFFUSE_LAMP * strength * 0.75 + 0.45 * ceiling.mean())
    return Light(
        lamp=towards(0.55, 1.2),
        lamp_colour=tint * strength,
        window=towards(0.3, 1.0),
        window_colour=cool * rng.uniform(1.0, 2.5),
        ceiling=ceiling,
        wall=ceiling * rng.uniform(0.1, 0.3),
        table=np.asarray(glow, np.float32),
        stripes=towards(0.1, 0.6),
        size=rng.uniform(0.08, 0.25),
    )
