"""Two models, or a model and the encoder as it is, side by side on the hold-out of today."""

from refsort.config import Config
from refsort.encoders import Encoder, load
from refsort.errors import ModelError
from refsort.files.dataset import Dataset
from refsort.learn.finetune import base_of, divide
from refsort.learn.gate import Comparison, compare
from refsort.learn.trial import on_trial
from refsort.learn.truth import gather
from refsort.sorting import Reporter
from refsort.sorting.models import load_model, model_store
from refsort.sorting.prepared import prepare
from refsort.sorting.sorter import journal_to_look_at

BASE = "base"
"""Names the encoder as it is, without any fine-tuning."""


def compare_models(config: Config, first: str, second: str, reporter: Reporter) -> Comparison:
    """Runs, or `base`; both decide what people have confirmed and neither was trained on.

    Raises ModelError if there is no such model, or nothing to compare on.
    """
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    with journal_to_look_at(dataset) as journal, prepare(config, dataset, reporter) as prepared:
        labels = gather(config, dataset, journal, prepared, reporter)
        base = base_of(model_store(dataset), prepared.encoder.name)
        material = divide(config, dataset, prepared.encoder, prepared.references.classes, labels, reporter)
    if not material.holdout:
        raise ModelError(
            "there is nothing to compare on: no sorted picture was put right or confirmed ('refsort labels' counts)"
        )

    def encoder(name: str) -> Encoder:
        return load(base, config.threads) if name == BASE else load_model(dataset, name, config.threads, _silent)

    before, after = (on_trial(config, dataset, encoder(name), material, reporter) for name in (first, second))
    return compare(before, after, material.classes)


def _silent(text: str) -> None:
    pass
