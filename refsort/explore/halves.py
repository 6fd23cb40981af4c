"""A picture in halves, for those that show more than one thing.

The probabilities of a whole picture's classes add up to one and mostly stand near 0 and 1: of pictures with two things
side by side, one class takes nearly all, or the picture looks like neither. A half shows one of them as references do.
"""

import hashlib
import os

import numpy as np

from refsort.encoders import Floats, Rgb
from refsort.errors import BadPicture
from refsort.files.cache import rounded
from refsort.files.identity import open_regular
from refsort.sorting.embedding import Embedded, Embedder


def halves(rgb: Rgb) -> list[Rgb]:
    """uint8[H, W, 3] → its left, right, upper and lower half; of an odd number of pixels both have the middle one."""
    height, width = rgb.shape[:2]
    across, down = -(-width // 2), -(-height // 2)
    return [rgb[:, :across], rgb[:, -across:], rgb[:down], rgb[-down:]]


def half_vectors(embedder: Embedder, picture: Embedded) -> Floats:
    """float32[4, d] unit vectors of the halves of a picture; float32[0, d] if it isn't any more what was embedded."""
    encoder, limits = embedder.encoder, embedder.limits
    none = np.zeros((0, encoder.dim), np.float32)
    try:
        with os.fdopen(open_regular(embedder.dataset.path(picture.path)), "rb") as file:
            data = file.read(limits.max_bytes + 1)
        if hashlib.sha256(data).digest() != picture.sha256:
            return none
        rgb = embedder.read(data, side=2 * encoder.side, max_pixels=limits.max_pixels)
    except (OSError, BadPicture):
        return none
    vectors = rounded(encoder.embed_images(np.stack([encoder.prepare(half) for half in halves(rgb)])))
    return vectors if np.isfinite(vectors).all() and vectors.any(axis=1).all() else none
