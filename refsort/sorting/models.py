"""Fine-tuned models as encoders: which one a dataset uses, and how it is loaded.

A network makes the vectors of pictures that it has learned from tighter than those of new ones, and whatever is judged
by them is too sure. So a model comes with stand-ins: vectors of these pictures by networks that had not learned them.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from refsort.config import Config
from refsort.encoders import Encoder, Floats
from refsort.encoders.onnx_file import PREFIX as ONNX
from refsort.encoders.onnx_file import OnnxFileEncoder
from refsort.errors import EncoderError, ModelError
from refsort.files.dataset import Dataset
from refsort.files.models import CURRENT, NETWORK, ModelStore

PREFIX = "models:"
"""Begins the name of a fine-tuned model among the encoders: models:2026-11-21-1, or models:current."""


STAND_INS = "references"
"""In a run's folder: references.safetensors with `vectors` float32[n, d], references.json with their `sha256`."""


class TunedEncoder(OnnxFileEncoder):
    """A fine-tuned network, with the vectors that stand for what it has learned from."""

    stand_ins: dict[bytes, Floats]
    """SHA-256 of a picture's file → float32[d]."""

    @classmethod
    def of(cls, folder: Path, threads: int = 0) -> "TunedEncoder":
        """The model in a folder. Raises EncoderError."""
        encoder = cls.load(f"{ONNX}{folder / NETWORK}", threads)
        assert isinstance(encoder, cls)
        encoder.stand_ins = read_stand_ins(folder)
        return encoder


def read_stand_ins(folder: Path) -> dict[bytes, Floats]:
    """SHA-256 → float32[d], for every picture that the model in a folder has learned from. Raises EncoderError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        vectors = load_file(folder / f"{STAND_INS}.safetensors")["vectors"]
        sums = json.loads((folder / f"{STAND_INS}.json").read_text("utf-8"))["sha256"]
        found = {bytes.fromhex(total): np.asarray(v, np.float32) for total, v in zip(sums, vectors, strict=True)}
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise EncoderError(
            f"{folder}: what stands for the pictures that it has learned from can't be read ({error})"
        ) from error
    return found


def model_store(dataset: Dataset) -> ModelStore:
    """Where the fine-tuned models of a dataset lie."""
    return ModelStore(dataset.path(dataset.names.models))


def tuned_model(config: Config, dataset: Dataset, encoder: str) -> str | None:
    """The run whose model takes the place of `encoder`; None: none does.

    A run named in the settings, else the promoted one if it was made of this encoder: a person who asks for another
    encoder gets that. Raises ModelError.
    """
    store = model_store(dataset)
    if encoder.startswith(PREFIX) and encoder != PREFIX + CURRENT:
        return encoder.removeprefix(PREFIX)
    promotion = store.promotion()
    if encoder == PREFIX + CURRENT:
        if promotion is None:
            raise ModelError(f"encoder: {encoder}: no model is in use here; 'refsort models' lists what there is")
        return promotion.run
    if promotion is None or store.about(promotion.run).get("base") != encoder:
        return None
    return promotion.run


def load_model(dataset: Dataset, run: str, threads: int, tell: Callable[[str], None]) -> Encoder:
    """The network of a run. Raises ModelError if there is none, EncoderError if it is damaged."""
    store = model_store(dataset)
    folder = store.path(run)
    try:
        encoder = TunedEncoder.of(folder, threads)
    except EncoderError as error:
        raise EncoderError(f"{error}\n'refsort models rollback' goes back to what was in use before") from error
    encoder.name = PREFIX + run
    tell(f"encoder: {encoder.name}, fine-tuned from {store.about(run).get('base')}")
    return encoder
