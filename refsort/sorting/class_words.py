"""Classes by words: phrases.txt beside the references, or the folder's name where a class has neither.

Accuracy in per cent of `lda` by pictures alone and with phrases worth `text_weight` 1, 2 and 4 references, on true
CLIP vectors. Four dishes by their names (zero-shot 99.5): one reference a class 90.8, 98.4, 99.5, 99.7; two 97.9,
99.3, 99.5, 99.4; five 99.4, 99.5, 99.6, 99.6. Twelve kinds of clothing, each by three names of single products (zero-
shot 79.0): one 75.1, 81.8, 81.5, 80.4; two 81.9, 84.1, 84.2, 83.2; five 89.5, 89.4, 89.5, 88.9. Wrong among the moved
with 5 and 10 references, where `max_wrong` 5 % is promised: 0 and 0; 0.6 and 1.0.
"""

from collections.abc import Callable, Sequence

import numpy as np

from refsort.config import Config
from refsort.decide import ClassWords
from refsort.encoders import AUTO, BUILTIN, CLIP, ONNX, Encoder, hub
from refsort.encoders.prompts import cut_off, knows_words, logit_scale, text_vectors
from refsort.errors import EncoderError
from refsort.files.dataset import PHRASES_FILE, Dataset
from refsort.names import show
from refsort.sorting.pin import read_pin

INSTALL = (
    "'python3 run.py install words' adds approximate words (then: --encoder builtin-words), "
    "'python3 run.py install clip' adds CLIP (then: --encoder clip-ViT-B-32)"
)
MOST_BYTES = 1_000_000
"""Of a phrases.txt that are read."""
Tell = Callable[[str], None]


def tidy(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Phrases without empty and repeated ones, byte-order marks and odd spaces, and what was left out, in words."""
    plain = [" ".join(line.replace("\ufeff", "").split()) for line in lines]
    kept = list(dict.fromkeys(phrase for phrase in plain if phrase))
    notes = []
    if empty := plain.count(""):
        notes.append(f"{empty} empty phrase{'s are' if empty > 1 else ' is'} left out")
    if twice := len(plain) - empty - len(kept):
        notes.append(f"{twice} phrase{'s that stand' if twice > 1 else ' that stands'} there twice left out")
    return kept, notes


def parse_phrases(data: bytes) -> list[str]:
    """The phrases of a file: one a line, # begins a comment; what is no UTF-8 is read as Windows wrote it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return tidy([line.partition("#")[0] for line in text.splitlines()])[0]


def read_phrases(dataset: Dataset, class_name: str) -> list[str]:
    """The phrases of a class, none if there is no phrases.txt or nothing in it. Raises OSError."""
    path = dataset.path(f"{dataset.names.references}/{class_name}/{PHRASES_FILE}")
    if not path.is_file():
        return []
    with path.open("rb") as file:
        return parse_phrases(file.read(MOST_BYTES))


def name_as_phrase(class_name: str) -> str:
    """A folder's name as words: 'red_panda' says 'red panda'."""
    return " ".join(class_name.replace("_", " ").replace("-", " ").split()) or class_name


def may_know_words(config: Config, dataset: Dataset) -> bool:
    """Might the encoder of the settings have a text side? Loads nothing and asks nobody; says yes when in doubt."""
    name = config.encoder
    if name == AUTO:
        name = read_pin(dataset.state / "encoder.json") or (CLIP if hub.installed() else BUILTIN[0])
    return bool(config.text_encoder) or not (name in BUILTIN or name.startswith(ONNX))


def class_words(
    config: Config, dataset: Dataset, encoder: Encoder, files: dict[str, list[str]], tell: Tell
) -> ClassWords | None:
    """What describes the classes, None where only their pictures count.

    Raises EmptyClass for a class that has no picture where words can't help, EncoderError where words are asked for
    and the encoder knows none.
    """
    classes = list(files)
    bare = [name for name in classes if not files[name]]
    if config.mode not in ("lda", "text"):
        for name in bare:
            dataset.references(name)  # raises
        return None
    phrases = {name: read_phrases(dataset, name) for name in classes}
    if config.mode == "lda" and not bare and not any(phrases.values()):
        return None
    if not knows_words(encoder):
        _refuse(config, dataset, encoder, bare, phrases)
        tell(f"{PHRASES_FILE} is left aside: encoder {show(encoder.name)} knows no words. {INSTALL}")
        return None
    named = [name for name in bare if not phrases[name]]
    if named:
        tell(f"known by the folder's name only: {', '.join(map(show, named[:8]))}{' …' if len(named) > 8 else ''}")
    for name in classes:
        for phrase in cut_off(encoder, phrases[name]):
            tell(f"{show(name)}: only the beginning is read of the phrase '{show(phrase[:40])}…'")
    if note := getattr(encoder, "approximate", ""):
        tell(f"words: {note}")
    vectors = [_describe(encoder, phrases[name] or [name_as_phrase(name)]) for name in classes]
    counts = np.array([not files[name] or bool(phrases[name]) for name in classes])
    # A class without pictures must lie somewhere: there its phrase counts however little phrases weigh elsewhere.
    weight = np.where(counts, [config.text_weight or float(not files[name]) for name in classes], 0.0)
    return ClassWords(np.stack(vectors), weight, logit_scale(encoder))


def _describe(encoder: Encoder, phrases: list[str]) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """float32[d]: the mean of a class's phrases, of length one."""
    mean = text_vectors(encoder, phrases).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-12), np.float32)


def _refuse(config: Config, dataset: Dataset, encoder: Encoder, bare: list[str], phrases: dict[str, list[str]]) -> None:
    """Raise what is to be said where words are needed and there are none; return where pictures can do without."""
    by_words = next((name for name in bare if phrases[name]), None)
    if config.mode == "text" or by_words is not None:
        why = "mode: text" if by_words is None else f"class {show(by_words)}, which has no picture,"
        raise EncoderError(f"{why} needs an encoder that knows words, and {show(encoder.name)} knows none.\n{INSTALL}")
    for name in bare:
        dataset.references(name)  # raises
