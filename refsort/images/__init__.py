"""Bytes of a file → an upright RGB array, or the reason why not."""

from refsort.images.formats import PICTURE_SUFFIXES, looks_like_picture
from refsort.images.read import MAX_PIXELS, read_picture

__all__ = ["MAX_PIXELS", "PICTURE_SUFFIXES", "looks_like_picture", "read_picture"]
