"""Deciding with Ray: the plan is the very same, and a worker that dies costs nothing but time."""

import contextlib
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.files.identity import FileStat
from refsort.images import READING
from refsort.sorting import Reporters
from refsort.sorting.embedding import Embedded
from refsort.sorting.prepared import Prepared, prepare
from tests.learn.discs import config_of, make_discs

pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("ray")
from refsort.scale.deciding import decide_vectors  # noqa: E402
from refsort.scale.parts import PartWriter  # noqa: E402
from refsort.scale.places import LocalPlace  # noqa: E402
from refsort.scale.ray_deciding import RayDeciding  # noqa: E402
from refsort.scale.spans import Decider, Span, spans_of  # noqa: E402
from refsort.scale.vectors import ABOUT, VERSION, About, part_name, vectors_at  # noqa: E402

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the tests send signals")
ROOT = Path(__file__).resolve().parents[2]
PARTS, A_PART = 12, 700


@dataclass
class Made:
    """A dataset, what decides in it, and a folder of vectors around its references."""

    dataset: Dataset
    prepared: Prepared
    vectors: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    top = tmp_path_factory.mktemp("made")
    dataset = make_discs(top / "Discos", references=10, arrivals=1)
    with prepare(config_of(dataset, max_wrong=0.3), dataset, Reporters()) as prepared:
        write_vectors(top / "vectors", dataset, prepared)
        yield Made(dataset, prepared, top / "vectors")


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
        yield
        ray.shutdown()


def write_vectors(folder: Path, dataset: Dataset, prepared: Prepared) -> None:
    """Some pictures of each part are between two classes, and one could not be read."""
    encoder, known, rng = prepared.encoder, prepared.references.vectors, np.random.default_rng(0)
    source = str(dataset.path("Images").resolve())
    about = About(VERSION, encoder.name, f"{encoder.fingerprint}/{READING}", encoder.dim, source)
    folder.mkdir()
    (folder / ABOUT).write_bytes(about.to_json())
    for part in range(PARTS):
        with (folder / part_name(part)).open("wb") as file, PartWriter(file, about) as writer:
            for row in range(A_PART):
                path, stat = f"{part}-{row:04d}.jpg", FileStat(1, row, 10, 10**18 + row, 1)
                pair = known[rng.integers(0, len(known), 2)]
                vector = pair[0] + (row % 7 == 0) * pair[1] + 0.004 * rng.standard_normal(encoder.dim)
                unit = (vector / np.linalg.norm(vector)).astype(np.float16).astype(np.float32)
                sha256 = hashlib.sha256(path.encode()).digest()
                if row:
                    writer.put(Embedded(path, "ok", stat, sha256, unit))
                else:
                    writer.put(Embedded(path, "bad", stat, sha256, None, "broken"))


def decider(made: Made) -> Decider:
    place, about = vectors_at(str(made.vectors))
    return Decider(place.text, about, made.prepared.judge, made.dataset.names, keep_unsure=False)


def test_the_plan_is_the_same_with_both_engines(made: Made, tmp_path: Path) -> None:
    """Through the command line, with a cluster of its own."""
    config = config_of(made.dataset, max_wrong=0.3)
    here = decide_vectors(
        config, made.dataset, made.prepared, str(made.vectors), tmp_path / "here.parquet", Reporters()
    )
    command = [sys.executable, "-m", "refsort", "decide", made.vectors, "--to", tmp_path / "ray.parquet"]
    flags = [
        "--data-dir",
        made.dataset.root.parent,
        "--dataset",
        made.dataset.name,
        "--encoder",
        config.encoder,
        "--max-wrong",
        "0.3",
    ]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("REFSORT_")} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*map(str, command + flags), "--engine", "ray", "--workers", "2"], capture_output=True, text=True, env=clean
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, other = pq.read_table(tmp_path / "here.parquet"), pq.read_table(tmp_path / "ray.parquet")
    assert one.num_rows == PARTS * A_PART == here.pictures
    assert (here.unreadable, here.sure > 0, here.unsure + here.unknown > 0) == (PARTS, True, True)
    assert one.schema.metadata == other.schema.metadata
    for key in ("path", "sha256", "size", "mtime_ns", "folder", "class", "verdict"):
        assert one.column(key).equals(other.column(key)), key
    probabilities = [table.column("probability").to_numpy() for table in (one, other)]
    assert np.nanmax(np.abs(probabilities[0] - probabilities[1])) < 1e-6


def test_workers_that_are_killed_are_replaced(made: Made, cluster: None) -> None:
    whole, spans = decider(made), spans_of(LocalPlace(made.vectors), span_rows=A_PART)
    assert [span.parts for span in spans] == [(part,) for part in range(PARTS)]
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while not over.is_set() and len(killed) < 3:
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if "ray::_portion" in " ".join(process.cmdline()) and process.pid not in killed:
                        os.kill(process.pid, signal.SIGKILL)
                        killed.append(process.pid)
                        break
            time.sleep(0.05)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        portions = list(RayDeciding(workers=2)(whole, 4 * spans))
    finally:
        over.set()
        killer.join()
    assert killed
    expected = [whole.portion(span) for span in spans]
    for number, portion in enumerate(portions):
        same = expected[number % PARTS]
        assert portion.table.column("path").equals(same.table.column("path"))
        assert portion.verdicts == same.verdicts
    assert len(portions) == 4 * PARTS


def test_an_error_of_a_part_is_told_as_here(made: Made, cluster: None, tmp_path: Path) -> None:
    lost = decider(made)
    lost.folder = str(tmp_path)
    with pytest.raises(FileNotFoundError):
        lost.portion(Span((0,), {}))
    with pytest.raises(FileNotFoundError):
        list(RayDeciding(workers=1)(lost, [Span((0,), {})]))


def test_without_a_done_part_there_is_nothing_to_decide(made: Made, tmp_path: Path) -> None:
    (tmp_path / ABOUT).write_bytes((made.vectors / ABOUT).read_bytes())
    result = decide_vectors(
        config_of(made.dataset), made.dataset, made.prepared, str(tmp_path), tmp_path / "plan.parquet", Reporters()
    )
    assert (result.pictures, pq.read_table(tmp_path / "plan.parquet").num_rows) == (0, 0)
    with pytest.raises(DatasetError, match="holds no vectors"):
        vectors_at(str(tmp_path / "nowhere"))
