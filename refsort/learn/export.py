"""A trained network as an ONNX file with its sidecar, for `onnx:PATH`. torch is imported inside."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from refsort.encoders.hub import first_line
from refsort.encoders.onnx_file import PREFIX, OnnxFileEncoder, write_sidecar
from refsort.encoders.samples import agreement, known_picture, pictures
from refsort.errors import EncoderError
from refsort.learn.backbones import Backbone, is_identity

OPSET = 17
LEAST_COSINE = 0.999
INPUT, OUTPUT = "pixels", "embedding"
SAMPLES = 6
"""Pictures on which torch and ONNX Runtime are compared."""


def export(backbone: Backbone, path: Path, threads: int = 0, beside: Any = None) -> float:
    """Write the network to `path` and its sidecar beside it; returns the smallest cosine to torch's vectors.

    `beside`: the steps as they were before tuning, whose vectors make the first half; what both have in common is
    computed once. Raises EncoderError where it can't be exported or computes something else.
    """
    import torch

    module = _unit_vectors(backbone, beside)
    try:
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of things that nobody at the keyboard can act on
            torch.onnx.export(
                *(module, (torch.zeros(1, 3, backbone.side, backbone.side),), str(path)),
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "n"}, OUTPUT: {0: "n"}},
            )
            seen = torch.from_numpy(backbone.preparation(known_picture())[None])
            vector = module(seen)[0].numpy()
    except Exception as error:  # whatever torch raises, it is about this network
        raise EncoderError(f"{backbone.name} can't be exported: {first_line(error)}") from error
    write_sidecar(path, description(backbone), vector.tolist())
    return _compare(module, backbone, OnnxFileEncoder.load(f"{PREFIX}{path}", threads))


def description(backbone: Backbone) -> dict[str, Any]:
    """The keys of the sidecar but for `test`."""
    preparation = backbone.preparation
    return {
        "input": INPUT,
        "layout": "NCHW",
        "channels": "RGB",
        "side": preparation.side,
        "resize": backbone.resize,
        "crop": "none" if preparation.exact else "center",
        "interpolation": preparation.interpolation,
        "range": [preparation.offset, preparation.offset + 255 * preparation.factor],
        "mean": list(preparation.mean),
        "std": list(preparation.std),
        "output": OUTPUT,
        "normalize": False,
    }


def _unit_vectors(backbone: Backbone, beside: Any) -> Any:
    import torch
    from torch.nn.functional import normalize

    # A projection that changes nothing is left out.
    last = len(backbone.module) - is_identity(backbone.projection)

    class UnitVectors(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps = backbone.module

        def forward(self, pixels: Any) -> Any:
            return normalize(backbone.until(last, pixels)[0])

    class Joined(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps, self.before = backbone.module, beside
            self.common = _common(backbone.module, beside)

        def forward(self, pixels: Any) -> Any:
            states = backbone.until(self.common, pixels)
            old = states
            for step in list(self.before)[self.common :]:
                old = step(*old)
            new = backbone.until(last, *states, first=self.common)
            return normalize(torch.cat([normalize(old[0]), normalize(new[0])], dim=1))

    return (UnitVectors() if beside is None else Joined()).eval()


def _common(steps: Any, others: Any) -> int:
    """How many steps from the first on have the same weights."""
    import torch

    for number, (step, other) in enumerate(zip(steps, others, strict=True)):
        own = other.state_dict()
        if not all(torch.equal(tensor, own[name]) for name, tensor in step.state_dict().items()):
            return number
    return len(steps)


def _compare(module: Any, backbone: Backbone, encoder: OnnxFileEncoder) -> float:
    import torch

    some = pictures()[:SAMPLES]
    batch = np.stack([encoder.prepare(rgb) for rgb in some])
    with torch.inference_mode():
        expected = module(torch.from_numpy(np.stack([backbone.preparation(rgb) for rgb in some]))).numpy()
    worst = agreement(encoder.embed_images(batch), expected)
    if not worst >= LEAST_COSINE:
        raise EncoderError(f"{encoder.path} computes other vectors than torch (cosine {worst:.4f})")
    return worst
