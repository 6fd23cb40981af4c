"""Bytes of a file → an upright RGB array, or the reason why not."""

from refsort.images.formats import PICTURE_SUFFIXES, looks_like_picture
from refsort.images.read import MAX_PIXELS, read_picture

READING = "reading-1"
"""Changes when the same file would give other pixels: vectors of two ways of reading are never compared."""

__all__ = ["MAX_PIXELS", "PICTURE_SUFFIXES", "READING", "looks_like_picture", "read_picture"]
