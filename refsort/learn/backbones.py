"""Networks that can be trained further, all with one face: steps from pixels to a vector, in order of depth.

A backbone is made from the name of an encoder: `builtin` and `builtin-large`, a folder with a ViT or a CLIP in the
layout of transformers or sentence-transformers, or the name of such a model on the hub. torch is imported inside.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from refsort.encoders import BUILTIN, ONNX
from refsort.encoders.hub import check_weights, find, first_line, quiet
from refsort.encoders.legacy_torch import read_state_dict
from refsort.encoders.pixels import Preparation
from refsort.errors import EncoderError

GENTLE = 0.03
"""Rates of a transformer's weights beside those of convolutions: 1e-3 becomes the customary 3e-5. Not measured here."""
LITE_LORA_STEPS = 3
"""Steps of the built-in network, counted from the end, whose 1 × 1 convolutions take the place of attention."""
NEEDED = ("torch", "safetensors", "onnx")
INSTALL = "'python3 run.py install train' adds them"


class Backbone:
    """`module` holds the steps: torch modules, each from a tuple of tensors to one; the last gives (vectors,).

    The last step is the projection, a linear map: the model's own, or one that begins as identity.
    """

    def __init__(self, name: str, steps: list[Any], preparation: Preparation, resize: str, lora: list[str]) -> None:
        """`resize`: the sidecar's word for the preparation; `lora`: names of the modules that low ranks go to."""
        import torch

        self.name, self.preparation, self.resize, self.lora = name, preparation, resize, lora
        self.side = preparation.side
        self.module: Any = torch.nn.ModuleList(steps)
        self.module.eval()
        self.dim = int(self.projection.out_features)
        self.added = is_identity(self.projection)
        """Whether the projection is none of the model's own."""
        self.gentle = 1.0
        """Factor of the recipes' rates, but for low ranks."""

    def features(self, *states: Any, first: int = 0) -> Any:
        """float32[n, dim], not normalised: what the steps from `first` on make of the tensors before it.

        For step 0 that is the pixels, float32[n, 3, side, side].
        """
        return self.until(len(self.module), *states, first=first)[0]

    def until(self, last: int, *states: Any, first: int = 0) -> tuple[Any, ...]:
        """The tensors before step `last`."""
        for step in list(self.module)[first:last]:
            states = step(*states)
        return states

    @property
    def projection(self) -> Any:
        """The linear map at the end: its weight is float32[dim, width]."""
        return self.module[-1].linear

    def depths(self) -> list[list[Any]]:
        """The parameters of each step, those nearest to the pixels first."""
        return [list(step.parameters()) for step in self.module]


def is_identity(linear: Any) -> bool:
    """Whether a linear map changes nothing."""
    import torch

    weight = linear.weight.detach()
    return (
        linear.bias is None
        and weight.shape[0] == weight.shape[1]
        and bool((weight.cpu() == torch.eye(len(weight))).all())
    )


def load(name: str) -> Backbone:
    """The network of an encoder, in float32 on the processor. Raises EncoderError where it can't be had or trained."""
    require_torch(name)
    if name in BUILTIN:
        return _builtin(name)
    if name.startswith(ONNX):
        raise EncoderError(f"{name} can't be trained: an ONNX file holds a finished network. Give the model it is from")
    return _transformer(name)


def require_torch(name: str) -> None:
    """Raises EncoderError if what training needs is not installed; imports nothing."""
    missing = [package for package in NEEDED if find_spec(package) is None]
    if missing:
        raise EncoderError(f"{name} can't be trained without {', '.join(missing)}: {INSTALL}")


def _builtin(name: str) -> Backbone:
    from refsort.encoders.builtin import MOST_CUT, RECIPES, REDUCING_GAP, VECTOR_PARTS, read_weights
    from refsort.learn.backbones_lite import side_by_side
    from refsort.learn.backbones_vit import identity

    recipe = RECIPES[name]
    networks = [(read_state_dict(read_weights(network)), network.variant) for network in recipe.networks]
    steps, width = side_by_side(networks, (VECTOR_PARTS["features"], VECTOR_PARTS["stage7"]))
    preparation = Preparation(
        side=recipe.side,
        edge=recipe.side,
        exact=True,
        interpolation="bicubic",
        factor=1.0,
        offset=0.0,
        mean=(127.0, 127.0, 127.0),
        std=(128.0, 128.0, 128.0),
        most_cut=MOST_CUT,
        reducing_gap=REDUCING_GAP,
    )
    steps.append(identity(width))
    first = len(steps) - LITE_LORA_STEPS
    pointwise = [
        name
        for name, module in _named(steps[:-1])
        if int(name.split(".")[0]) >= first - 1 and getattr(module, "kernel_size", None) == (1, 1)
    ]
    return Backbone(name, steps, preparation, f"middle:{MOST_CUT}:{REDUCING_GAP}", pointwise)


def _transformer(name: str) -> Backbone:
    folder = find(name)
    check_weights(name, folder)
    try:
        with quiet():
            inner = _inner(folder)
            kind = json.loads((inner / "config.json").read_text("utf-8")).get("model_type", "")
            return _loaded(name, inner, kind)
    except EncoderError:
        raise
    except Exception as error:  # whatever the libraries below raise, it is about this folder
        raise EncoderError(f"{name} can't be loaded for training from {folder}: {first_line(error)}") from error


def _loaded(name: str, folder: Path, kind: str) -> Backbone:
    import torch
    import transformers

    from refsort.encoders.export import CannotExport, preparation_of
    from refsort.learn.backbones_vit import KINDS, PROJECTIONS

    if kind not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise EncoderError(f"{name} is of the kind {kind or 'unknown'}, which can't be trained here; known: {known}")
    of, steps_of = KINDS[kind]
    model = getattr(transformers, of).from_pretrained(
        folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
    )
    model.set_attn_implementation("eager" if kind == "dinov2" else "sdpa")
    processor = transformers.AutoImageProcessor.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False, backend="pil"
    )
    try:
        preparation = preparation_of(processor)
    except CannotExport as error:
        raise EncoderError(f"{name} can't be trained: {error}") from error
    steps = steps_of(model)
    attention = [name for name, _ in _named(steps) if name.endswith(PROJECTIONS)]
    backbone = Backbone(name, steps, preparation, _resize(preparation), attention)
    backbone.gentle = GENTLE
    return backbone


def _inner(folder: Path) -> Path:
    """Where transformers' own files are: in the folder, or in that of its first module of sentence-transformers."""
    listing = folder / "modules.json"
    if (folder / "config.json").is_file() or not listing.is_file():
        return folder
    return folder / str(json.loads(listing.read_text("utf-8"))[0]["path"])


def _resize(preparation: Preparation) -> str:
    """The sidecar's word for it."""
    if preparation.exact:
        return "exact"
    half = preparation.edge + 0.5  # so that dividing by it and rounding down gives the edge again
    return "shortest" if preparation.edge == preparation.side else f"crop_pct:{preparation.side / half}"


def _named(steps: list[Any]) -> list[tuple[str, Any]]:
    """All modules with the names that they have in a ModuleList of the steps."""
    return [(f"{i}.{name}", module) for i, step in enumerate(steps) for name, module in step.named_modules()]
