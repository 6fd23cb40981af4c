"""What is asked: phrases and pictures as vectors with weights."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

import numpy as np

from refsort.encoders import Encoder, Floats
from refsort.errors import ConfigError, EncoderError
from refsort.names import show

LONG = 20
"""Words up to which nobody asks whether the encoder reads to the end."""
SAME = 1e-5
"""Largest difference between vectors of phrases that the encoder can't tell apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that is looked for, or avoided if the weight is negative."""

    vector: Floats
    """float32[d] of length one."""
    weight: float = 1.0
    words: str = ""
    """The phrase, or the name of the picture."""
    kind: Literal["phrase", "picture"] = "phrase"
    leave_out: bytes | None = None
    """SHA-256 of a picture that is not to be found."""
    warning: str = ""


def clean(text: str) -> str:
    """A phrase as the encoder gets it: no byte order mark, no control characters, single spaces, NFC."""
    plain = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text.replace("\ufeff", ""))
    return unicodedata.normalize("NFC", " ".join(plain.split()))


def check_phrase(text: str) -> str:
    """The phrase, cleaned. Raises ConfigError if nothing is left of it."""
    phrase = clean(text)
    if not phrase:
        raise ConfigError('an empty phrase finds nothing: say what the picture shows, as in "a dog in the snow"')
    return phrase


def phrase_part(encoder: Encoder, text: str, weight: float = 1.0) -> Part:
    """A phrase as part of a query. Raises ConfigError if it is empty, EncoderError if the encoder knows no words."""
    phrase = check_phrase(text)
    vectors = encoder.embed_texts([phrase])
    if vectors is None:
        raise EncoderError(f"encoder {show(encoder.name)} knows no words")
    if not np.isfinite(vectors).all() or not vectors.any():
        raise ConfigError(f"'{show(phrase[:60])}' holds no word that encoder {show(encoder.name)} knows")
    return Part(np.asarray(vectors[0], np.float32), weight, phrase, warning=_cut_off(encoder, phrase, vectors[0]))


def _cut_off(encoder: Encoder, phrase: str, whole: Floats) -> str:
    """A sentence if the encoder doesn't read the phrase to its end: then its beginning has the same vector."""
    words = phrase.split()
    if len(words) <= LONG or not _same(encoder, words[:-1], whole):
        return ""
    low, high = 1, len(words) - 1  # the fewest words with this vector lie in low … high
    while low < high:
        middle = (low + high) // 2
        if _same(encoder, words[:middle], whole):
            high = middle
        else:
            low = middle + 1
    return f"the phrase has {len(words)} words, and encoder {show(encoder.name)} reads only about the first {low}"


def _same(encoder: Encoder, words: list[str], whole: Floats) -> bool:
    vectors = encoder.embed_texts([" ".join(words)])
    return vectors is not None and float(np.abs(vectors[0] - whole).max()) < SAME
