"""What sorting, checking and evaluating have in common: an encoder, the references, and a judge made of them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from refsort.config import Config
from refsort.decide import Judge, Rule, make_judge
from refsort.encoders import AUTO, BATCH, FALLBACK, Encoder, choose, cores, load
from refsort.errors import EncoderError
from refsort.files.cache import Cache
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.images import READING, read_picture
from refsort.sorting.class_words import class_words, may_know_words
from refsort.sorting.corrections import with_corrections
from refsort.sorting.embedding import Embedder, Limits, Reader
from refsort.sorting.events import Reporter
from refsort.sorting.models import load_model, tuned_model
from refsort.sorting.pin import read_pin, write_pin
from refsort.sorting.references import References, embed_references, list_references
from refsort.sorting.standing import standing


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that a decision needs."""

    encoder: Encoder
    embedder: Embedder
    references: References
    judge: Judge
    standing: bytes
    """A key of all that decides, see `sorting.standing`."""


@contextmanager
def prepare(config: Config, dataset: Dataset, reporter: Reporter) -> Iterator[Prepared]:
    """Load the encoder, embed the references, make the judge. Takes no lock and moves nothing.

    Raises DatasetError, UnsafeName, EmptyClass, EncoderError.
    """
    files = list_references(dataset, words=may_know_words(config, dataset))
    encoder = load_encoder(config, dataset, reporter.message)
    with embedding(config, dataset, encoder) as embedder:
        references = gather_references(config, dataset, embedder, files, reporter)
        yield Prepared(encoder, embedder, references, *_judge(config, dataset, encoder, references, files, reporter))


def renewed(
    config: Config, dataset: Dataset, prepared: Prepared, reporter: Reporter, journal: Journal | None = None
) -> Prepared:
    """The same encoder with what lies in the references' folder now, and what people have put right.

    Raises DatasetError, UnsafeName, EmptyClass, EncoderError, JournalError.
    """
    files = list_references(dataset, words=may_know_words(config, dataset))
    found = gather_references(config, dataset, prepared.embedder, files, reporter, journal)
    judge, key = _judge(config, dataset, prepared.encoder, found, files, reporter)
    return replace(prepared, references=found, judge=judge, standing=key)


def _judge(
    config: Config,
    dataset: Dataset,
    encoder: Encoder,
    references: References,
    files: dict[str, list[str]],
    reporter: Reporter,
) -> tuple[Judge, bytes]:
    """The judge for these references and for what words say of their classes, and the key of both.

    Raises EmptyClass, EncoderError.
    """
    words = class_words(config, dataset, encoder, files, reporter.message)
    found = references
    judge = make_judge(config.mode, found.vectors, found.labels, found.classes, rule(config), words)
    return judge, standing(config, encoder, references, words)


def gather_references(
    config: Config,
    dataset: Dataset,
    embedder: Embedder,
    files: dict[str, list[str]],
    reporter: Reporter,
    journal: Journal | None = None,
) -> References:
    """The references' files as vectors, and what people have corrected since if the settings want that.

    Without a journal it is opened for the time of the look, if there is one. Raises EmptyClass, JournalError.
    """
    references = embed_references(embedder, files, reporter)
    if not config.learn_from_corrections:
        return references
    with ExitStack() as stack:
        if journal is None:
            path = dataset.state / "journal.db"
            if not path.exists():
                return references
            journal = Journal(path, create=False)
            stack.callback(journal.close)
        found = with_corrections(references, dataset, journal, embedder)
    if found.corrections:
        embedder.cache.keep(found.hashes)
        what = "pictures whose class people have said serve"
        if found.corrections == 1:
            what = "picture whose class people have said serves"
        reporter.message(f"{found.corrections} {what} as further references ('refsort labels' lists them)")
    return found


@contextmanager
def embedding(config: Config, dataset: Dataset, encoder: Encoder) -> Iterator[Embedder]:
    """Files of the dataset to vectors of this encoder, through the dataset's cache."""
    with ExitStack() as stack:
        fingerprint = f"{encoder.fingerprint}/{READING}"
        cache = Cache(dataset.state / "cache.db", fingerprint, limit=config.cache_limit, root=dataset.root)
        stack.callback(cache.close)
        yield _embedder(config, dataset, encoder, cache, stack)


def rule(config: Config) -> Rule:
    """The part of the settings that decides."""
    return Rule(
        *(config.min_score, config.min_margin),
        abstain=config.unsure != "off",
        max_wrong=config.max_wrong,
        unknown_share=config.unknown_share,
        refine=config.refine,
    )


def load_encoder(config: Config, dataset: Dataset, tell: Callable[[str], None]) -> Encoder:
    """The encoder of the settings, or the model that was fine-tuned from it and is in use.

    What `auto` chooses is kept for this dataset. Raises EncoderError, ModelError.
    """
    pin = dataset.state / "encoder.json"
    pinned = read_pin(pin)
    choice = choose(config.encoder, pinned)
    if model := tuned_model(config, dataset, choice.name):
        return load_model(dataset, model, config.threads, tell)
    if choice.why:
        tell(choice.why)
    undecided = config.encoder == AUTO and pinned is None
    try:
        encoder = load(choice.name, config.threads, config.precision, tell)
    except EncoderError as error:
        if not undecided or choice.name == FALLBACK:
            raise
        tell(f"encoder: {FALLBACK}, because {error}")
        encoder = load(FALLBACK, config.threads)
    if undecided:
        write_pin(pin, encoder.name)
    if config.text_encoder:
        from refsort.encoders.text_side import with_texts

        return with_texts(encoder, config.text_encoder, config.threads)
    return encoder


def _embedder(config: Config, dataset: Dataset, encoder: Encoder, cache: Cache, stack: ExitStack) -> Embedder:
    limits = Limits(config.max_pixels, config.max_bytes)
    threads = config.threads or cores()
    batch = config.batch_size or getattr(encoder, "batch", BATCH)
    read: Reader = read_picture
    if config.isolate:
        from refsort.images.isolated import IsolatedReader

        read = stack.enter_context(IsolatedReader(threads)).read
    return Embedder(dataset, encoder, cache, limits, batch_size=batch, threads=threads, read=read)
