"""What is explored: the pictures of a dataset or of any folder, and an encoder for them."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from refsort.config import Config
from refsort.encoders import Encoder, load
from refsort.errors import DatasetError, EncoderError
from refsort.files.dataset import Dataset
from refsort.images import PICTURE_SUFFIXES
from refsort.names import show
from refsort.sorting.embedding import Embedder
from refsort.sorting.events import Reporter
from refsort.sorting.prepared import embedding, load_encoder

WORDS = "builtin-words"
"""The encoder with a text side that needs no download."""


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures of a dataset, or of any folder, and what embeds them.

    For a plain folder the dataset is one whose root is that folder; only its root, path(), files() and state count.
    """

    dataset: Dataset
    encoder: Encoder
    embedder: Embedder


def locate(config: Config, folder: Path | None) -> Dataset:
    """The dataset of the settings, or any folder as one. Raises DatasetError if there is none."""
    if folder is None:
        dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
        if not dataset.root.is_dir():
            dataset.check()  # raises, and names the datasets that there are
        return dataset
    root = folder.expanduser().resolve()
    if not root.is_dir():
        raise DatasetError(f"{show(str(folder))} is no folder; name one that holds pictures, or leave it out")
    state = config.state_dir
    if state is not None and root != config.dataset_path.resolve():
        # Folders of one name from different places must not share their records.
        state = state / "folders" / hashlib.sha256(os.fsencode(root)).hexdigest()[:16]
    return Dataset(root, config.folders, state)


@contextmanager
def open_source(config: Config, folder: Path | None, reporter: Reporter, *, text: bool = False) -> Iterator[Source]:
    """Pictures of `folder`, or of the dataset of the settings, with an encoder; `text`: with one that knows words.

    Where the dataset's own encoder has no text side, the built-in words take its place and the reporter is told so.
    Raises DatasetError, and EncoderError that says what to install where no words can be had.
    """
    dataset = locate(config, folder)
    try:
        dataset.state.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            f"{show(str(dataset.state))} can't be made ({(error.strerror or str(error)).lower()}), "
            "and vectors are kept there; --state-dir names another place"
        ) from None
    encoder = load_encoder(config, dataset, reporter.message)
    if text:
        encoder = with_words(encoder, config, reporter)
    with embedding(config, dataset, encoder) as embedder:
        yield Source(dataset, encoder, embedder)


def pictures(dataset: Dataset, parts: Sequence[str] | None) -> Iterator[str]:
    """Relative paths of files that are named as pictures are, in a fixed order; links and hidden files left out.

    `parts`: folders of the dataset (Clases, Images, …, or any path inside it); None: everything but its models.
    """
    for part in [""] if parts is None else parts:
        where = part.strip("/")
        if where and not dataset.path(where).is_dir():
            continue
        for found in dataset.files(where or "."):
            path = found if where else found.removeprefix("./")
            if parts is None and _is_model(dataset, path):
                continue
            if PurePosixPath(path).suffix.lower() in PICTURE_SUFFIXES:
                yield path


def _is_model(dataset: Dataset, path: str) -> bool:
    """Whether a path of a dataset lies among its fine-tuned models; in a plain folder any name is a picture's."""
    in_models = path.startswith(f"{dataset.names.models}/")
    return in_models and dataset.path(dataset.names.references).is_dir()


def with_words(encoder: Encoder, config: Config, reporter: Reporter) -> Encoder:
    """This encoder if it has a text side, else the built-in words."""
    if encoder.embed_texts(["a photo"]) is not None:
        return encoder
    try:
        words = load(WORDS, config.threads)
    except EncoderError as error:
        raise EncoderError(
            f"encoder {show(encoder.name)} knows no words, and {WORDS} can't be used: {error}\n"
            "'python3 run.py install words' adds the small built-in words, "
            "'python3 run.py install clip' adds CLIP (then: --encoder clip-ViT-B-32)"
        ) from error
    reporter.message(
        f"words: {WORDS}, because {show(encoder.name)} has none. They are approximate; for true ones: "
        "'python3 run.py install clip', then --encoder clip-ViT-B-32"
    )
    return words
