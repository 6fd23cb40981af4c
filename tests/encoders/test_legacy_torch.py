"""The reader of torch's legacy weight files: right numbers, nothing executed, nothing out of bounds."""

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refsort.encoders.legacy_torch import MAGIC, PROTOCOL, read_state_dict
from refsort.errors import EncoderError

DICT = b"ccollections\nOrderedDict\n)R"
SYSTEM = {"protocol_version": PROTOCOL, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
NUMBERS = np.arange(12, dtype=np.float32)


def opcodes(value: Any) -> bytes:
    """The pickle of a value without its first (protocol) and last (stop) instruction."""
    return pickle.dumps(value, 2)[2:-1]


def storage(key: str = "a", length: int = 12, kind: bytes = b"torch\nFloatStorage", place: str = "cpu") -> bytes:
    tail = opcodes(key) + opcodes(place) + opcodes(length)
    return b"(" + opcodes("storage") + b"c" + kind + b"\n" + tail + b"NtQ"


def tensor(
    shape: Any = (3, 4), strides: Any = (4, 1), offset: Any = 0, of: bytes | None = None, hooks: bytes = DICT
) -> bytes:
    """A call of _rebuild_tensor_v2."""
    view = opcodes(offset) + opcodes(shape) + opcodes(strides)
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + (of or storage()) + view + b"\x89" + hooks + b"tR"


def state_dict(*tensors: bytes) -> bytes:
    """A pickled OrderedDict of tensors t0, t1 … with the version notes that torch attaches."""
    items = b"".join(opcodes(f"t{i}") + one for i, one in enumerate(tensors))
    return b"\x80\x02" + DICT + b"(" + items + b"u" + opcodes({"_metadata": {"": {"version": 1}}}) + b"b."


def legacy_file(
    state: bytes,
    keys: Any = ("a",),
    rows: tuple[np.ndarray, ...] = (NUMBERS,),
    system: Any = SYSTEM,
    magic: int = MAGIC,
    protocol: int = PROTOCOL,
) -> bytes:
    head = [pickle.dumps(magic, 2), pickle.dumps(protocol, 2), pickle.dumps(system, 2), state]
    tail = [len(row).to_bytes(8, "little") + row.tobytes() for row in rows]
    return b"".join([*head, pickle.dumps(list(keys), 2), *tail])


def test_views_share_a_storage_and_keep_their_strides():
    state = state_dict(tensor(), tensor((4, 3), (1, 4)), tensor((2, 2), (4, 1), offset=5), tensor((), (), offset=7))
    tensors = read_state_dict(legacy_file(state))
    rows = NUMBERS.reshape(3, 4)
    assert list(tensors) == ["t0", "t1", "t2", "t3"]
    np.testing.assert_array_equal(tensors["t0"], rows)
    np.testing.assert_array_equal(tensors["t1"], rows.T)
    np.testing.assert_array_equal(tensors["t2"], rows[1:, 1:3])
    assert tensors["t3"] == 7
    # A reader that ignored the strides would give this instead, and a network that runs and is wrong.
    assert not np.array_equal(tensors["t1"], NUMBERS.reshape(4, 3))
    assert not tensors["t1"].flags.writeable


def test_storages_come_in_the_order_of_the_list_of_keys():
    counts = np.array([7, 8], np.int64)
    state = state_dict(tensor(), tensor((2,), (1,), of=storage("b", 2, b"torch\nLongStorage")))
    tensors = read_state_dict(legacy_file(state, ("b", "a"), (counts, NUMBERS)))
    np.testing.assert_array_equal(tensors["t1"], counts)
    assert tensors["t1"].dtype == np.int64
    np.testing.assert_array_equal(tensors["t0"].ravel(), NUMBERS)


def test_reads_what_torch_writes():
    torch = pytest.importorskip("torch")
    picture = torch.arange(2 * 3 * 4 * 5, dtype=torch.float32).reshape(2, 3, 4, 5)
    state = OrderedDict(
        {
            "plain": picture,
            "channels last": picture.permute(0, 2, 3, 1),
            "part": picture[1, :, 1:3, ::2],
            "one": torch.tensor(5),
        }
    )
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    tensors = read_state_dict(file.getvalue())
    assert list(tensors) == list(state)
    for name, expected in state.items():
        np.testing.assert_array_equal(tensors[name], expected.numpy())
        assert tensors[name].dtype == expected.numpy().dtype


@pytest.mark.parametrize(
    "name",
    [
        "os\nsystem",
        "posix\nsystem",
        "builtins\neval",
        "builtins\ngetattr",
        "torch\nload",
        "torch\nHalfStorage",
        "torch._utils\n_rebuild_tensor",
        "torch._utils\n_rebuild_parameter",
        "collections\ndefaultdict",
        "refsort.encoders.legacy_torch\nread_state_dict",
    ],
)
def test_every_other_name_is_refused(name):
    state = b"\x80\x02c" + name.encode() + b"\n."
    with pytest.raises(EncoderError, match=name.replace("\n", r"\.")):
        read_state_dict(legacy_file(state))


@pytest.mark.parametrize("where", range(5), ids=["magic", "protocol", "system", "state", "keys"])
def test_a_command_in_any_of_the_pickles_is_not_run(where, tmp_path: Path):
    mark = tmp_path / "was run"
    command = b"\x80\x02cos\nsystem\n(" + opcodes(f'touch "{mark}"') + b"tR."
    parts = [pickle.dumps(value, 2) for value in (MAGIC, PROTOCOL, SYSTEM)]
    parts += [state_dict(tensor()), pickle.dumps(["a"], 2)]
    parts[where] = command
    with pytest.raises(EncoderError, match=r"os\.system"):
        read_state_dict(b"".join(parts) + len(NUMBERS).to_bytes(8, "little") + NUMBERS.tobytes())
    assert not mark.exists()


OUT_OF_BOUNDS = {
    "begins outside": tensor((1,), (1,), offset=12),
    "ends outside": tensor((3, 4), (4, 1), offset=1),
    "strides outside": tensor((3, 4), (5, 1)),
    "negative offset": tensor((1,), (1,), offset=-1),
    "negative stride": tensor((3, 4), (-4, 1), offset=8),
    "negative shape": tensor((-1,), (1,)),
    "more elements than numbers": tensor((13,), (0,)),
    "huge": tensor((2**40, 2**40), (0, 0)),
    "stride beyond a machine word": tensor((1,), (2**70,)),
    "nothing": tensor((0,), (1,)),
    "ranks differ": tensor((3, 4), (1,)),
    "too many dimensions": tensor((1,) * 65, (1,) * 65),
    "a fraction": tensor((3.0, 4), (4, 1)),
    "truth for a number": tensor((True,), (1,)),
    "a list for a shape": tensor([3, 4], (4, 1)),
    "no storage": tensor(of=opcodes("a")),
}


@pytest.mark.parametrize("view", OUT_OF_BOUNDS.values(), ids=OUT_OF_BOUNDS.keys())
def test_impossible_tensors_are_refused(view):
    with pytest.raises(EncoderError, match="t0"):
        read_state_dict(legacy_file(state_dict(view)))


UNEXPECTED = {
    "another magic number": legacy_file(state_dict(tensor()), magic=MAGIC + 1),
    "another protocol": legacy_file(state_dict(tensor()), protocol=1000),
    "big-endian": legacy_file(state_dict(tensor()), system={**SYSTEM, "little_endian": False}),
    "no system info": legacy_file(state_dict(tensor()), system=7),
    "a list for the state dict": legacy_file(pickle.dumps([1], 2)),
    "a number among the tensors": legacy_file(state_dict(tensor(), opcodes(5))),
    "on another device": legacy_file(state_dict(tensor(of=storage(place="cuda:0")))),
    "a storage without length": legacy_file(state_dict(tensor(of=storage(length=-1)))),
    "two lengths for one storage": legacy_file(state_dict(tensor(), tensor(of=storage(length=13)))),
    "hooks": legacy_file(state_dict(tensor(hooks=opcodes({"hook": 1})))),
    "a view that is given attributes": legacy_file(state_dict(tensor() + opcodes({"shape": 1}) + b"b")),
    "too few arguments": legacy_file(state_dict(b"ctorch._utils\n_rebuild_tensor_v2\n)R")),
    "a key too many": legacy_file(state_dict(tensor()), keys=("a", "b"), rows=(NUMBERS, NUMBERS)),
    "a key twice": legacy_file(state_dict(tensor()), keys=("a", "a"), rows=(NUMBERS, NUMBERS)),
    "another key": legacy_file(state_dict(tensor()), keys=("b",)),
    "keys that are no text": legacy_file(state_dict(tensor()), keys=(1,)),
    "another length than declared": legacy_file(state_dict(tensor()), rows=(NUMBERS[:6], NUMBERS[:5])),
    "a byte left over": legacy_file(state_dict(tensor())) + b"\0",
    "nothing": b"",
    "a zip file, as torch writes today": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("data", UNEXPECTED.values(), ids=UNEXPECTED.keys())
def test_anything_unexpected_is_refused(data):
    with pytest.raises(EncoderError, match="The weights can't be read"):
        read_state_dict(data)


def test_a_file_cut_short_anywhere_is_refused():
    data = legacy_file(state_dict(tensor(), tensor((4, 3), (1, 4))))
    assert len(read_state_dict(data)) == 2
    for length in range(len(data)):
        with pytest.raises(EncoderError):
            read_state_dict(data[:length])


def test_attributes_hung_on_the_state_dict_have_no_effect():
    """OrderedDict would take `items` from the pickle and then be asked for its items."""
    items = opcodes("t0") + tensor()
    state = b"\x80\x02" + DICT + b"(" + items + b"u" + opcodes({"items": 1, "values": 2, "keys": 3}) + b"b."
    assert list(read_state_dict(legacy_file(state))) == ["t0"]
