"""Reads PyTorch's legacy weight file (`torch.save` before version 1.6) without PyTorch.

The file is five pickles and then raw numbers:

    magic number | protocol 1001 | system info | the state dict | list of storage keys | storages

The state dict holds no numbers, only views: (storage, offset, shape, strides). A storage is an int64 length
and as many little-endian elements; the list of keys gives their order. Source: `torch/serialization.py`,
`_legacy_save`.

A pickle can name any function of any module and have it called, so this reader resolves four names, all to
harmless things of its own, and refuses everything else. A pickle can still ask for much memory: check the
SHA-256 of a file before reading one that did not come from a trusted place.
"""

import io
import pickle
from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from refsort.errors import EncoderError

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MOST_DIMENSIONS = 8

_ELEMENTS: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}

# What a pickle that is cut short, changed or hostile makes the unpickler raise.
_PICKLE_FAULTS = (
    *(pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError, KeyError, IndexError),
    *(ImportError, OverflowError, MemoryError, RecursionError),
)


class _Storage(NamedTuple):
    """A stretch of numbers that follows after the pickles."""

    kind: str
    key: str
    length: int


class _View(NamedTuple):
    """A tensor as the file describes it, counted in elements, not bytes. Nothing is checked yet."""

    storage: Any
    offset: Any
    shape: Any
    strides: Any


class _Entries(dict[Any, Any]):
    """Stands for OrderedDict, but a pickle can't hang attributes (and so false methods) on it."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Drops the version notes that torch attaches to a state dict."""


def read_state_dict(data: bytes) -> dict[str, NDArray[Any]]:
    """The tensors of a legacy `torch.save(state_dict)` file by name, in the file's order.

    Knows float32 and int64 tensors that were saved from the CPU. The arrays are read-only and share memory with
    `data`; they keep the file's strides, so many are not contiguous.

    Raises EncoderError if the file is cut short, has bytes left over, names anything but the four names a state
    dict needs, or describes a tensor that reaches outside its storage.
    """
    stream = io.BytesIO(data)
    try:
        _expect(_load(stream) == MAGIC, "it does not begin as a legacy torch file does")
        _expect(_load(stream) == PROTOCOL, f"its protocol is not {PROTOCOL}")
        system, entries, keys = _load(stream), _load(stream), _load(stream)
    except _PICKLE_FAULTS as fault:
        raise EncoderError(f"The weights can't be read: {fault or type(fault).__name__}.") from fault
    _expect(isinstance(system, dict) and system.get("little_endian") is True, "they are not little-endian")
    _expect(
        isinstance(entries, _Entries)
        and all(isinstance(name, str) and isinstance(view, _View) for name, view in entries.items()),
        "there is more in the state dict than tensors",
    )
    storages = _read_storages(data, stream.tell(), keys, _declared(entries))
    return {name: _strided(name, view, storages) for name, view in entries.items()}


def _load(stream: io.BytesIO) -> Any:
    return _StrictUnpickler(stream).load()


class _StrictUnpickler(pickle.Unpickler):
    """Knows four names; nothing from outside this file is ever called."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Entries
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuilder()
        if module == "torch" and name in _ELEMENTS:
            return name
        raise pickle.UnpicklingError(f"they name {module}.{name}, which no weights need")

    def persistent_load(self, pid: Any) -> _Storage:
        match pid:
            case ("storage", str(kind), str(key), "cpu", int(length), None) if kind in _ELEMENTS and length > 0:
                return _Storage(kind, key, length)
        raise pickle.UnpicklingError("they refer to something that is no plain row of numbers")


def _rebuilder() -> Callable[..., _View]:
    """A new function each time: a pickle may hang attributes on it, and they must not outlive the reading."""

    def rebuild(storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any) -> _View:
        if not isinstance(grad, bool) or hooks != {}:
            raise pickle.UnpicklingError("a tensor carries more than numbers")
        return _View(storage, offset, shape, strides)

    return rebuild


def _declared(entries: dict[str, _View]) -> dict[str, _Storage]:
    """The storages that the tensors refer to, by key."""
    found: dict[str, _Storage] = {}
    for name, view in entries.items():
        _expect(isinstance(view.storage, _Storage), f"tensor {name} has no storage")
        first = found.setdefault(view.storage.key, view.storage)
        _expect(first == view.storage, f"tensor {name} and another disagree on their storage")
    return found


def _read_storages(data: bytes, start: int, keys: Any, declared: dict[str, _Storage]) -> dict[str, NDArray[Any]]:
    """The raw numbers after the pickles, by storage key; the file must end exactly where they end."""
    _expect(
        isinstance(keys, list) and all(isinstance(key, str) for key in keys) and sorted(keys) == sorted(declared),
        "the list of storages is not that of the tensors",
    )
    storages = {}
    for key in keys:
        element = _ELEMENTS[declared[key].kind]
        length = int.from_bytes(data[start : start + 8], "little", signed=True)
        end = start + 8 + declared[key].length * element.itemsize
        _expect(end <= len(data), "the file is cut short")
        _expect(length == declared[key].length, f"storage {key} has not the length its tensors say")
        storages[key] = np.frombuffer(data, element, length, start + 8)
        start = end
    _expect(start == len(data), "there are bytes left over at the end")
    return storages


def _strided(name: str, view: _View, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The view as an array. Raises EncoderError if any of its elements would be outside the storage."""
    numbers = storages[view.storage.key]
    offset, shape, strides = view.offset, view.shape, view.strides
    _expect(
        _counts((offset,)) and _counts(shape) and _counts(strides) and len(shape) == len(strides)
        and len(shape) <= MOST_DIMENSIONS and prod(shape) in range(1, len(numbers) + 1)
        and max(strides, default=0) <= len(numbers),
        f"tensor {name} has an impossible shape",
    )  # fmt: skip
    # All strides are positive, so the largest index belongs to the last element.
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    _expect(last < len(numbers), f"tensor {name} reaches outside its storage")
    return np.lib.stride_tricks.as_strided(
        numbers[offset:], shape, tuple(step * numbers.itemsize for step in strides), writeable=False
    )


def _counts(values: Any) -> bool:
    return isinstance(values, tuple) and all(type(n) is int and n >= 0 for n in values)


def _expect(condition: bool, complaint: str) -> None:
    if not condition:
        raise EncoderError(f"The weights can't be read: {complaint}.")
