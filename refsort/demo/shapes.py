"""Building blocks of solid shapes as signed distance functions: negative inside, positive outside.

Coordinates arrive as three float32[n] arrays; the answer is float32[n]. A block may understate the distance
to its surface (then a ray takes more steps) but must not overstate it by much (a ray would pass through).
Formulas for the exact ones follow Quilez, "Distance functions" (iquilezles.org).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
"""Always float32; numpy's own types lose sight of that when a plain number joins in."""
Shape = Callable[[Field, Field, Field], Field]
Triple = tuple[float, float, float]
Colour = Triple
TAU = 2.0 * math.pi


def unturned() -> Field:
    """The rotation that turns nothing, float32[3, 3]."""
    return np.eye(3, dtype=np.float32)


@dataclass(frozen=True)
class Material:
    """How a surface answers light. Colours are linear RGB, 0 to 1."""

    tint: Colour
    metal: float = 1.0
    rough: float = 0.25
    """0 mirrors like chrome, 1 has no reflections."""
    worn: float = 0.0
    """Share of the surface that dirt or rust has dulled."""
    wear_tint: Colour = (0.12, 0.055, 0.025)
    scratches: float = 0.015
    """How far fine scratches bend the surface normal, in radians or so."""


@dataclass(frozen=True)
class Thing:
    """A solid with its material and the way it rests on a table at z = 0."""

    shape: Shape
    low: Triple
    high: Triple
    """Corners of a box around the shape, in its own coordinates."""
    material: Material
    rest: Field = field(default_factory=unturned)
    """Rotation from the shape's own coordinates to a resting pose."""
    lift: float = 0.0
    """Height of the shape's origin above the table when it rests."""
    relax: float = 1.0
    """Share of the stated distance that a ray may safely advance."""
    beside: float = 1.2
    """How far away a second piece of the kind can lie, along `aside`."""
    aside: float = math.pi / 2
    """Angle from the thing's own x axis to its neighbour."""


def hypot(a: Field, b: Field) -> Field:
    """Square root of a² + b²; faster than numpy's careful one."""
    return np.asarray(np.sqrt(a * a + b * b))


def join(a: Field, b: Field, soft: float) -> Field:
    """Union of two solids with a fillet of about `soft` between them."""
    gap = np.maximum(soft - np.abs(a - b), 0.0)
    return np.asarray(np.minimum(a, b) - gap * gap * (0.25 / soft))


def both(a: Field, b: Field, soft: float) -> Field:
    """Intersection of two solids with an edge rounded by about `soft`."""
    gap = np.maximum(soft - np.abs(a - b), 0.0)
    return np.asarray(np.maximum(a, b) + gap * gap * (0.25 / soft))


def cut(solid: Field, tool: Field) -> Field:
    """A solid without what `tool` takes away, with sharp edges."""
    return np.asarray(np.maximum(solid, -tool))


def slab(x: Field, low: float, high: float) -> Field:
    """The space between two planes across x."""
    return np.asarray(np.abs(x - 0.5 * (low + high)) - 0.5 * (high - low))


def box(x: Field, y: Field, z: Field, half: Triple, soft: float) -> Field:
    """A box around the origin with rounded edges."""
    return both(both(np.abs(x) - half[0], np.abs(y) - half[1], soft), np.abs(z) - half[2], soft)


def hexagon(a: Field, b: Field, apothem: float) -> Field:
    """An endless hexagonal bar with flat sides at a distance `apothem`; one pair of flats lies across b."""
    a, b = np.abs(a), np.abs(b)
    return np.asarray(np.maximum(0.8660254 * a + 0.5 * b, b) - apothem)


def segment(
    a: Field,
    b: Field,
    start: tuple[float, float],
    end: tuple[float, float],
    width: float,
    width_end: float | None = None,
) -> Field:
    """In the plane: a line of half-width `width`, which may change evenly towards its end."""
    da, db = end[0] - start[0], end[1] - start[1]
    along = np.clip(((a - start[0]) * da + (b - start[1]) * db) * (1.0 / (da * da + db * db)), 0.0, 1.0)
    radius = width + ((width if width_end is None else width_end) - width) * along
    return np.asarray(hypot(a - start[0] - along * da, b - start[1] - along * db) - radius)


def tooth(phase: Field) -> Field:
    """Triangle wave of period 1 between 0 (at whole numbers) and 1 (halfway)."""
    return np.asarray(1.0 - np.abs(2.0 * (phase - np.floor(phase)) - 1.0))


def thread(
    x: Field,
    y: Field,
    z: Field,
    rho: Field,
    radius: Field | float,
    pitch: float,
    depth: Field | float,
    crest: float = 1.0,
) -> Field:
    """A threaded rod along x. `crest` above 1 makes grooves wide and ridges thin, as on wood screws."""
    turn = np.arctan2(z, y) * np.float32(1.0 / TAU)
    groove = np.minimum(tooth(x * (1.0 / pitch) + turn) * crest, 1.0)
    return np.asarray(rho - radius + depth * groove)


def fade(x: Field, start: float, end: float) -> Field:
    """0 before `start`, 1 after `end`, smooth in between; `end` may lie before `start`."""
    t = np.clip((x - start) * (1.0 / (end - start)), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def about_x(angle: float) -> Field:
    """Rotation matrix, float32[3, 3]."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]], np.float32)


def about_y(angle: float) -> Field:
    """Rotation matrix, float32[3, 3]."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


def about_z(angle: float) -> Field:
    """Rotation matrix, float32[3, 3]."""
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], np.float32)


def lying(near: tuple[float, float], far: tuple[float, float], roll: float) -> tuple[Field, float]:
    """Pose of a rod along x that touches the table with two rims.

    Each rim is (x, radius), the first with the smaller x. Returns the rotation and the height of the origin.
    """
    lean = math.atan2(near[1] - far[1], far[0] - near[0])
    rotation = np.asarray(about_y(lean) @ about_x(roll), np.float32)
    return rotation, near[0] * math.sin(lean) + near[1] * math.cos(lean)
