"""What a training leaves in its folder."""

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from refsort.decide import Labels
from refsort.learn.backbones import Backbone
from refsort.learn.card import card
from refsort.learn.curves import draw
from refsort.learn.export import export
from refsort.learn.recipes import Recipe
from refsort.learn.training import REFERENCES, Options


def write(
    folder: Path,
    base: Backbone,
    recipe: Recipe,
    options: Options,
    classes: Sequence[str],
    labels: Labels,
    sums: Sequence[str],
    result: Any,
    begun: float,
) -> dict[str, Any]:
    """Write everything but the checkpoint; `result` is that of a run. Returns the figures. Raises EncoderError."""
    from safetensors.torch import save_file

    base.module.to("cpu").eval()
    before = copy.deepcopy(base.module) if result.joined else None
    base.module.load_state_dict(result.weights)
    cosine = export(base, folder / "model.onnx", options.threads, before)
    save_file({name: t.contiguous().cpu() for name, t in result.weights.items()}, folder / "weights.safetensors")
    _arrays(folder / "head.safetensors", weight=result.head[0], bias=result.head[1])
    _arrays(folder / f"{REFERENCES}.safetensors", vectors=result.honest)
    names = [classes[label] for label in labels]
    _json(folder / f"{REFERENCES}.json", {"sha256": list(sums), "classes": names})
    _json(folder / "labels.json", list(classes))
    counts = np.bincount(labels, minlength=len(classes)).tolist()
    versions = {name: version(name) for name in ("torch", "numpy", "onnx", "pillow")}
    asked = {"options": asdict(options), "recipe": asdict(recipe), "versions": versions}
    _json(folder / "config.json", {"base": base.name, "made": datetime.now(UTC).isoformat(timespec="seconds"), **asked})
    figures = {
        "examples": len(labels),
        "classes": dict(zip(classes, counts, strict=True)),
        "accuracy_left_out": result.accuracies,
        "alpha": result.alpha,
        "joined": result.joined,
        "export_cosine": cosine,
        "seconds": round(time.monotonic() - begun, 1),
    }
    _json(folder / "training.json", {**figures, "epochs": result.history})
    draw(result.history, folder / "curves.png")
    (folder / "README.md").write_text(card(base.name, recipe, options, figures), "utf-8")
    return figures


def _arrays(path: Path, **arrays: Any) -> None:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()}, path)


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
