"""The learning loop as a person uses it: put right, fine-tune, promote, go back; killed at any time it goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from refsort.files.models import ModelStore
from refsort.learn.finetune import finetune
from refsort.learn.training import Options
from refsort.sorting import Reporters
from tests.e2e.helpers import ROOT, Done, on, refsort
from tests.e2e.watching import until, watched
from tests.learn.discs import COLOURS, config_of, disc, make_discs
from tests.trees import contents

pytest.importorskip("torch")
QUICKLY = ("--encoder", "builtin", "--threads", "1")


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three references and four sorted pictures of each colour, all confirmed; a model that is not in use."""
    dataset = make_discs(tmp_path_factory.mktemp("learned") / "Data" / "Discos", 3, 4).root
    assert refsort("sort", *on(dataset), *QUICKLY, "--unsure", "off").code == 0
    assert refsort("labels", *on(dataset), *QUICKLY, "--confirm", *COLOURS).code == 0
    done = refsort("finetune", *on(dataset), *QUICKLY, "--recipe", "last", "--epochs", "1", "--json")
    assert done.code == 0, done.err
    assert done.json["objections"], "twelve pictures are too few to promote by itself"
    return dataset


@pytest.fixture
def dataset(learned: Path) -> Path:
    """The same, with the encoder as it is in use."""
    (learned / "Models" / "current").unlink(missing_ok=True)
    return learned


def models(dataset: Path, *words: str) -> Done:
    return refsort("models", *on(dataset), *QUICKLY, *words, "--json")


def test_what_a_training_leaves(dataset: Path) -> None:
    before = contents(dataset / "Clases", dataset / "Dataset")
    (run,) = ModelStore(dataset / "Models").runs()
    names = {path.name for path in (dataset / "Models" / run).iterdir()}
    assert {"model.onnx", "model.onnx.json", "metrics.json", "labels.json", "curves.png", "README.md"} <= names
    assert {"weights.safetensors", "references.safetensors", "confusion.png", "pictures.txt"} <= names
    assert not any("checkpoint" in name for name in names)
    about = json.loads((dataset / "Models" / run / "metrics.json").read_text())
    assert about["base"] == "builtin"
    assert about["counts"]["reference"] == 9
    assert about["counts"]["confirmed"] == 12
    assert about["comparison"]["pictures"] == about["counts"]["holdout"] > 0
    assert any("50 are needed" in words for words in about["objections"])
    assert contents(dataset / "Clases", dataset / "Dataset") == before


def test_promote_sort_and_go_back(dataset: Path) -> None:
    run = ModelStore(dataset / "Models").runs()[-1]
    assert models(dataset, "promote", run).json["current"] == run
    disc(dataset / "Images" / "nueva.jpg", COLOURS["rojo"], 77)
    sorted_ = refsort("sort", *on(dataset), *QUICKLY, "--unsure", "off", "--json")
    assert sorted_.code == 0, sorted_.err
    assert sorted_.json["encoder"] == f"models:{run}"
    assert (dataset / "Dataset" / "rojo" / "nueva.jpg").exists()
    assert refsort("undo", *on(dataset)).code == 0
    (dataset / "Images" / "nueva.jpg").unlink()
    listed = models(dataset, "list").json
    assert [model["current"] for model in listed["models"]] == [True]
    assert models(dataset, "rollback").json["current"] is None
    again = models(dataset, "rollback")
    assert again.code == 2
    assert "nothing to go back from" in again.err


def test_another_encoder_in_the_settings_is_not_replaced_by_a_model_of_the_first(dataset: Path) -> None:
    run = ModelStore(dataset / "Models").runs()[-1]
    models(dataset, "promote", run)
    done = refsort("sort", *on(dataset), "--encoder", "builtin-large", "--dry-run", "--json")
    assert done.json["encoder"] == "builtin-large"


def test_a_model_and_the_base_are_compared_on_what_neither_has_seen(dataset: Path) -> None:
    (run,) = ModelStore(dataset / "Models").runs()
    found = models(dataset, "compare", "base", run)
    assert found.code == 0, found.err
    held = json.loads((dataset / "Models" / run / "metrics.json").read_text())["comparison"]["pictures"]
    assert found.json["pictures"] == held
    assert models(dataset, "compare", "base", "nothing").code == 2


def test_with_too_little_new_nothing_is_done(dataset: Path) -> None:
    runs = ModelStore(dataset / "Models").runs()
    done = refsort("finetune", *on(dataset), *QUICKLY, "--if-new", "1")
    assert done.code == 0
    assert done.out.startswith("nothing to do: 0 new labels")
    assert len(done.out.splitlines()) == 1
    assert ModelStore(dataset / "Models").runs() == runs


def test_two_trainings_at_once_are_refused(dataset: Path) -> None:
    from refsort.files.lock import hold

    with hold(dataset / ".refsort", "finetune", name="training", doing="learned from"):
        done = refsort("finetune", *on(dataset), *QUICKLY)
        assert done.code == 3
        assert "is being learned from by 'refsort finetune'" in done.err
        assert refsort("sort", *on(dataset), *QUICKLY, "--dry-run").code == 0, "sorting goes on beside it"


def test_the_daemon_takes_up_a_new_model_without_dropping_a_file(dataset: Path) -> None:
    run = ModelStore(dataset / "Models").runs()[-1]
    names = [f"llega{number}.jpg" for number in range(30)]
    before = contents(dataset / "Clases", dataset / "Dataset")
    with watched(dataset, "--unsure", "off") as daemon:
        for number, name in enumerate(names):
            disc(dataset / "Images" / name, COLOURS["azul"], 900 + number)
            if number == 10:
                models(dataset, "promote", run)
            if number == 20:
                daemon.says(f"in use now: models:{run}")
        until(lambda: {path.name for path in dataset.glob("Dataset/*/llega*")} == set(names), "the sorting of all")
        assert daemon.status["encoder"] == f"models:{run}"
        models(dataset, "rollback")
        daemon.says("in use now: builtin")
    for name in names:
        (path,) = dataset.rglob(name)
        path.unlink()
    assert contents(dataset / "Clases", dataset / "Dataset") == before


def test_a_damaged_model_is_said_and_nothing_is_moved(dataset: Path) -> None:
    run = ModelStore(dataset / "Models").runs()[-1]
    models(dataset, "promote", run)
    network = dataset / "Models" / run / "model.onnx"
    whole = network.read_bytes()
    disc(dataset / "Images" / "nueva.jpg", COLOURS["rojo"], 78)
    try:
        network.write_bytes(whole[: len(whole) // 2])
        done = refsort("sort", *on(dataset), *QUICKLY)
        assert done.code == 2
        assert "refsort models rollback" in done.err
        assert (dataset / "Images" / "nueva.jpg").exists()
    finally:
        network.write_bytes(whole)
        (dataset / "Images" / "nueva.jpg").unlink()


@pytest.mark.slow
def test_a_training_that_is_killed_goes_on_and_current_always_names_a_whole_model(tmp_path: Path) -> None:
    """Five kills at random times of a training whose model is promoted in any case."""
    dataset = make_discs(tmp_path / "Data" / "Discos", 3, 2).root
    rng = random.Random(3)
    script = (
        "import sys; from pathlib import Path; from refsort.files.dataset import Dataset;"
        "import refsort.learn.finetune as f; f.objections = lambda *found: [];"
        "from tests.learn.discs import config_of; from refsort.sorting import Reporters;"
        "options = f.Options(recipe='last', epochs=2, threads=1);"
        "o = f.finetune(config_of(Dataset(Path(sys.argv[1]))), options, Reporters());"
        "print(o.run, o.promoted)"
    )
    assert refsort("sort", *on(dataset), *QUICKLY, "--unsure", "off").code == 0
    assert refsort("labels", *on(dataset), *QUICKLY, "--confirm", *COLOURS).code == 0
    command = [sys.executable, "-c", script, str(dataset)]
    store = ModelStore(dataset / "Models")
    begun = time.monotonic()
    whole = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - begun
    assert whole.stdout.split()[1] == "True"
    for _ in range(5):
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.2, 1.0) * seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
        promotion = store.promotion()
        assert promotion is not None
        assert {"model.onnx", "metrics.json"} <= {path.name for path in store.path(promotion.run).iterdir()}
        assert refsort("sort", *on(dataset), *QUICKLY, "--dry-run").code == 0
    runs = len(store.runs())
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert list(store.unfinished()) == []
    assert len(store.runs()) in (runs, runs + 1)


def test_the_timer_is_printed(dataset: Path) -> None:
    done = refsort("finetune", *on(dataset), "--install", "--if-new", "50")
    assert done.code == 0
    for words in ("[Timer]", "OnCalendar=", "Type=oneshot", f"--dataset {dataset.name}", "--if-new 50", "0 3 * * 0"):
        assert words in done.out


@pytest.mark.slow
def test_without_a_hold_out_nothing_is_promoted(tmp_path: Path) -> None:
    dataset = make_discs(tmp_path / "Data" / "Discos", 4, 0)
    outcome = finetune(config_of(dataset), Options(recipe="head", epochs=1, threads=1), Reporters())
    assert outcome.run is not None
    assert not outcome.promoted
    assert outcome.objections == ["no corrected or confirmed picture to test with, 50 in all are needed"]
    assert os.listdir(dataset.path("Images")) == []  # noqa: PTH208
