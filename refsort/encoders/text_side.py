"""Another model's text side beside an encoder's pictures: the multilingual one that was trained to go with CLIP."""

from typing import Any

import numpy as np

from refsort.encoders import hub
from refsort.encoders.base import Encoder, Floats, Rgb, unit
from refsort.encoders.sentence_transformers import load_model
from refsort.errors import EncoderError


class WithTexts:
    """An encoder whose phrases another model embeds, in the same space. Pictures and fingerprint are the encoder's."""

    def __init__(self, images: Encoder, name: str, texts: Any) -> None:
        """`texts`: a SentenceTransformer that gives vectors of the encoder's length."""
        self.images, self.texts = images, texts
        self.name = images.name
        self.text_name = name
        self.fingerprint = images.fingerprint
        self.dim, self.side = images.dim, images.side
        self.note = getattr(images, "note", "")
        if batch := getattr(images, "batch", 0):
            self.batch = batch

    def prepare(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side], as the encoder does it."""
        return self.images.prepare(rgb)

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, dim], each row of length one."""
        return self.images.embed_images(batch)

    def embed_texts(self, phrases: list[str]) -> Floats:
        """float32[n, dim], each row of length one."""
        if not phrases:
            return np.zeros((0, self.dim), np.float32)
        return unit(self.texts.encode(phrases, show_progress_bar=False, convert_to_numpy=True))


def with_texts(images: Encoder, name: str, threads: int = 0) -> WithTexts:
    """The encoder with the text side of `name`: a name on the hub, or a folder. Raises EncoderError."""
    hub.require_installed(name)
    folder = hub.find(name)
    hub.check_weights(name, folder)
    try:
        with hub.quiet():
            texts = load_model(folder, threads)
            found = unit(texts.encode(["a photo"], show_progress_bar=False, convert_to_numpy=True))
    except Exception as error:  # whatever the libraries below raise, it is about this folder
        raise EncoderError(f"text_encoder: {name} can't be loaded from {folder}: {hub.first_line(error)}") from error
    if found.shape[1] != images.dim:
        raise EncoderError(
            f"text_encoder: {name} gives {found.shape[1]} numbers, {images.name} {images.dim}: the two don't belong "
            "together; sentence-transformers/clip-ViT-B-32-multilingual-v1 goes with clip-ViT-B-32"
        )
    return WithTexts(images, name, texts)
