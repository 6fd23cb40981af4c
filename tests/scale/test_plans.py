"""From vectors to moves: the plan is what a sort would do, it is carried out once, and it can be taken back."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.sorting import Reporters, Sorter
from refsort.sorting.prepared import prepare
from tests.learn.discs import config_of, disc, make_discs
from tests.trees import contents, read

pq = pytest.importorskip("pyarrow.parquet")
from refsort.scale.applying import Applied, apply_plan  # noqa: E402
from refsort.scale.deciding import Decided, decide_vectors  # noqa: E402
from refsort.scale.embedding import embed  # noqa: E402
from refsort.scale.local import LocalEngine  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset with sub-folders, a sidecar, a broken picture and a text, and the vectors of its drop folder."""
    top = tmp_path_factory.mktemp("made")
    dataset = make_discs(top / "Discos", references=6, arrivals=6)
    images = dataset.path("Images")
    (images / "sub").mkdir()
    for name in ("azul1.jpg", "rojo1.jpg"):
        (images / name).rename(images / "sub" / name)
    (images / "azul0.xmp").write_bytes(b"sidecar")
    (images / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (images / "notes.txt").write_bytes(b"no picture")
    embed(config_of(dataset), str(images), str(top / "vectors"), lambda job: LocalEngine(job, print), Reporters(), 5)
    return top


@pytest.fixture
def dataset(made: Path, tmp_path: Path) -> Dataset:
    """A copy, its vectors told of the new place, times kept."""
    shutil.copytree(made, tmp_path / "top")
    about = tmp_path / "top" / "vectors" / "embedding.json"
    said = json.loads(about.read_text())
    said["source"] = str(tmp_path / "top" / "Discos" / "Images")
    about.write_text(json.dumps(said))
    return Dataset(tmp_path / "top" / "Discos")


def decided(dataset: Dataset, name: str = "plan.parquet", **settings: object) -> tuple[Path, Decided]:
    config, plan = config_of(dataset, **settings), dataset.root.parent / name
    with prepare(config, dataset, Reporters()) as prepared:
        vectors = str(dataset.root.parent / "vectors")
        return plan, decide_vectors(config, dataset, prepared, vectors, plan, Reporters())


def applied(dataset: Dataset, plan: Path) -> Applied:
    return apply_plan(dataset, plan, Reporters())


def test_a_plan_carried_out_is_what_a_sort_does(dataset: Dataset, tmp_path: Path) -> None:
    twin = Dataset(tmp_path / "twin" / "Discos")
    shutil.copytree(dataset.root, twin.root)
    before = read(dataset.root)
    plan, result = decided(dataset)
    assert read(dataset.root) == before, "deciding moves nothing"
    assert (result.pictures, result.unreadable) == (19, 1)
    done = applied(dataset, plan)
    assert (done.rows, done.failed, done.skipped) == (19, 0, 0)
    Sorter(config_of(twin)).sort()
    for folder in ("Dataset", "Unsure", "Unknown"):
        found = [read(data.path(folder)) if data.path(folder).is_dir() else {} for data in (dataset, twin)]
        assert found[0] == found[1]
    (run,) = Sorter(config_of(dataset)).history()
    assert (run.kind, run.summary["sorted"]) == ("sort", done.moved)  # type: ignore[index]
    assert Sorter(config_of(dataset)).undo().left == []
    assert read(dataset.root) == before


def test_a_second_time_nothing_is_left_to_do(dataset: Dataset) -> None:
    plan, _ = decided(dataset)
    first = applied(dataset, plan)
    before = read(dataset.root)
    again = applied(dataset, plan)
    assert (again.moved, again.before, again.skipped, again.failed) == (0, first.moved, 0, 0)
    assert read(dataset.root) == before


def test_what_changed_since_stays(dataset: Dataset) -> None:
    plan, _ = decided(dataset)
    changed, gone = dataset.path("Images/rojo2.jpg"), dataset.path("Images/rojo3.jpg")
    changed.write_bytes(b"another picture")
    gone.unlink()
    done = applied(dataset, plan)
    assert done.skipped == 2
    assert changed.read_bytes() == b"another picture"


def test_what_is_no_plan_or_of_another_folder_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    plan, _ = decided(dataset)
    with pytest.raises(DatasetError, match="is there already"):
        decided(dataset)
    (tmp_path / "text.parquet").write_bytes(b"no plan")
    for path, why in ((tmp_path / "text.parquet", "is no plan"), (tmp_path / "none.parquet", "there is no plan")):
        with pytest.raises(DatasetError, match=why):
            applied(dataset, path)
    other = make_discs(tmp_path / "Otros", references=2, arrivals=1)
    with pytest.raises(DatasetError, match="only what lies in"):
        applied(other, plan)


def test_a_path_that_leads_out_is_refused(dataset: Dataset) -> None:
    import pyarrow as pa

    plan, _ = decided(dataset)
    table = pq.read_table(plan)
    paths = [b"../../secret.jpg", *table.column("path").to_pylist()[1:]]
    pq.write_table(table.set_column(0, table.schema.field(0), pa.array(paths, pa.binary())), plan)
    (dataset.root.parent / "secret.jpg").write_bytes(b"secret")
    with pytest.raises(DatasetError):
        applied(dataset, plan)
    assert (dataset.root.parent / "secret.jpg").read_bytes() == b"secret"


def test_vectors_of_another_encoder_are_refused(dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="can't be compared"):
        decided(dataset, encoder="builtin-large")
    assert not (dataset.root.parent / "plan.parquet").exists()


def test_killed_in_the_middle_it_goes_on(dataset: Dataset) -> None:
    """Through the command line; the batch is one picture, so that there is a middle."""
    plan, _ = decided(dataset)
    before = contents(dataset.root)
    script = "import refsort.scale.plans as p; p.BATCH = 1; from refsort.cli import main; main()"
    command = [
        sys.executable,
        "-c",
        script,
        "apply",
        str(plan),
        "--data-dir",
        str(dataset.root.parent),
        "--dataset",
        "Discos",
    ]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    while not list(dataset.root.glob("Dataset/*/*")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = subprocess.run([*command, "--json"], env=env, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["failed"] == 0
    assert contents(dataset.root) == before
    assert sorted(p.name for p in dataset.path("Images").iterdir() if p.is_file()) == ["broken.jpg", "notes.txt"]


def test_an_index_takes_the_vectors_over_and_embeds_only_what_is_new(dataset: Dataset) -> None:
    disc(dataset.path("Images/new.jpg"), (9, 9, 9), 1)
    changed = dataset.path("Images/rojo2.jpg")
    disc(changed, (200, 200, 30), 2)
    command = [sys.executable, "-m", "refsort", "index", "--vectors", str(dataset.root.parent / "vectors"), "--json"]
    command += ["--data-dir", str(dataset.root.parent), "--dataset", "Discos", "--encoder", "builtin"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert "17 pictures were taken over" in done.stderr
    (index,) = json.loads(done.stdout.splitlines()[-1])["indexes"]
    references = len(list(dataset.path("Clases").rglob("*.jpg")))
    assert (index["files"], index["new"]) == (17 + 2 + references, 2 + references)
    words = [*command[:3], "search", "--like", str(changed), *command[5:], "--in", "Images"]
    found = subprocess.run(
        [w for w in words if w != "index"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout.splitlines()[-1])
