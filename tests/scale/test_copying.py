"""A plan carried out in an object store: copies that are proven, nothing deleted, and a second time nothing to do."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

pq = pytest.importorskip("pyarrow.parquet")
from pyarrow import fs  # noqa: E402

from refsort.errors import DatasetError  # noqa: E402
from refsort.scale.copying import copy_plan  # noqa: E402
from refsort.sorting import Reporters  # noqa: E402
from refsort.sorting.prepared import prepare  # noqa: E402
from tests.learn.discs import config_of, make_discs  # noqa: E402
from tests.scale.helpers import local  # noqa: E402
from tests.scale.test_stores import bucket as bucket  # noqa: E402
from tests.scale.test_stores import put  # noqa: E402
from tests.scale.test_stores import server as server  # noqa: E402

Bucket = tuple[str, fs.FileSystem, str]


def contents_of(store: fs.FileSystem, base: str) -> dict[str, bytes]:
    found = {}
    for info in store.get_file_info(fs.FileSelector(base, recursive=True, allow_not_found=True)):
        if info.is_file:
            with store.open_input_stream(info.path) as file:
                found[info.path.removeprefix(f"{base}/")] = file.read()
    return found


@pytest.fixture
def plan(bucket: Bucket, tmp_path: Path) -> Path:
    """The arrivals of a dataset lie in a store, two of them under one name; their plan."""
    from refsort.scale.deciding import decide_vectors

    name, store, options = bucket
    dataset = make_discs(tmp_path / "Discos", references=6, arrivals=3)
    for path in dataset.path("Images").iterdir():
        put(store, f"{name}/in/{path.name}", path.read_bytes())
    put(store, f"{name}/in/later/azul0.jpg", dataset.path("Images/azul1.jpg").read_bytes() + b" ")
    local(f"s3://{name}/in{options}", str(tmp_path / "vectors"))
    config = config_of(dataset, unsure="off")
    with prepare(config, dataset, Reporters()) as prepared:
        decide_vectors(config, dataset, prepared, str(tmp_path / "vectors"), tmp_path / "plan.parquet", Reporters())
    return tmp_path / "plan.parquet"


def test_copied_proven_listed_and_nothing_deleted(bucket: Bucket, plan: Path) -> None:
    name, store, options = bucket
    before = contents_of(store, f"{name}/in")
    put(store, f"{name}/out/Dataset/azul/azul0.jpg", b"somebody else's")
    source, to = f"s3://{name}/in{options}", f"s3://{name}/out{options}"
    result = copy_plan(plan, to, Reporters(), source)
    assert (result.copied, result.there, result.failed) == (10, 0, 0)
    after = contents_of(store, f"{name}/out")
    assert contents_of(store, f"{name}/in") == before
    assert after.pop("Dataset/azul/azul0.jpg") == b"somebody else's"
    manifest = after.pop("manifest-000000.parquet")
    assert Counter(after.values()) == Counter(before.values())
    assert {"Dataset/azul/azul0_2.jpg", "Dataset/azul/azul0_3.jpg", "Dataset/rojo/rojo0.jpg"} <= set(after)
    import pyarrow as pa

    rows = pq.read_table(pa.BufferReader(manifest)).to_pylist()
    assert {row["target"]: before[row["source"].decode()] for row in rows} == after
    again = copy_plan(plan, to, Reporters(), source)
    assert (again.copied, again.there) == (0, 10)
    store.delete_file(f"{name}/out/manifest-000000.parquet")  # as after a kill between the copies and their list
    again = copy_plan(plan, to, Reporters(), source)
    assert (again.copied, again.there, again.failed) == (0, 10, 0)
    assert set(contents_of(store, f"{name}/out")) == {*after, "Dataset/azul/azul0.jpg", "manifest-000000.parquet"}


def test_what_changed_since_is_not_copied_and_its_batch_is_not_ended(bucket: Bucket, plan: Path) -> None:
    name, store, options = bucket
    put(store, f"{name}/in/rojo1.jpg", b"another picture")
    command = [sys.executable, "-m", "refsort", "apply", str(plan), "--copy-to", f"s3://{name}/out{options}"]
    command += ["--source", f"s3://{name}/in{options}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["copied"], found["failed"]) == (9, 1)
    assert "rojo1.jpg: it changed after it was embedded" in done.stderr
    assert not [path for path in contents_of(store, f"{name}/out") if "manifest" in path or "rojo1" in path]


def test_other_places_are_refused(bucket: Bucket, plan: Path, tmp_path: Path) -> None:
    name, _, options = bucket
    with pytest.raises(DatasetError, match="is no object store"):
        copy_plan(plan, str(tmp_path / "out"), Reporters(), f"s3://{name}/in{options}")
    with pytest.raises(DatasetError, match="the plan is about"):
        copy_plan(plan, f"s3://{name}/out{options}", Reporters(), f"s3://{name}/other{options}")
