"""How fast an encoder is here and now."""

import time

import numpy as np

from refsort.encoders.base import Encoder

BATCH = 8
"""Pictures encoded at once while measuring; enough that every core has several."""


def images_per_second(encoder: Encoder, seconds: float = 1.0) -> float:
    """Pictures of 500 x 375 pixels resized and encoded per second, measured for about so long after a warm-up."""
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (375, 500, 3), dtype=np.uint8) for _ in range(BATCH)]

    def once() -> None:
        encoder.embed_images(np.stack([encoder.prepare(picture) for picture in pictures]))

    once()
    begun, rounds = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        once()
        rounds += 1
    return rounds * BATCH / passed
