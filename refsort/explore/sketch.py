"""A picture as a small grey one: a second, pixel-level measure of whether two pictures are one.

A sketch is an encoder, so that it goes through the same reading, limits, threads and cache as any other.
"""

import numpy as np

from refsort.encoders.base import Floats, Rgb, unit

SIDE = 32
"""Pixels; finer detail than that does not survive recompression and resizing."""
FLAT = 1.5
"""Grey levels: a picture that varies less than this shows nothing, and is compared with nothing."""


class Sketch:
    """uint8[H, W, 3] → the zero-mean grey values of the picture squeezed to SIDE × SIDE, as a unit vector.

    The product of two is the correlation of their grey values: brightness and contrast cancel out.
    """

    name = "sketch"
    fingerprint = "sketch-1"
    dim = SIDE * SIDE + 1
    side = SIDE
    batch = 64

    def prepare(self, rgb: Rgb) -> Floats:
        from PIL import Image

        grey = Image.fromarray(rgb).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
        return np.asarray(grey, dtype=np.float32)[None]

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 1, side, side] → float32[n, dim]; the last figure is 1 for a picture of one even tone."""
        rows = batch.reshape(len(batch), -1)
        rows = rows - rows.mean(axis=1, keepdims=True)
        flat = np.abs(rows).max(axis=1) < FLAT
        rows[flat] = 0.0
        return np.hstack([unit(rows), flat[:, None].astype(np.float32)])

    def embed_texts(self, phrases: list[str]) -> Floats | None:
        return None
