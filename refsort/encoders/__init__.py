"""Pictures in, unit vectors out. An encoder is one file here and one line in `load`."""

from dataclasses import dataclass
from typing import NamedTuple

from refsort.encoders.base import Encoder, Floats, Rgb, unit
from refsort.errors import EncoderError

BUILTIN = ("builtin", "builtin-large")
CLIP = "clip-ViT-B-32"
AUTO = "auto"
FALLBACK = "builtin"
"""What `auto` means where CLIP can't be had."""


def load(name: str, threads: int = 0) -> Encoder:
    """Load an encoder by its name in the settings; threads 0: one per core. Raises EncoderError."""
    if name in BUILTIN:
        from refsort.encoders.builtin import BuiltinEncoder

        return BuiltinEncoder.load(name, threads)
    from refsort.encoders.sentence_transformers import SentenceTransformerEncoder

    return SentenceTransformerEncoder.load(name, threads)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which encoder a dataset uses, and the line that says why (empty if the user named it)."""

    name: str
    why: str = ""


def choose(name: str, pinned: str | None = None) -> Choice:
    """Resolve `auto`: what the dataset was begun with, else CLIP where it can be had, else the built-in encoder.

    `pinned` is the earlier choice for the same dataset: a later outage must never change the model silently.
    """
    if name != AUTO:
        return Choice(name)
    if pinned:
        return Choice(pinned, f"encoder: {pinned} (this dataset was begun with it)")
    from refsort.encoders import sentence_transformers as clip

    if not clip.installed():
        return Choice(FALLBACK, f"encoder: {FALLBACK}. {CLIP} is not installed: 'python3 run.py install clip' adds it")
    if clip.is_cached(CLIP):
        return Choice(CLIP, f"encoder: {CLIP} (found on this machine)")
    if clip.can_be_fetched():
        return Choice(CLIP, f"encoder: {CLIP} (it is fetched now, about 600 MB)")
    return Choice(FALLBACK, f"encoder: {FALLBACK}. {CLIP} is neither on this machine nor can it be fetched now")


class Row(NamedTuple):
    """One line of the overview of encoders."""

    name: str
    ready: bool
    about: str


def overview() -> list[Row]:
    """What can be used here and now; no model is loaded."""
    from refsort.encoders import sentence_transformers as clip
    from refsort.encoders.builtin import ABOUT

    rows = [Row(name, True, ABOUT[name]) for name in BUILTIN]
    about = "OpenAI CLIP, pictures and phrases, 512 dimensions"
    if not clip.installed():
        return [*rows, Row(CLIP, False, f"{about}; 'python3 run.py install clip' adds what it needs")]
    if clip.is_cached(CLIP):
        return [*rows, Row(CLIP, True, f"{about}; on this machine")]
    reachable = clip.can_be_fetched()
    how = "is fetched at first use (600 MB)" if reachable else "can't be fetched now; a folder works too"
    return [*rows, Row(CLIP, reachable, f"{about}; {how}")]


__all__ = [
    "AUTO",
    "BUILTIN",
    "CLIP",
    "FALLBACK",
    "Choice",
    "Encoder",
    "EncoderError",
    "Floats",
    "Rgb",
    "Row",
    "choose",
    "load",
    "overview",
    "unit",
]
