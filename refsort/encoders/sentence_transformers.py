"""`clip-ViT-B-32` and any other image model that sentence-transformers can load, computed by torch.

A model is a folder: a local one, or a snapshot in the cache of the Hugging Face hub. Only safetensors weights are read,
and no code that comes with a model is run. torch is imported when a model is loaded, not before: it takes seconds.
"""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from refsort.encoders.base import BATCH, Floats, Rgb, unit
from refsort.encoders.hub import (
    check_weights,
    find,
    fingerprint,
    first_line,
    quiet,
    require_installed,
)
from refsort.encoders.pixels import middle
from refsort.errors import EncoderError

GPU_BATCH = 128
"""Pictures encoded at once on a GPU; a processor gains nothing from more than a few."""


class SentenceTransformerEncoder:
    """A model with pictures on one side and, mostly, phrases on the other. Use `load`."""

    note: str = ""
    """What the user should know about this encoder, empty when all is well."""

    def __init__(self, name: str, folder: Path, model: Any, *, half: bool | None = None) -> None:
        """`model`: a SentenceTransformer loaded from `folder`. Raises EncoderError if it takes no pictures.

        `half`: compute pictures in float16 where that is exact enough; None: on NVIDIA's GPUs only.
        """
        self.name, self.folder, self.model = name, folder, model
        self.half = model.device.type == "cuda" if half is None else half
        self.fingerprint = fingerprint(folder) + ("-half" if self.half else "")
        if not model.supports("image"):
            raise EncoderError(f"{name} takes no pictures, only {' and '.join(map(str, model.modalities))}")
        self.rest = self._probe()
        """What the model wants to be told besides the pixels: settings, no tensors."""
        self.side = int(self.rest.pop("pixel_values").shape[-1])
        self.dim = int(self.embed_images(np.zeros((1, 3, self.side, self.side), np.float32)).shape[1])

    @classmethod
    def load(cls, name: str, threads: int = 0) -> "SentenceTransformerEncoder":
        """Load `clip-ViT-B-32`, another name on the hub (owner/model), or a folder; threads 0: torch's own choice.

        What is neither a folder nor in the hub's cache is fetched. Raises EncoderError.
        """
        require_installed(name)
        folder = find(name)
        check_weights(name, folder)
        try:
            with quiet():
                return cls(name, folder, load_model(folder, threads))
        except EncoderError:
            raise
        except Exception as error:  # whatever the libraries below raise, it is about this folder
            raise EncoderError(f"{name} can't be loaded from {folder}: {first_line(error)}") from error

    @property
    def on_gpu(self) -> bool:
        """Does torch compute on something better than the processor?"""
        return str(self.model.device.type) != "cpu"

    @property
    def batch(self) -> int:
        """How many pictures are best encoded at once."""
        return GPU_BATCH if self.on_gpu else BATCH

    def prepare(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side], made by the model's own image processor; safe in threads."""
        pixels = self.model.preprocess([Image.fromarray(middle(rgb))])["pixel_values"][0]
        return np.ascontiguousarray(pixels.numpy(), dtype=np.float32)

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, dim], each row of length one."""
        if not len(batch):
            return np.zeros((0, self.dim), np.float32)
        import torch

        kind = self.model.device.type
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.float16, enabled=self.half):
            pixels = torch.tensor(batch, device=self.model.device)
            vectors = self.model({**self.rest, "pixel_values": pixels})["sentence_embedding"]
            return unit(vectors.float().cpu().numpy())

    def embed_texts(self, phrases: list[str]) -> Floats | None:
        """float32[n, dim], each row of length one; None where the model has no text side."""
        if not self.model.supports("text"):
            return None
        if not phrases:
            return np.zeros((0, self.dim), np.float32)
        return unit(self.model.encode(phrases, show_progress_bar=False, convert_to_numpy=True))

    def _probe(self) -> dict[str, Any]:
        """What the model's preprocessing makes of a picture, or EncoderError if that is no square of fixed size."""
        wide, tall = (self.model.preprocess([Image.new("RGB", size)]) for size in ((96, 64), (40, 120)))
        shape = tuple(getattr(wide.get("pixel_values"), "shape", ()))
        tensors = [key for key, value in wide.items() if hasattr(value, "shape")]
        square = len(shape) == 4 and shape[1] == 3 and shape[2] == shape[3]
        if tensors != ["pixel_values"] or not square or tuple(tall["pixel_values"].shape) != shape:
            raise EncoderError(f"{self.name} does not see pictures as squares of one size; such models can't be used")
        return dict(wide)


def load_model(folder: Path, threads: int) -> Any:
    """The SentenceTransformer in `folder`, on the GPU if torch has one, in float32."""
    import torch
    from sentence_transformers import SentenceTransformer

    if threads:
        torch.set_num_threads(threads)
    model = SentenceTransformer(
        str(folder),
        trust_remote_code=False,
        local_files_only=True,
        model_kwargs={"use_safetensors": True, "dtype": torch.float32},
        # Pillow also where torchvision is installed: the two resize differently, and the vectors of one model
        # must not depend on what else is installed.
        processor_kwargs={"backend": "pil"},
    )
    return model.eval()
