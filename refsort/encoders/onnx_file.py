"""`onnx:PATH`: any image network as an ONNX file, with a sidecar PATH.json that says how it wants to see pictures.

The sidecar is explained in refsort/encoders/sidecar.py; `write_sidecar` writes one.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from refsort.encoders.base import Floats, Rgb, unit
from refsort.encoders.hub import first_line
from refsort.encoders.pixels import middle
from refsort.encoders.samples import known_picture
from refsort.encoders.sessions import open_session, run_each
from refsort.encoders.sidecar import NORM_TOLERANCE, TEST_NUMBERS, Sidecar, parse_sidecar
from refsort.errors import EncoderError

PREFIX = "onnx:"
FLOATS = ("tensor(float)", "tensor(float16)", "tensor(double)")


class OnnxFileEncoder:
    """A network and its sidecar. Its methods may be called from several threads at once. Use `load`."""

    note: str = ""
    """What the user should know about this encoder, empty when all is well."""

    def __init__(self, path: Path, sidecar: Sidecar, threads: int = 0) -> None:
        """`threads` 0: one per core. Raises EncoderError if the network is not what the sidecar says of it."""
        self.name, self.path, self.sidecar = f"{PREFIX}{path}", path, sidecar
        self.side = sidecar.side
        self.fingerprint = _fingerprint(path, sidecar)
        self._preparation = sidecar.preparation()
        self._threads = threads
        self._session = self._open()
        self.test_vector = self._test_vector()
        """float32[dim]: what comes out for the test picture, before any normalising."""
        self.dim = len(self.test_vector)

    @classmethod
    def load(cls, name: str, threads: int = 0) -> "OnnxFileEncoder":
        """`onnx:PATH`; threads 0: one per core. Raises EncoderError."""
        path = Path(name.removeprefix(PREFIX)).expanduser()
        beside = sidecar_of(path)
        if not path.is_file():
            raise EncoderError(f"encoder: {name}: there is no file {path}")
        try:
            content = beside.read_bytes()
        except OSError as error:
            raise EncoderError(f"{beside} can't be read ({error.strerror}): it must say how {path} is used") from error
        encoder = cls(path, parse_sidecar(beside, content), threads)
        if why := encoder.sidecar.mismatch(encoder.test_vector):
            raise EncoderError(f"{beside}: test.vector {why}: another key describes the network wrongly, or it changed")
        return encoder

    def prepare(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side], as the sidecar says; safe in threads."""
        pixels = self._preparation(middle(rgb))
        return np.ascontiguousarray(pixels[::-1]) if self.sidecar.channels == "BGR" else pixels

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, dim], each row of length one.

        A picture for which nothing usable comes out gets zeros: it says nothing of the others. Raises EncoderError if
        the network can't be run, or gives other vectors than its sidecar promises.
        """
        if batch.shape[1:] != (3, self.side, self.side):
            raise ValueError(f"{self.name} takes [n, 3, {self.side}, {self.side}], not {list(batch.shape)}")
        if not len(batch):
            return np.zeros((0, self.dim), np.float32)
        try:
            vectors = np.stack(self._run(batch))
        except Exception as error:  # whatever ONNX Runtime raises, it is about this network
            raise EncoderError(f"{self.path} can't be run: {first_line(error)}") from error
        if vectors.shape[1:] != (self.dim,):
            raise EncoderError(f"{self.path} gives {list(vectors.shape[1:])} numbers for a picture, not {self.dim}")
        useful = _useful(vectors)
        self._check_lengths(vectors[useful])
        return unit(np.where(useful[:, None], vectors, np.float32(0)))

    def embed_texts(self, phrases: list[str]) -> Floats | None:
        """None: there is no text side."""
        return None

    def _run(self, batch: Floats) -> list[Floats]:
        if self.sidecar.layout == "NHWC":
            batch = np.ascontiguousarray(batch.transpose(0, 2, 3, 1))
        return run_each(self._session, list(batch), self._threads, self.sidecar.output)

    def _check_lengths(self, vectors: Floats) -> None:
        """Raises EncoderError if a row has not length one where the sidecar promises that."""
        odd = np.linalg.norm(vectors.astype(np.float64), axis=1)
        odd = odd[np.abs(odd - 1) > NORM_TOLERANCE]
        if len(odd) and not self.sidecar.normalize:
            raise self._wrong("normalize", f"should be true: the network gives vectors of length {odd[0]:.4g}")

    def _open(self) -> Any:
        """The network, its input and output being as described."""
        try:
            session = open_session(self.path)
        except Exception as error:  # whatever ONNX Runtime raises, it is about this file
            raise EncoderError(f"{self.path} can't be opened as a network: {first_line(error)}") from error
        inputs = {node.name: node for node in session.get_inputs()}
        if list(inputs) != [self.sidecar.input]:
            raise self._wrong("input", f"is {self.sidecar.input}, and the network has {', '.join(inputs) or 'none'}")
        node, side = inputs[self.sidecar.input], self.side
        if node.type != "tensor(float)":
            raise self._wrong("input", f"is {node.type} in the network, only tensor(float) can be used")
        wanted = [1, side, side, 3] if self.sidecar.layout == "NHWC" else [1, 3, side, side]
        if len(node.shape) != 4 or any(isinstance(n, int) and n != w for n, w in zip(node.shape, wanted, strict=True)):
            raise self._wrong("layout, side", f"ask for {wanted}, and the network takes {node.shape}")
        outputs = {node.name: node for node in session.get_outputs()}
        if self.sidecar.output not in outputs:
            raise self._wrong("output", f"is {self.sidecar.output}, and the network has {', '.join(outputs)}")
        node = outputs[self.sidecar.output]
        if node.type not in FLOATS or len(node.shape) not in (0, 2):  # 0: the file does not say
            raise self._wrong("output", f"is {node.type}{node.shape} in the network, not one vector a picture")
        return session

    def _test_vector(self) -> Floats:
        try:
            vector = self._run(self.prepare(known_picture())[None])[0]
        except Exception as error:  # whatever ONNX Runtime raises, it is about this network
            raise EncoderError(f"{self.path} can't be run as its sidecar says: {first_line(error)}") from error
        if vector.ndim != 1 or not len(vector):
            raise self._wrong("output", f"has the shape {[1, *vector.shape]}, not one vector a picture")
        if not _useful(vector[None]).all():
            raise EncoderError(f"{self.path} gives a vector that is zero or not finite for the test picture")
        self._check_lengths(vector[None])
        return vector

    def _wrong(self, key: str, why: str) -> EncoderError:
        return EncoderError(f"{sidecar_of(self.path)}: {key} {why}")


def sidecar_of(path: Path) -> Path:
    """model.onnx → model.onnx.json"""
    return path.with_name(f"{path.name}.json")


def write_sidecar(path: Path, description: Mapping[str, Any], vector: Sequence[float] | None = None) -> Path:
    """Write the sidecar of the network in `path`, and return where it is.

    `description`: all keys but `test`. `vector`: what the network gave for the test picture where it comes from, before
    any normalising; without it the network is asked here, and a wrong description is not noticed. Raises EncoderError.
    """
    beside = sidecar_of(path)
    raw = np.asarray([1.0] if vector is None else vector, np.float64)

    def with_test(numbers: Any) -> str:
        test = {"vector": [float(x) for x in numbers[:TEST_NUMBERS]], "norm": float(np.linalg.norm(numbers))}
        return json.dumps({**description, "test": test}, indent=1)

    encoder = OnnxFileEncoder(path, parse_sidecar(beside, with_test(raw)))
    if vector is not None and (why := encoder.sidecar.mismatch(encoder.test_vector)):
        raise EncoderError(f"{beside} was not written: the vector {why}")
    beside.write_text(with_test(encoder.test_vector if vector is None else raw) + "\n", "utf-8")
    return beside


def _useful(vectors: Floats) -> NDArray[np.bool_]:
    """bool[n]: whether a row of float32[n, dim] has a direction."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    return np.asarray(np.isfinite(lengths) & (lengths > 0))


def _fingerprint(path: Path, sidecar: Sidecar) -> str:
    """Identity of the network, wherever it lies, and of what the sidecar says. Raises EncoderError."""
    total = hashlib.sha256(sidecar.model_dump_json().encode())
    try:
        network = onnx.load(path, load_external_data=False)
        for name in ("", *sorted(set(_external(network.graph)))):
            with (path.parent / name if name else path).open("rb") as file:
                total.update(f"\n{name} {hashlib.file_digest(file, 'sha256').hexdigest()}".encode())
    except Exception as error:  # whatever protobuf raises, it is about this file
        raise EncoderError(f"{path} can't be read as a network: {first_line(error)}") from error
    return f"onnx-{total.hexdigest()[:16]}"


def _external(graph: Any) -> Iterator[str]:
    """Names of the files beside the network in which weights lie."""
    tensors = list(graph.initializer)
    for node in graph.node:
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
            for inner in (attribute.g, *attribute.graphs):
                yield from _external(inner)
    yield from (ExternalDataInfo(tensor).location for tensor in tensors if uses_external_data(tensor))
