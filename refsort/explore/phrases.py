"""Asking pictures what they are: the share of each phrase in the softmax over all of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from refsort.config import Config
from refsort.decide.base import Floats, Wide
from refsort.encoders import Encoder, choose, load
from refsort.encoders.prompts import cut_off, logit_scale, text_vectors
from refsort.errors import BadPicture, ConfigError, DatasetError
from refsort.explore.source import with_words
from refsort.files.dataset import Dataset
from refsort.images import read_picture
from refsort.names import show
from refsort.sorting.class_words import parse_phrases, tidy
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import load_encoder

Tell = Callable[[str], None]
DIGITS = 6


@dataclass(frozen=True, slots=True)
class Table:
    """Pictures × phrases. `scale`: the factor between cosine and logit."""

    paths: list[str]
    labels: list[str]
    cosines: Floats
    scale: float
    encoder: str

    @property
    def shares(self) -> Wide:
        """float64[n, c], each row sums to one: softmax(scale · cosine)."""
        logits = self.scale * self.cosines.astype(np.float64)
        raised = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(raised / raised.sum(axis=1, keepdims=True))

    def as_dict(self, top: int | None = None) -> dict[str, Any]:
        """For JSON: each picture's phrases, best first; only the `top` best if that is given."""
        shares = self.shares
        order = np.argsort(-self.cosines, axis=1, kind="stable")[:, :top]
        return {
            "encoder": self.encoder,
            "logit_scale": self.scale,
            "pictures": [
                {
                    "path": path,
                    "labels": [
                        {
                            "label": self.labels[j],
                            "share": round(float(shares[i, j]), DIGITS),
                            "cosine": round(float(self.cosines[i, j]), DIGITS),
                        }
                        for j in order[i]
                    ],
                }
                for i, path in enumerate(self.paths)
            ],
        }


def gather_labels(labels: Sequence[str], file: Path | None, tell: Tell) -> list[str]:
    """Phrases as given and those of a file (one a line, # begins a comment). Raises ConfigError if there is none."""
    told = list(labels)
    if file is not None:
        try:
            told += parse_phrases(file.expanduser().read_bytes())
        except OSError as error:
            raise ConfigError(f"--labels-file {show(str(file))}: {(error.strerror or str(error)).lower()}") from None
    kept, notes = tidy(told)
    for note in notes:
        tell(note)
    if not kept:
        raise ConfigError("there is no phrase: --labels 'a cat' 'a dog', or --labels-file with one a line")
    return kept


def label_vectors(encoder: Encoder, labels: Sequence[str], tell: Tell, *, ensemble: bool = False) -> Floats:
    """float32[c, dim]; what is cut off is told. Raises NoWords without a text side, and EncoderError."""
    for phrase in cut_off(encoder, labels):
        tell(f"only the beginning is read of the phrase '{show(phrase[:40])}…'")
    return text_vectors(encoder, labels, ensemble=ensemble)


def compare(encoder: Encoder, paths: Sequence[str], vectors: Floats, labels: Sequence[str], texts: Floats) -> Table:
    """The table of pictures float32[n, dim] and phrases float32[c, dim]."""
    cosines = vectors.astype(np.float64) @ texts.astype(np.float64).T
    return Table(list(paths), list(labels), cosines.astype(np.float32), logit_scale(encoder), encoder.name)


def encoder_with_words(config: Config, reporter: Reporter) -> Encoder:
    """The encoder of the dataset of the settings if there is one, else of the settings, with a text side.

    Raises EncoderError that says what to install where no words can be had.
    """
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    if dataset.root.is_dir():
        encoder = load_encoder(config, dataset, reporter.message)
    else:
        choice = choose(config.encoder)
        encoder = load(choice.name, config.threads, config.precision, reporter.message)
    return with_words(encoder, config, reporter)


def ask(
    config: Config,
    encoder: Encoder,
    files: Sequence[Path],
    labels: Sequence[str],
    tell: Tell,
    *,
    ensemble: bool = False,
) -> Table:
    """Compare single picture files with phrases; those that can't be read are told and left out.

    Raises DatasetError if none can be read.
    """
    texts = label_vectors(encoder, labels, tell, ensemble=ensemble)
    paths, prepared = [], []
    for file in files:
        try:
            rgb = read_picture(file.expanduser().read_bytes(), side=encoder.side, max_pixels=config.max_pixels)
        except (OSError, BadPicture) as error:
            tell(f"{show(str(file))} is left out: {getattr(error, 'strerror', None) or error}")
            continue
        paths.append(str(file))
        prepared.append(encoder.prepare(rgb))
    if not paths:
        raise DatasetError("none of these files is a picture that can be read")
    return compare(encoder, paths, encoder.embed_images(np.stack(prepared)), labels, texts)
