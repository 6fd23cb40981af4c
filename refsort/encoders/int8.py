"""An image tower in eight bits: faster, less exact. Weights are rounded beforehand, what flows through at run time."""

import logging
from pathlib import Path

import numpy as np

from refsort.encoders.base import Encoder
from refsort.encoders.export_cache import IMAGES, INT8, Int8Record, Place
from refsort.encoders.exported import LEAST_COSINE, ExportedEncoder, open_export, same
from refsort.encoders.hub import first_line
from refsort.encoders.samples import COUNT, pictures
from refsort.encoders.sentence_transformers import SentenceTransformerEncoder


def in_int8(encoder: ExportedEncoder | SentenceTransformerEncoder, place: Place, threads: int) -> Encoder:
    """The same encoder with its image tower in eight bits; `encoder` itself, with a note, if that can't be had."""
    if isinstance(encoder, SentenceTransformerEncoder):
        encoder.note = f"{encoder.note}\n{encoder.name} has no int8 in torch: fp32 is used".strip()
        return encoder
    try:
        found = stored(encoder.name, place, threads)
        if found is None:
            with place.lock():
                found = stored(encoder.name, place, threads)  # another process may just have made it
                if found is None:
                    _make(encoder, place)
                    found = stored(encoder.name, place, threads)
        if found is not None:
            return found
        why = "what was made can't be used"
    except Exception as error:  # noqa: BLE001  # whatever is raised, there is fp32 to go on with
        why = first_line(error)
    encoder.note = f"{encoder.name} could not be brought to int8, fp32 is used: {why}"
    return encoder


def quantise(source: Path, target: Path) -> None:
    """Write the network `source` with its matrix products in eight bits. Raises what ONNX Runtime raises.

    Seven bits of them, in fact (`reduce_range`): on x86 processors without VNNI sums of eight would overflow. A scale
    for each column (`per_channel`) makes up for it. Measured with a ViT-B/32 on two cores with VNNI: 31 pictures a
    second, after 10 to 12 in fp32.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)  # it advises a pre-processing that is of no use here
    try:
        quantize_dynamic(
            *(source, target),
            op_types_to_quantize=["MatMul"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )
    finally:
        logging.disable(before)


def stored(name: str, place: Place, threads: int) -> ExportedEncoder | None:
    """The image tower in eight bits, if there is a sound one."""
    record, int8 = place.read(), place.read_int8()
    encoder = open_export(name, place, record, threads, INT8) if record and int8 else None
    if encoder is None or int8 is None or not same(encoder.test_vector, int8.picture, LEAST_COSINE):
        return None
    encoder.note = f"int8: mean cosine to fp32 {int8.cosine:.4f} on {COUNT} pictures"
    return encoder


def _make(fp32: ExportedEncoder, place: Place) -> None:
    """Quantise the image tower and record how near it stays to fp32."""
    with place.scratch() as scratch:
        quantise(place.folder / IMAGES, scratch / INT8)
        int8 = fp32.with_images(scratch / INT8)
        batch = np.stack([fp32.prepare(rgb) for rgb in pictures()])
        cosine = float((int8.embed_images(batch) * fp32.embed_images(batch)).sum(axis=1).mean())
        record = Int8Record(size=(scratch / INT8).stat().st_size, cosine=cosine, picture=int8.test_vector.tolist())
        place.put_int8(scratch / INT8, record)
