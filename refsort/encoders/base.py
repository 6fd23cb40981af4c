"""What an encoder is: pictures (and, for some, phrases) become unit vectors."""

import os
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Floats = NDArray[np.float32]

BATCH = 16
"""Pictures encoded at once by an encoder that has no `batch` of its own."""


@runtime_checkable
class Encoder(Protocol):
    """Turns upright RGB arrays into L2-normalised vectors.

    `fingerprint` is the identity of weights, preprocessing and precision: vectors of two fingerprints are never
    compared. The result for a picture does not depend on the batch it came in.
    """

    name: str
    fingerprint: str
    dim: int
    side: int
    """Height and width in pixels of what the network sees."""

    def prepare(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side], resized, cropped and scaled as the network was trained."""

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, dim], each row of length one."""

    def embed_texts(self, phrases: list[str]) -> Floats | None:
        """float32[n, dim], or None where the encoder has no text side."""


def cores() -> int:
    """Cores this process may use; in a container often fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def unit(vectors: Floats) -> Floats:
    """Rows of float32[n, d] divided by their Euclidean length; zero rows stay zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(length, 1e-12), dtype=np.float32)
