"""From an arranged scene to a finished photograph: light on the sensor, then what a camera makes of it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from refsort.demo.scene import DIFFUSE_LAMP, DISTANCE, Camera, Light, Placed, lit, march, shade
from refsort.demo.shapes import Field
from refsort.demo.surfaces import REACH, SIDE

Rng = np.random.Generator
SAMPLES = np.array([[-0.38, 0.12, 0.38, -0.12], [-0.12, -0.38, 0.12, 0.38]], np.float32)[:, :, None]
"""Where in a pixel, across and down, the extra rays go that smooth edges."""
BUSY = 0.12
"""Difference between neighbouring pixels, as the square root of light, from which both get extra rays."""
CURVE = ((np.arange(256) / 255.0) ** 2.2).astype(np.float32)
FILM_END = 4.0


@dataclass(frozen=True)
class Shot:
    """What a picture shows, before it is rendered."""

    camera: Camera
    light: Light
    top: NDArray[np.uint8]
    """The table, as surfaces.py makes it."""
    gloss: float
    turn: float
    """How the table lies under the camera, in radians."""
    pieces: list[Placed]


def linear(srgb: NDArray[np.uint8]) -> Field:
    """sRGB bytes to linear light, near enough."""
    return CURVE[srgb]


def film() -> NDArray[np.uint8]:
    """Bytes for light from 0 to FILM_END: a soft shoulder for highlights, gamma, a little more contrast."""
    light = np.linspace(0.0, FILM_END, 1 << 14)
    tone = np.clip(light * (1.0 + light / 6.0) / (1.0 + light * 0.8), 0.0, 1.0) ** (1 / 2.2)
    tone += 0.3 * (tone * tone * (3.0 - 2.0 * tone) - tone)
    return np.asarray(tone * 255.0 + 0.5).astype(np.uint8)


FILM = film()


def expose(shot: Shot) -> tuple[Field, Field]:
    """Linear light float32[h, w, 3] on the sensor; float32[h, w], how far behind the middle a pixel lies."""
    wide, high = shot.camera.width, shot.camera.height
    py, px = np.mgrid[0:high, 0:wide].astype(np.float32).reshape(2, -1)
    matrix = shot.camera.ground()
    x, y, w = matrix @ np.stack([px, py, np.ones_like(px)])
    ground = np.stack([x / w, y / w, np.zeros_like(x)]).astype(np.float32)
    albedo = linear(warp(shot.top, shot.camera, shot.turn)).reshape(-1, 3).T
    lamp, sky = np.ones(px.shape, np.float32), np.ones(px.shape, np.float32)
    for piece in shot.pieces:
        shadows(piece, shot.light, ground, lamp, sky)
    light = shot.light
    fall = 1.0 / (1.0 + 0.012 * ((ground[:2] - 2.0 * light.lamp[:2, None]) ** 2).sum(0))
    seen = albedo * (
        light.lamp_colour[:, None] * (DIFFUSE_LAMP * light.lamp[2] * lamp * fall)
        + (0.3 * light.ceiling + 0.2 * light.wall)[:, None] * (2.0 * sky)
    )
    rays = shot.camera.rays(px, py)
    if shot.gloss:
        mirror = rays * np.array([[1], [1], [-1]], np.float32)
        seen += shot.gloss * (light.highlight(mirror, 0.7) * lamp * 0.5 + 0.5 * light.mirrored(mirror, 0.8) * sky)
    order = sorted(shot.pieces, key=lambda p: -float(((p.at - shot.camera.eye) ** 2).sum()))
    for piece in order:
        trace(piece, shot, seen)
    depth = shot.camera.axes[2] @ (ground - shot.camera.eye[:, None]) - DISTANCE
    return seen.T.reshape(high, wide, 3), depth.reshape(high, wide)


def warp(top: NDArray[np.uint8], camera: Camera, turn: float) -> NDArray[np.uint8]:
    """The table top as the camera sees it, its middle where the camera points, uint8[h, w, 3]."""
    # A wide view would look over the edge of the top: it gets a larger table.
    scale = SIDE / (2.0 * REACH) / max(1.0, camera.span() / 5.5)
    c, s = math.cos(turn) * scale, math.sin(turn) * scale
    x, y = camera.target()[:2].tolist()
    lay = np.array([[c, -s, SIDE / 2 - c * x + s * y], [s, c, SIDE / 2 - s * x - c * y], [0, 0, 1]])
    m = lay @ camera.ground()
    m = m / m[2, 2]
    size, way, kernel = (camera.width, camera.height), Image.Transform.PERSPECTIVE, Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(top).transform(size, way, m.reshape(-1)[:8].tolist(), kernel))


def shadows(piece: Placed, light: Light, ground: Field, lamp: Field, sky: Field) -> None:
    """Dims `lamp` and `sky`, float32[n], where a piece stands in the way of the points `ground`."""
    corners = piece.corners()
    fallen = corners - light.lamp[:, None] * (corners[2] / light.lamp[2])
    both = np.concatenate([corners, fallen], 1)
    inside = np.ones(ground.shape[1], bool)
    for axis in (0, 1):
        inside &= (ground[axis] > both[axis].min() - 0.4) & (ground[axis] < both[axis].max() + 0.4)
    near = np.flatnonzero(inside)
    own = piece.inward(ground[:, near] - piece.at[:, None])
    towards = piece.inward(light.lamp[:, None])[:, 0]
    lamp[near] *= lit(piece.thing, own, towards, light.size, 0.0)
    up = piece.inward(np.array([[0], [0], [1]], np.float32))
    for height, share in ((0.06, 0.35), (0.25, 0.45)):
        q = own + up * height
        gap = piece.thing.shape(q[0], q[1], q[2])
        sky[near] *= 1.0 - share * np.clip(1.0 - gap / height, 0.0, 1.0)


def trace(piece: Placed, shot: Shot, seen: Field) -> None:
    """Draws a piece over `seen`, float32[3, h * w]; pixels at edges get several rays."""
    wide, high = shot.camera.width, shot.camera.height
    xs, ys = shot.camera.project(piece.corners())
    left, right = max(int(xs.min()) - 2, 0), min(int(xs.max()) + 3, wide)
    upper, lower = max(int(ys.min()) - 2, 0), min(int(ys.max()) + 3, high)
    if left >= right or upper >= lower:
        return
    shape = (lower - upper, right - left)
    py, px = np.mgrid[upper:lower, left:right].astype(np.float32).reshape(2, -1)
    colour, hit = look(piece, shot, px, py)
    cover = hit.astype(np.float32)
    busy = np.flatnonzero(edges(colour, cover, shape))
    more, hit = look(piece, shot, (px[busy] + SAMPLES[0]).reshape(-1), (py[busy] + SAMPLES[1]).reshape(-1))
    colour[:, busy] = more.reshape(3, len(SAMPLES[0]), -1).mean(1)
    cover[busy] = hit.reshape(len(SAMPLES[0]), -1).mean(0)
    at = (py * wide + px).astype(np.int64)
    seen[:, at] = seen[:, at] * (1.0 - cover) + colour


def look(piece: Placed, shot: Shot, px: Field, py: Field) -> tuple[Field, NDArray[np.bool_]]:
    """Colour float32[3, n], black where the piece is missed, and hits bool[n] of rays through pixels."""
    d = piece.inward(shot.camera.rays(px, py))
    o = piece.inward(shot.camera.eye[:, None] - piece.at[:, None])
    t, hit = march(piece.thing, o, d)
    colour = np.zeros_like(d)
    if hit.any():
        p = o + d[:, hit] * t[hit]
        # Highlights far beyond white would make edges jagged.
        colour[:, hit] = np.minimum(shade(piece, shot.light, p, d[:, hit]), 4.0)
    return colour, hit


def edges(colour: Field, cover: Field, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Pixels that differ much from a neighbour, bool[h * w]."""
    tone = np.sqrt(colour.mean(0)).reshape(shape) + cover.reshape(shape)
    busy = np.zeros(shape, bool)
    across, along = np.abs(np.diff(tone, axis=1)) > BUSY, np.abs(np.diff(tone, axis=0)) > BUSY
    busy[:, 1:] |= across
    busy[:, :-1] |= across
    busy[1:] |= along
    busy[:-1] |= along
    return busy.reshape(-1)


def develop(light: Field, depth: Field, rng: Rng) -> Image.Image:
    """Lens, sensor and the camera's own processing: light float32[h, w, 3] to a picture."""
    high, wide, _ = light.shape
    y, x = np.mgrid[-1 : 1 : high * 1j, -1 : 1 : wide * 1j].astype(np.float32)
    light = light * (1.0 - rng.uniform(0.05, 0.22) * (x * x + y * y) * 0.5)[..., None]
    light = light * (rng.normal(1.0, 0.025, 3).astype(np.float32))
    exposure = 0.30 / max(float(np.percentile(light[::4, ::4], 60)), 1e-3)
    light = light * (exposure**0.6 * 2.0 ** rng.normal(-0.05, 0.22))
    steps = np.minimum(light * (len(FILM) / FILM_END), len(FILM) - 1).astype(np.int32)
    picture = Image.fromarray(FILM[steps])
    sharp = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.25, 0.7)))
    soft = sharp.filter(ImageFilter.BoxBlur(2.5))
    blend = np.clip((np.abs(depth) - 0.8) * 0.6, 0.0, 1.0)[..., None]
    array = np.asarray(sharp, np.float32) * (1.0 - blend) + np.asarray(soft, np.float32) * blend
    grain = rng.uniform(1.0, 3.5)
    array += rng.standard_normal((high, wide, 1), np.float32) * (0.8 * grain)
    array += rng.standard_normal((high, wide, 3), np.float32) * (0.5 * grain)
    return Image.fromarray(np.clip(array + 0.5, 0, 255).astype(np.uint8))
