"""How a phrase is put to an encoder: as it stands, in "a photo of a …", or in many such sentences.

CLIP was trained on captions, so a bare name does worse than a sentence (Radford et al., "Learning Transferable Visual
Models From Natural Language Supervision", 2021, section 3.1.4: +1.3 points on ImageNet by "a photo of a {}.", another
+3.5 by the mean of 80 such sentences). The many cost as much more time, so they are for those who ask for them.
"""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np

from refsort.encoders.base import Encoder, Floats, unit
from refsort.encoders.spanish import in_english

NAME_WORDS = 3
"""A phrase of more words, or one that begins with an article, is a sentence of its own."""
ARTICLES = frozenset(["a", "an", "the", "un", "una", "unos", "unas", "el", "la", "los", "las"])
SINGLE = {"en": "a photo of a {}", "es": "una foto de {}"}
LONG = 40
"""Words of a phrase that may be more than an encoder reads; CLIP reads 77 pieces of words."""
LOGIT_SCALE = 100.0
"""What CLIP's training ended with; times the cosine it gives the logit of a phrase."""


class NoWords(ValueError):
    """The encoder has no text side."""


def knows_words(encoder: Encoder) -> bool:
    """Has the encoder a text side?"""
    return encoder.embed_texts(["a photo"]) is not None


def logit_scale(encoder: Encoder) -> float:
    """The factor before the softmax: the encoder's own, or CLIP's."""
    return float(getattr(encoder, "logit_scale", LOGIT_SCALE))


def is_bare_name(phrase: str) -> bool:
    """A name like "red panda", to which a sentence around it does good; no phrase like "a dog in the snow"."""
    words = phrase.split()
    return 0 < len(words) <= NAME_WORDS and words[0].lower() not in ARTICLES


def prompts(phrase: str, *, ensemble: bool = False) -> list[str]:
    """What the encoder is given for a phrase; in Spanish if the phrase is."""
    if not is_bare_name(phrase):
        return [phrase]
    language = "es" if in_english(phrase) != phrase else "en"
    return [form.replace("{}", phrase) for form in (templates(language) if ensemble else [SINGLE[language]])]


@cache
def templates(language: str) -> tuple[str, ...]:
    """The sentences of data/templates_en.txt or _es.txt."""
    text = files("refsort.encoders").joinpath(f"data/templates_{language}.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def text_vectors(encoder: Encoder, phrases: Sequence[str], *, ensemble: bool = False) -> Floats:
    """float32[n, dim] of phrases, each row of length one. Raises NoWords without a text side, and EncoderError."""
    plain = not getattr(encoder, "templated", True)
    asked = [[phrase] if plain else prompts(phrase, ensemble=ensemble) for phrase in phrases]
    once = list(dict.fromkeys(prompt for forms in asked for prompt in forms))
    found = encoder.embed_texts(once)
    if found is None:
        raise NoWords(f"{encoder.name} has no text side")
    row = {prompt: i for i, prompt in enumerate(once)}
    if not asked:
        return found
    return unit(np.stack([found[[row[prompt] for prompt in forms]].mean(axis=0) for forms in asked]))


def cut_off(encoder: Encoder, phrases: Sequence[str]) -> list[str]:
    """Those phrases of which the encoder reads only the beginning: without their last word they are the same to it."""
    long = [phrase for phrase in phrases if len(phrase.split()) > LONG]
    pairs = [text for phrase in long for text in (phrase, phrase.rsplit(maxsplit=1)[0])]
    found = encoder.embed_texts(pairs) if pairs else None
    if found is None:
        return []
    return [phrase for i, phrase in enumerate(long) if np.allclose(found[2 * i], found[2 * i + 1], atol=1e-6)]
