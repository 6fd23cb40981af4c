"""A small ray tracer for things on a table: rays are marched through signed distance functions (Hart, "Sphere
tracing", 1996), metal mirrors a made-up workshop, lamps of some size cast soft shadows.

Colours are linear RGB, float32. Points and directions are float32[3, n].
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refsort.demo.shapes import Field, Shape, Thing

Hits = NDArray[np.bool_]
STEPS, SHADOW_STEPS = 48, 14
DIFFUSE_LAMP = 0.16
"""A lamp as bright as it looks in a mirror lights a matt surface by this much: its share of the sky."""
DISTANCE = 8.5
"""From the camera to the point it looks at, in scene units."""
HIT = 0.004
"""A ray that comes this near (scene units) has arrived."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera that looks at a point of the table."""

    eye: Field
    axes: Field
    """Rows: right, down, forward."""
    focal: float
    """In pixels."""
    width: int
    height: int

    @classmethod
    def aim(cls, target: tuple[float, float], tilt: float, roll: float, span: float, size: tuple[int, int]) -> "Camera":
        """`tilt` from the vertical and `roll` in radians; `span` scene units fill the width at the target."""
        forward = np.array([0.0, math.sin(tilt), -math.cos(tilt)])
        down = np.array([0.0, -math.cos(tilt), -math.sin(tilt)])
        right = np.array([1.0, 0.0, 0.0])
        turned = math.cos(roll) * right + math.sin(roll) * down
        axes = np.stack([turned, np.cross(forward, turned), forward]).astype(np.float32)
        eye = np.array([*target, 0.0]) - DISTANCE * forward
        return cls(eye.astype(np.float32), axes, DISTANCE * size[0] / span, *size)

    def target(self) -> Field:
        """The point of the table that the camera looks at."""
        return np.asarray(self.eye + DISTANCE * self.axes[2])

    def span(self) -> float:
        """Scene units across the picture at the target."""
        return self.width * DISTANCE / self.focal

    def rays(self, px: Field, py: Field) -> Field:
        """Unit directions of the rays through these pixels."""
        a = (px - 0.5 * (self.width - 1)) / self.focal
        b = (py - 0.5 * (self.height - 1)) / self.focal
        directions = self.axes.T @ np.stack([a, b, np.ones_like(a)]).astype(np.float32)
        return np.asarray(directions / np.sqrt((directions * directions).sum(0)))

    def project(self, points: Field) -> Field:
        """Pixels (x, y) of points, float32[2, n]."""
        seen = self.axes @ (points - self.eye[:, None])
        centre = np.array([[0.5 * (self.width - 1)], [0.5 * (self.height - 1)]], np.float32)
        return np.asarray(seen[:2] / seen[2] * self.focal + centre)

    def ground(self) -> Field:
        """Matrix from (px, py, 1) to homogeneous coordinates (x, y, w) on the table, float64[3, 3]."""
        lens = np.array([[1, 0, -0.5 * (self.width - 1)], [0, 1, -0.5 * (self.height - 1)], [0, 0, self.focal]])
        d = self.axes.T.astype(np.float64) @ lens
        x, y, z = self.eye.astype(np.float64)
        return np.stack([x * d[2] - z * d[0], y * d[2] - z * d[1], d[2]])


@dataclass(frozen=True)
class Light:
    """The workshop: one lamp that casts shadows, one window, walls, ceiling and the table's own glow."""

    lamp: Field
    """Unit vector towards the lamp."""
    lamp_colour: Field
    window: Field
    window_colour: Field
    ceiling: Field
    wall: Field
    table: Field
    stripes: Field
    """Direction across which the workshop's brightness changes."""
    size: float
    """Half the lamp's angle, roughly, in radians: large lamps cast soft shadows."""

    def mirrored(self, r: Field, rough: float) -> Field:
        """What a surface of this roughness sees in the directions `r`."""
        up = r[2]
        blur = 0.06 + 0.5 * rough
        # Shelves, beams and the photographer: broad stripes that give flat metal its changing brightness.
        uneven = np.sin(self.stripes @ r * 4.0 + self.stripes[0] * 9.0) * (0.5 * (1.0 - 0.5 * rough))
        sky = np.clip(up * 1.2, 0.0, 1.0) * (1.0 + uneven)
        below = np.clip(0.5 - up / blur, 0.0, 1.0)
        seen = self.wall[:, None] + (self.ceiling - self.wall)[:, None] * sky
        seen = seen + (self.table[:, None] - seen) * below
        seen += self.window_colour[:, None] * panel(r, self.window, (0.45, 0.3), rough)
        return np.asarray(seen)

    def highlight(self, r: Field, rough: float) -> Field:
        """The lamp itself in a surface, float32[3, n]."""
        return np.asarray(self.lamp_colour[:, None] * panel(r, self.lamp, (self.size, self.size), rough))


def panel(r: Field, towards: Field, half: tuple[float, float], rough: float) -> Field:
    """Brightness of a lit rectangle in direction `towards`; roughness blurs it and keeps its total light."""
    across = np.array([-towards[1], towards[0], 0.0], np.float32)
    across /= max(float(np.sqrt((across * across).sum())), 1e-6)
    upward = np.cross(towards, across)
    facing = np.maximum(towards @ r, 0.05)
    blur = 0.04 + 0.7 * rough
    a = np.clip((half[0] - np.abs(across @ r) / facing) / blur + 0.5, 0.0, 1.0)
    b = np.clip((half[1] - np.abs(upward @ r) / facing) / blur + 0.5, 0.0, 1.0)
    dim = half[0] * half[1] / ((half[0] + 0.5 * blur) * (half[1] + 0.5 * blur))
    return np.asarray(a * b * (facing > 0.06) * dim)


@dataclass(frozen=True)
class Placed:
    """A thing at its place on the table."""

    thing: Thing
    turn: Field
    """Rotation from the thing's own coordinates to the scene's."""
    at: Field

    def inward(self, directions: Field) -> Field:
        """Directions in the thing's own coordinates."""
        return np.asarray(self.turn.T @ directions)

    def corners(self) -> Field:
        """The eight corners of its box in the scene, float32[3, 8]."""
        ends = np.array([self.thing.low, self.thing.high], np.float32)
        grid = np.array([[ends[i, 0], ends[j, 1], ends[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
        return np.asarray(self.turn @ grid.T.astype(np.float32) + self.at[:, None])


def clip_to_box(thing: Thing, o: Field, d: Field, room: float = 0.03) -> tuple[Field, Field]:
    """Where rays enter and leave a thing's box; a ray that misses leaves before it enters."""
    low = np.asarray(thing.low, np.float32)[:, None] - room
    high = np.asarray(thing.high, np.float32)[:, None] + room
    inverse = 1.0 / np.where(np.abs(d) < 1e-6, 1e-6, d)
    a, b = (low - o) * inverse, (high - o) * inverse
    return np.minimum(a, b).max(0), np.maximum(a, b).min(0)


def march(thing: Thing, o: Field, d: Field) -> tuple[Field, Hits]:
    """Distance float32[n] along each ray from `o`, float32[3, 1], to the thing, and whether it was hit."""
    near, far = clip_to_box(thing, o, d)
    distance = np.maximum(near, 0.0)
    hit = np.zeros(distance.shape, bool)
    live = np.flatnonzero(far > distance)
    ray, t, end = d[:, live], distance[live], far[live]
    for step in range(STEPS):
        if not live.size:
            break
        p = o + ray * t
        gap = thing.shape(p[0], p[1], p[2])
        arrived = gap < HIT
        t = np.where(arrived, t, t + gap * thing.relax)
        going = ~arrived & (t < end)
        # Finished rays stand still: copying the others together costs more than it saves while they are few.
        if np.count_nonzero(going) < 0.85 * live.size or step == STEPS - 1:
            hit[live[arrived]] = True
            distance[live] = t
            live, ray, t, end = live[going], ray[:, going], t[going], end[going]
    return distance, hit


def lit(thing: Thing, p: Field, lamp: Field, size: float, start: float) -> Field:
    """Share of a lamp that points see past a thing, 0 to 1 (Quilez, "Soft shadows in raymarched SDFs")."""
    near, far = clip_to_box(thing, p, lamp[:, None], 0.25)
    share = np.ones(near.shape, np.float32)
    t = np.maximum(near, start)
    live = np.flatnonzero(far > t)
    origin, t, end, part = p[:, live], t[live], far[live], share[live]
    for _ in range(SHADOW_STEPS):
        if not live.size:
            break
        q = origin + lamp[:, None] * t
        gap = thing.shape(q[0], q[1], q[2])
        part = np.where(t < end, np.minimum(part, 0.5 + gap / (2.0 * size * (t + 0.02))), part)
        t = t + np.clip(np.abs(gap) * max(thing.relax, 0.8), 0.02, 0.5)
        going = (part > 0.0) & (t < end)
        if np.count_nonzero(going) < 0.85 * live.size:
            share[live] = part
            live, origin, t, end, part = live[going], origin[:, going], t[going], end[going], part[going]
    share[live] = part
    share = np.clip(share, 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share))


def normals(shape: Shape, p: Field) -> Field:
    """Unit normals from four samples around each point."""
    step, total = 0.004, np.zeros_like(p)
    for corner in ((1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)):
        e = np.array(corner, np.float32)[:, None]
        q = p + e * step
        total += e * shape(q[0], q[1], q[2])
    return np.asarray(total / np.maximum(np.sqrt((total * total).sum(0)), 1e-9))


def speckle(p: Field, scale: float) -> Field:
    """A cheap random-looking pattern in space between -1 and 1."""
    x, y, z = p * scale
    a = np.sin(x + 1.7 * np.sin(y * 0.9 + 0.5)) + np.sin(y * 1.1 + 1.3 * np.sin(z + x * 0.6))
    return np.asarray((a + np.sin(z * 1.2 + 1.9 * np.sin(x * 0.7 - y * 0.8))) * (1.0 / 3.0))


def shade(placed: Placed, light: Light, p: Field, d: Field) -> Field:
    """Light float32[3, n] from points `p` of the surface back along rays `d`, both in own coordinates."""
    thing, material = placed.thing, placed.thing.material
    n = normals(thing.shape, p)
    brushed = p * np.array([[0.15], [1.0], [1.0]], np.float32)
    n = n + material.scratches * np.stack([0.3 * speckle(brushed, 90.0), speckle(brushed, 77.0), speckle(p, 47.0)])
    n = n / np.sqrt((n * n).sum(0))
    lamp = placed.inward(light.lamp[:, None])[:, 0]
    q = p + n * 0.1
    open_sky = np.clip(thing.shape(q[0], q[1], q[2]) * (1.0 / 0.1), 0.15, 1.0)
    height = placed.turn[2] @ p + placed.at[2]
    world_n = placed.turn @ n
    open_sky *= np.clip(0.55 + height + 0.45 * world_n[2], 0.25, 1.0)
    shadow = lit(thing, p + n * 0.02, lamp, light.size, 0.03)
    facing = np.maximum(-(n * d).sum(0), 0.0)
    r = placed.turn @ (d + 2.0 * facing * n)
    worn = np.clip((speckle(p, 5.0) + 0.5 * speckle(p, 17.0)) * 1.5 + 2.0 * material.worn - 1.0, 0.0, 1.0)
    worn = worn * (material.worn > 0.0)
    smudge = 1.0 + 0.07 * speckle(p, 3.1) + 0.05 * speckle(p, 9.0)
    tint = np.asarray(material.tint, np.float32)[:, None] * smudge
    glint = 0.04 + (tint - 0.04) * material.metal
    glint = glint + (1.0 - glint) * ((1.0 - facing) ** 5 * (1.0 - 0.7 * material.rough))
    seen = light.mirrored(r, material.rough) * open_sky + light.highlight(r, material.rough) * shadow
    lamp_on = np.maximum((light.lamp[:, None] * world_n).sum(0), 0.0) * shadow
    sky = light.wall[:, None] * 0.5 + (light.ceiling[:, None] * 0.5) * (0.5 + 0.5 * world_n[2])
    soft = light.lamp_colour[:, None] * (lamp_on * DIFFUSE_LAMP) + sky * open_sky
    base = tint + (np.asarray(material.wear_tint, np.float32)[:, None] - tint) * worn
    matt = (1.0 - 0.93 * material.metal) * (1.0 - worn) + worn
    return np.asarray(base * soft * matt + seen * glint * (1.0 - 0.9 * worn))
