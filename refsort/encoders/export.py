"""Makes ONNX files of a model that sentence-transformers has loaded, and checks them against torch.

Needed once for each model; torch is imported inside.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
from numpy.typing import NDArray
from pydantic import ValidationError

from refsort.encoders.base import Floats
from refsort.encoders.export_cache import IMAGES, TEXTS, TOKENIZER, Content
from refsort.encoders.exported import LEAST_COSINE, ExportedEncoder
from refsort.encoders.hub import first_line, quiet
from refsort.encoders.pixels import Interpolation, Preparation
from refsort.encoders.samples import KNOWN_PHRASE, PHRASES, agreement, known_picture, pictures
from refsort.encoders.sentence_transformers import SentenceTransformerEncoder

OPSET = 17
SAME_PIXELS = 1e-4
"""Largest difference between two preparations of a picture, whose values are of the order of 1."""
EXTERNAL_BYTES = 1024
"""Weights at least this large go to a file of their own: ONNX Runtime then opens a ViT-B/32 in 0.37 s, not 0.65 s."""

FILTERS = get_args(Interpolation)
USED = {"size", "resample", "do_center_crop", "crop_size", "rescale_factor", "do_normalize", "image_mean", "image_std"}
ALWAYS = {"do_resize", "do_rescale"}
NEUTRAL = {
    "do_convert_rgb",
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "default_to_square",
} | {*("data_format", "input_data_format", "return_tensors", "disable_grouping", "device", "backend")}

MASKS = {"attention_mask": 1, "token_type_ids": 0}
"""What a single phrase without padding has everywhere."""


class CannotExport(Exception):
    """This model can't be exported; the text says why."""


def export(encoder: SentenceTransformerEncoder, folder: Path) -> Content:
    """Write both towers and the tokenizer into the empty `folder`, and check what they compute.

    Raises CannotExport, or OSError where the disk or MemoryError where the memory is full.
    """
    try:
        with quiet():
            preparation = preparation_of(encoder.model[0].processor)
            _export_images(encoder, folder)
            text_length = _export_texts(encoder, folder) if encoder.model.supports("text") else 0
            content = Content(preparation=preparation, text_length=text_length)
            exported = ExportedEncoder("export", "", folder, content)
            facts = {"picture": exported.test_vector.tolist(), "worst_picture": _compare_pictures(exported, encoder)}
            if text_length:
                worst = _compare_phrases(exported, encoder)
                facts |= {"worst_phrase": worst, "phrase": exported.phrase_vectors([KNOWN_PHRASE])[0].tolist()}
            sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
            return content.model_copy(update={**facts, "sizes": sizes})
    except (CannotExport, OSError, MemoryError):
        raise
    except Exception as error:  # whatever the libraries below raise, it is about this model
        raise CannotExport(first_line(error)) from error


def preparation_of(processor: Any) -> Preparation:
    """What an image processor of transformers does to a picture. Raises CannotExport if it isn't the usual."""
    settings = getattr(processor, "image_processor", processor).to_dict()
    unknown = sorted(key for key, value in settings.items() if value and key not in USED | ALWAYS | NEUTRAL)
    skipped = sorted(key for key in ALWAYS if not settings.get(key))
    if unknown or skipped:
        raise CannotExport(f"its image processor has {', '.join(unknown + [f'{key}: false' for key in skipped])}")
    size = dict(settings["size"])
    exact = set(size) == {"height", "width"} and size["height"] == size["width"]
    crop = dict(settings["crop_size"]) if settings.get("do_center_crop") else size
    if (not exact and set(size) != {"shortest_edge"}) or set(crop) != {"height", "width"}:
        raise CannotExport(f"its image processor has size: {size}, crop_size: {crop}")
    normalised = settings.get("do_normalize")
    try:
        return Preparation(
            side=crop["height"],
            edge=size["height"] if exact else size["shortest_edge"],
            exact=exact,
            interpolation=FILTERS[settings["resample"]],
            factor=settings["rescale_factor"],
            offset=0.0,
            mean=tuple(settings["image_mean"]) if normalised else (0.0, 0.0, 0.0),
            std=tuple(settings["image_std"]) if normalised else (1.0, 1.0, 1.0),
        )
    except ValidationError as error:
        raise CannotExport(f"its image processor has an odd {error.errors()[0]['loc'][0]}") from error


def _export_images(encoder: SentenceTransformerEncoder, folder: Path) -> None:
    example = encoder.prepare(known_picture())[None]
    _trace(encoder.model, lambda pixels: {**encoder.rest, "pixel_values": pixels}, example, ["n"], folder / IMAGES)


def _export_texts(encoder: SentenceTransformerEncoder, folder: Path) -> int:
    """Write the text tower and the tokenizer; returns the number of tokens after which phrases are cut off.

    The tower takes one phrase as it is, without padding: so what the model would be told of padding is left out.
    """
    import torch

    tokenizer = encoder.model.tokenizer
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise CannotExport("its tokenizer can't be written as tokenizer.json")
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
    told = encoder.model.preprocess([KNOWN_PHRASE])
    settings = {key: value for key, value in told.items() if not hasattr(value, "shape")}
    masks = {key: MASKS.get(key) for key in told if key not in settings and key != "input_ids"}
    if None in masks.values():
        raise CannotExport(f"its text side takes {', '.join(masks)}")

    def features(ids: Any) -> dict[str, Any]:
        return {**settings, "input_ids": ids} | {key: torch.full_like(ids, value) for key, value in masks.items()}

    _trace(encoder.model, features, told["input_ids"].numpy(), ["n", "length"], folder / TEXTS)
    return int(tokenizer.model_max_length)


def _trace(
    model: Any, features: Callable[[Any], dict[str, Any]], example: NDArray[Any], free: list[str], path: Path
) -> None:
    """Write the model from one input, of which `features` makes all it takes, to its vectors as an ONNX file.

    `example`: an input; `free`: names of its first axes, which may have any length later.
    """
    import torch

    class Tower(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, values: Any) -> Any:
            return self.model(features(values))["sentence_embedding"]

    whole = path.with_suffix(".whole")
    with torch.inference_mode():
        torch.onnx.export(
            *(Tower().eval(), (torch.from_numpy(example),), str(whole)),
            dynamo=False,
            opset_version=OPSET,
            input_names=["values"],
            output_names=["vectors"],
            dynamic_axes={"values": dict(enumerate(free)), "vectors": {0: "n"}},
        )
    network, weights = onnx.load(whole), path.with_suffix(".bin")
    onnx.save(network, path, save_as_external_data=True, location=weights.name, size_threshold=EXTERNAL_BYTES)
    weights.chmod(path.stat().st_mode)  # newer versions of onnx let nobody else read it
    whole.unlink()


def _compare_pictures(exported: ExportedEncoder, encoder: SentenceTransformerEncoder) -> float:
    """The smallest cosine on the sample pictures, from their pixels to vectors. Raises CannotExport if it is low."""
    samples = pictures()
    ours, theirs = (np.stack([one.prepare(rgb) for rgb in samples]) for one in (exported, encoder))
    if not np.abs(ours - theirs).max() <= SAME_PIXELS:
        raise CannotExport("its image processor does something unknown to pictures")
    expected = [encoder.embed_images(theirs[i : i + 4]) for i in range(0, len(theirs), 4)]
    return _sure("pictures", exported.embed_images(ours), np.concatenate(expected))


def _compare_phrases(exported: ExportedEncoder, encoder: SentenceTransformerEncoder) -> float:
    """The smallest cosine on the sample phrases. Raises CannotExport if it is low, or if the tokens differ."""
    for phrase in PHRASES:
        if exported.tokens(phrase) != encoder.model.preprocess([phrase])["input_ids"][0].tolist():
            raise CannotExport(f"its tokenizer.json splits {phrase[:20]!r} in another way")
    expected = np.asarray(encoder.embed_texts(PHRASES), np.float32)
    return _sure("phrases", exported.phrase_vectors(PHRASES), expected)


def _sure(what: str, found: Floats, expected: Floats) -> float:
    worst = agreement(found, expected)
    if not worst >= LEAST_COSINE:
        raise CannotExport(f"ONNX Runtime computes other vectors of {what} than torch (cosine {worst:.4f})")
    return worst
