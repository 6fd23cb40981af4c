"""The index keeps its rows apart from the fate of files, and is sound after a kill at any step."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refsort.encoders import Floats
from refsort.errors import DatasetError
from refsort.explore.store import SPARE_ROWS, Broken, Store
from refsort.files.identity import FileStat

DIM = 8
ROOT = Path(__file__).resolve().parents[2]


def vectors(count: int, seed: int = 0) -> Floats:
    found = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), dtype=np.float32)


def filled(folder: Path, count: int, *, files: int | None = None) -> Store:
    """Content i is the number i; the first `files` of them lie at a path."""
    store = Store(folder, "one", DIM)
    with store.transaction():
        store.add("pictures", [b"%d" % i for i in range(count)], vectors(count))
        for i in range(count if files is None else files):
            store.put_file(b"p%d.jpg" % i, FileStat(1, i, 1, 1, 1), b"%d" % i, 0.0)
    return store


def die(folder: Path, steps: str) -> None:
    """Run these steps on the store in another process, which is then killed inside them."""
    code = (
        "import os, signal, numpy as np\nfrom pathlib import Path\nfrom refsort.explore.store import Store\n"
        "import refsort.explore.store as module\n"
        "kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"store = Store(Path({str(folder)!r}), 'one', {DIM})\n{steps}"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


ADDING = f"with store.transaction():\n    store.add('pictures', [b'x'], np.full((1, {DIM}), 0.5, np.float32))\n"


def test_a_kill_between_rows_and_commit_leaves_what_was(tmp_path: Path) -> None:
    filled(tmp_path, 20).close()
    die(tmp_path, f"{ADDING}    kill()")
    store = Store(tmp_path, "one", DIM)
    store.verify()
    assert store.count("pictures") == 20
    with store.transaction():
        store.add("pictures", [b"z"], vectors(1, seed=9))
    store.verify()
    assert np.array_equal(store.view("pictures")[20], vectors(1, seed=9)[0])


def test_a_kill_after_the_commit_leaves_the_row(tmp_path: Path) -> None:
    filled(tmp_path, 5).close()
    die(tmp_path, f"{ADDING}kill()")
    store = Store(tmp_path, "one", DIM)
    store.verify()
    assert store.count("pictures") == 6


def test_a_kill_while_rows_are_copied_leaves_the_old_generation(tmp_path: Path) -> None:
    count = 2 * SPARE_ROWS
    filled(tmp_path, count, files=SPARE_ROWS // 2).close()
    die(
        tmp_path,
        "copy = module.copy_rows\ndef half(*a):\n    copy(*a)\n    kill()\nmodule.copy_rows = half\nstore.tidy()",
    )
    store = Store(tmp_path, "one", DIM)
    store.verify()
    assert (store.count("pictures"), store.generation("pictures")) == (count, 1)
    store.tidy()
    store.verify()
    assert (store.count("pictures"), store.generation("pictures")) == (SPARE_ROWS // 2, 2)
    assert sorted(p.name for p in tmp_path.glob("pictures-*")) == ["pictures-2.f32"]


def test_tidying_keeps_every_content_with_its_vector(tmp_path: Path) -> None:
    store = filled(tmp_path, 3000)
    with store.transaction():
        store.db.execute("DELETE FROM files WHERE ino % 3 <> 0")
    store.tidy()
    assert store.count("pictures") == 1000
    expected, view = vectors(3000), store.view("pictures")
    for row, content in store.db.execute("SELECT row, content FROM vectors"):
        assert np.array_equal(view[row], expected[int(content)])


@pytest.mark.parametrize("damage", ["short", "swapped", "database", "other version"])
def test_damage_is_noticed(tmp_path: Path, damage: str) -> None:
    filled(tmp_path, 20).close()
    rows = tmp_path / "pictures-1.f32"
    data = rows.read_bytes()
    if damage == "short":
        rows.write_bytes(data[:-4])
    elif damage == "swapped":
        rows.write_bytes(data[4 * DIM : 8 * DIM] + data[: 4 * DIM] + data[8 * DIM :])
    elif damage == "database":
        (tmp_path / "index.db").write_bytes(b"no database at all" * 300)
    else:
        store = Store(tmp_path, "one", DIM)
        store.db.execute("PRAGMA user_version=99")
        store.close()
    with pytest.raises(Broken):
        Store(tmp_path, "one", DIM)


def test_another_encoders_index_is_refused(tmp_path: Path) -> None:
    filled(tmp_path, 3).close()
    with pytest.raises(DatasetError, match="another encoder"):
        Store(tmp_path, "two", DIM)
