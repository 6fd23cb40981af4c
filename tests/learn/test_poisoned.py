"""The gate before models that learned nonsense: shuffled labels, and one class poisoned with another's pictures."""

import hashlib
import random
from pathlib import Path

import pytest

from refsort.config import Config
from refsort.encoders import load
from refsort.files.dataset import Dataset
from refsort.learn.gate import compare, objections
from refsort.learn.training import Example, Options, train
from refsort.learn.trial import Material, on_trial
from refsort.learn.truth import Label
from refsort.sorting import Reporters
from refsort.sorting.models import TunedEncoder
from tests.conftest import SHARED
from tests.e2e.helpers import split_set

pytest.importorskip("torch")
TRAINED, HELD = 12, 8


def material(root: Path) -> tuple[Config, Dataset, Material]:
    """So many photographs a class to learn from, the first five as references, and so many to test with."""
    photos = SHARED / "photos" / "sign_digits"
    if not photos.is_dir():
        pytest.skip("sample pictures are not here")
    truth = split_set(photos, root, TRAINED, HELD)
    dataset = Dataset(root)
    classes = dataset.classes()

    def label(path: str, name: str, *, said: bool) -> Label:
        data = dataset.path(path).read_bytes()
        return Label(path, hashlib.sha256(data).digest(), name, "confirmed" if said else "reference", 1.0)

    shown = [label(path, name, said=False) for name in classes for path in dataset.references(name)]
    held = [label(f"Images/{name}", own, said=True) for name, own in truth.items()]
    config = Config(dataset=root.name, data_dir=root.parent, encoder="builtin")
    return config, dataset, Material(classes, shown, held)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["shuffled", "poisoned"])
def test_a_model_that_learned_nonsense_is_refused(tmp_path: Path, how: str) -> None:
    """The wrong labels are in what it learns and in the references that it is judged with afterwards, as they would be
    in a dataset: the encoder in use has the right ones, which it had before."""
    config, dataset, whole = material(tmp_path / "Data" / "Manos")
    rng = random.Random(1)
    names = [label.class_name for label in whole.train]
    if how == "shuffled":
        rng.shuffle(names)
    else:
        names = [whole.classes[0] if name == whole.classes[1] and rng.random() < 0.7 else name for name in names]
    spoilt = [
        Label(la.path, la.sha256, name, la.source, la.weight) for la, name in zip(whole.train, names, strict=True)
    ]
    examples = [Example(dataset.path(label.path), whole.classes.index(label.class_name)) for label in spoilt]
    train(examples, whole.classes, Options("last", epochs=4), tmp_path / "model", Reporters())
    before = on_trial(config, dataset, load("builtin"), whole, Reporters())
    wrong = Material(whole.classes, spoilt, whole.holdout)
    after = on_trial(config, dataset, TunedEncoder.of(tmp_path / "model"), wrong, Reporters())
    found = compare(before, after, whole.classes)
    assert objections(found, config.max_wrong, confirmed=len(whole.holdout)), found
