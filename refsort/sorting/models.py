"""Fine-tuned models as encoders: which one a dataset uses, and how it is loaded."""

from collections.abc import Callable

from refsort.config import Config
from refsort.encoders import Encoder
from refsort.encoders.onnx_file import PREFIX as ONNX
from refsort.encoders.onnx_file import OnnxFileEncoder
from refsort.errors import EncoderError, ModelError
from refsort.files.dataset import Dataset
from refsort.files.models import CURRENT, NETWORK, ModelStore

PREFIX = "models:"
"""Begins the name of a fine-tuned model among the encoders: models:2026-11-21-1, or models:current."""


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
    network = store.path(run) / NETWORK
    try:
        encoder = OnnxFileEncoder.load(f"{ONNX}{network}", threads)
    except EncoderError as error:
        raise EncoderError(f"{error}\n'refsort models rollback' goes back to what was in use before") from error
    encoder.name = PREFIX + run
    tell(f"encoder: {encoder.name}, fine-tuned from {store.about(run).get('base')}")
    return encoder
