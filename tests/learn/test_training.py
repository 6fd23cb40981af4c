"""Training on a few discs with real, small networks: every recipe, the files, the seed, and a kill in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from refsort.encoders import load as load_encoder  # noqa: E402
from refsort.errors import EncoderError  # noqa: E402
from refsort.images import read_picture  # noqa: E402
from refsort.learn import backbones  # noqa: E402
from refsort.learn.augment import Changes, Pictures, cut_mix, view  # noqa: E402
from refsort.learn.averaging import Ema, between  # noqa: E402
from refsort.learn.recipes import RECIPES, choose  # noqa: E402
from refsort.learn.training import Example, Options, deal, read_head, train  # noqa: E402
from refsort.sorting.models import read_stand_ins  # noqa: E402
from tests.encoders.tiny_clip import tiny_clip_folder  # noqa: E402
from tests.learn.small_models import CLASSES, Quiet, examples, tiny_vit  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_vit(tmp_path_factory.mktemp("vit")))


def weights(folder: Path) -> dict:
    from safetensors.numpy import load_file

    return load_file(folder / "weights.safetensors")


@pytest.mark.parametrize(
    ("kind", "recipe"), [*(("vit", recipe) for recipe in sorted(RECIPES)), ("clip", "lora"), ("clip", "proj")]
)
def test_every_recipe_makes_a_whole_model_of_a_transformer(kind: str, recipe: str, vit: str, tmp_path: Path) -> None:
    base = vit if kind == "vit" else str(tiny_clip_folder())
    made = examples(tmp_path / "pictures", 4)
    options = Options(recipe=recipe, base=base, epochs=1, threads=1, batch=4, accumulate=2)
    listener = Quiet()
    trained = train(made, CLASSES, options, tmp_path / "run", listener)
    assert listener.steps == listener.total > 0
    encoder = load_encoder(f"onnx:{trained.folder}/model.onnx")
    head, bias = read_head(trained.folder)
    honest = read_stand_ins(trained.folder)
    assert head.shape == (3, encoder.dim) and bias.shape == (3,)
    assert len(honest) == len(made) and np.allclose([np.linalg.norm(v) for v in honest.values()], 1, atol=1e-5)
    assert trained.figures["export_cosine"] > 0.999
    names = {path.name for path in trained.folder.iterdir()}
    assert {"README.md", "curves.png", "labels.json", "config.json", "training.json"} <= names
    assert "checkpoint.pt" not in names
    assert json.loads((trained.folder / "labels.json").read_text()) == CLASSES


def test_the_builtin_network_learns_and_is_exported(tmp_path: Path) -> None:
    made = examples(tmp_path / "pictures", 3)
    trained = train(made, CLASSES, Options("last", epochs=1, threads=2), tmp_path / "run", Quiet())
    encoder = load_encoder(f"onnx:{trained.folder}/model.onnx")
    base = load_encoder("builtin")
    rgb = read_picture(made[0].path.read_bytes())
    assert np.array_equal(encoder.prepare(rgb), base.prepare(rgb))
    assert trained.alpha > 0 and trained.figures["examples"] == 9
    assert encoder.dim == 2 * base.dim, "the base's own vector stays beside the new one"
    pixels = encoder.prepare(rgb)[None]
    half = encoder.embed_images(pixels)[0, : base.dim] * np.sqrt(2)
    assert np.allclose(half, base.embed_images(pixels)[0], atol=1e-4)
    convolutions = sum(1 for node in onnx.load(trained.folder / "model.onnx").graph.node if node.op_type == "Conv")
    assert convolutions < 60, "the stages that both have in common are computed once"


def test_training_learns(tmp_path: Path) -> None:
    """With random weights nothing is known of colours before, and everything after."""
    made = examples(tmp_path / "pictures", 8)
    options = Options("full", str(tiny_vit(tmp_path / "vit")), epochs=30, rate=3e-3, threads=1)
    trained = train(made, CLASSES, options, tmp_path / "run", Quiet())
    rows = json.loads((trained.folder / "training.json").read_text())["epochs"]
    losses = [row["loss"] for row in rows if row["fold"] == 0]
    assert losses[-1] < 0.7 * losses[0]


def test_the_same_seed_gives_the_same_weights_and_another_does_not(vit: str, tmp_path: Path) -> None:
    made = examples(tmp_path / "pictures", 4)
    options = Options("full", vit, epochs=2, threads=1, batch=4)
    runs = [options, options, replace(options, seed=1)]
    first, second, other = (train(made, CLASSES, one, tmp_path / str(i), Quiet()).folder for i, one in enumerate(runs))
    files = [json.loads((f / "training.json").read_text())["epochs"] for f in (first, second, other)]
    assert files[0] == files[1] != files[2]
    assert all(np.array_equal(t, weights(second)[name]) for name, t in weights(first).items())
    assert np.array_equal(read_head(first)[0], read_head(second)[0])
    assert not np.array_equal(read_head(first)[0], read_head(other)[0])


SCRIPT = """
import sys
from pathlib import Path
from refsort.learn import training_checkpoint
from refsort.learn.training import Options, train
from tests.learn.small_models import CLASSES, Quiet, examples
training_checkpoint.SAVE_EVERY = 0
class Slow(Quiet):
    def step(self):
        import time
        print("step", flush=True)
        time.sleep(0.2)
folder = Path(sys.argv[1])
train(examples(folder / "pictures", 4), CLASSES, Options("RECIPE", sys.argv[2], epochs=3, threads=1), folder / "run",
      Slow())
"""


@pytest.mark.parametrize(("recipe", "steps"), [pytest.param("full", 2, marks=pytest.mark.slow), ("lora", 7)])
def test_a_killed_training_is_taken_up_and_ends_the_same(recipe: str, steps: int, vit: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT.replace("RECIPE", recipe), str(tmp_path), vit]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ}) as process:
        assert process.stdout is not None
        for _ in range(steps):
            assert process.stdout.readline() == "step\n"
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "run" / "checkpoint.pt").is_file() and not (tmp_path / "run" / "model.onnx").exists()
    made = examples(tmp_path / "pictures", 4)
    options = Options(recipe, vit, epochs=3, threads=1)
    resumed = train(made, CLASSES, options, tmp_path / "run", Quiet()).folder
    whole = train(made, CLASSES, options, tmp_path / "whole", Quiet()).folder
    rows = [json.loads((folder / "training.json").read_text())["epochs"] for folder in (resumed, whole)]
    assert rows[0] == rows[1]
    assert all(np.array_equal(t, weights(whole)[name]) for name, t in weights(resumed).items())
    assert all(np.array_equal(a, b) for a, b in zip(read_head(resumed), read_head(whole), strict=True))


def test_a_checkpoint_of_another_training_is_not_taken_up(vit: str, tmp_path: Path) -> None:
    from refsort.learn.training_checkpoint import Checkpoint

    Checkpoint(tmp_path, "a").save({"done": []})
    assert Checkpoint(tmp_path, "a").load() == {"done": []}
    assert Checkpoint(tmp_path, "b").load() is None
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    assert Checkpoint(tmp_path, "a").load() is None


def test_pictures_that_can_not_be_read_are_left_out_and_told(vit: str, tmp_path: Path) -> None:
    made = examples(tmp_path / "pictures", 2)
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    listener = Quiet()
    options = Options("head", vit, epochs=1, threads=1)
    trained = train([*made, Example(tmp_path / "bad.jpg", 0)], CLASSES, options, tmp_path / "run", listener)
    assert trained.figures["examples"] == 6 and "bad.jpg is left out" in listener.messages[0]
    with pytest.raises(EncoderError, match="there is none of blue"):
        train(made[:4], CLASSES, options, tmp_path / "run", listener)


def test_folds_hold_some_of_each_class() -> None:
    labels = np.repeat([0, 1, 2], [3, 7, 30])
    folds = deal(labels, 0)
    assert all(set(folds[labels == c]) == {0, 1, 2} for c in range(3))
    alone = deal(np.array([0, 0, 1]), 0)
    assert alone[2] == -1 and alone[0] != alone[1] and min(alone[:2]) >= 0


def test_the_steps_that_are_not_trained_stay_as_they_are(vit: str, tmp_path: Path) -> None:
    base = backbones.load(vit)
    options = Options("last", vit, epochs=2, rate=1e-2, threads=1)
    train(examples(tmp_path / "pictures", 4), CLASSES, options, tmp_path / "run", Quiet())
    after = weights(tmp_path / "run")
    frozen = [name for name in after if name.startswith(("0.", "1."))]
    assert frozen and all(np.array_equal(after[name], base.module.state_dict()[name].numpy()) for name in frozen)


def test_auto_leaves_the_network_alone_where_pictures_are_few() -> None:
    assert choose("auto", [0] * 3 + [1] * 4).name == "head"
    assert choose("auto", [0] * 13 + [1] * 14).name == "last"
    with pytest.raises(EncoderError, match="recipe: best is unknown"):
        choose("best", [0])


def test_low_ranks_need_something_to_be_added_to(vit: str) -> None:
    from refsort.learn.training_student import first_step

    base = backbones.load(vit)
    assert first_step(base, RECIPES["lora"]) == 1
    base.lora = []
    with pytest.raises(EncoderError, match="no attention"):
        first_step(base, RECIPES["lora"])


def test_between_and_moving_average() -> None:
    start, end = {"w": torch.zeros(2)}, {"w": torch.full((2,), 4.0)}
    assert between(start, end, 0.25)["w"].tolist() == [1, 1]
    assert between(start, end, 0)["w"].tolist() == [0, 0] and between(start, end, 1)["w"].tolist() == [4, 4]
    average = Ema(start, 0.9)
    for _ in range(200):
        average.update(end)
    assert average.weights["w"].tolist() == pytest.approx([4, 4], abs=1e-3) and start["w"].tolist() == [0, 0]


def test_views_differ_but_not_from_run_to_run(vit: str, tmp_path: Path) -> None:
    made = examples(tmp_path, 1)
    pictures = Pictures([one.path for one in made], backbones.load(vit).preparation)
    changes = Changes()
    one, again, other = (pictures.views([0, 2], number, 5, changes) for number in (0, 0, 1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
    assert np.array_equal(pictures.views([2], 0, 5, changes)[0], one[1]), "a view depends on the batch"
    assert np.array_equal(pictures.views([0], 0, 5, None), pictures.plain([0]))


def test_nothing_is_mirrored_where_left_and_right_matter() -> None:
    rgb = np.zeros((40, 40, 3), np.uint8)
    rgb[:, 20:] = 200
    sides = {
        mirror: [
            bool(seen[:, 16:].mean() > seen[:, :16].mean())
            for seed in range(30)
            if (seen := view(rgb, 32, Changes(mirror=mirror), np.random.default_rng(seed))) is not None
        ]
        for mirror in (True, False)
    }
    assert all(sides[False]) and not all(sides[True]) and any(sides[True])


def test_cut_mix_keeps_the_share_it_says() -> None:
    pixels = np.stack([np.full((3, 20, 20), value, np.float32) for value in range(4)])
    for seed in range(10):
        mixed, other, own = cut_mix(pixels, np.random.default_rng(seed))
        assert mixed.mean(axis=(1, 2, 3)) == pytest.approx(own * np.arange(4) + (1 - own) * other, abs=1e-4)
