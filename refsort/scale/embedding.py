"""Embedding a source of any size: list it, see what is missing, let an engine do that."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from refsort.config import Config
from refsort.encoders import choose
from refsort.errors import DatasetError
from refsort.files.lock import hold
from refsort.files.models import CURRENT
from refsort.names import show
from refsort.scale.listing import FILES, Part, bring_up_to_date, parts_to_do
from refsort.scale.parts import read_again
from refsort.scale.places import LocalPlace, Place, open_place, write_all
from refsort.scale.vectors import ABOUT, About, done_parts, read_about
from refsort.scale.work import TOLD, Done, Failed, Job
from refsort.sorting.events import Reporter
from refsort.sorting.models import PREFIX as MODELS

LOCK_FOLDER = ".refsort"
"""In a local target: the lock that keeps a second run away."""


@dataclass(slots=True)
class Result:
    """What a run came to; its fields are the keys of `--json`."""

    source: str
    to: str
    encoder: str
    engine: str
    workers: int
    files: int = 0
    """In the source; a tar file counts as one."""
    parts: int = 0
    parts_done: int = 0
    """All that are done now, whoever did them."""
    new: int = 0
    """Pictures embedded now."""
    errors: int = 0
    """Pictures of this run for which there is a reason in the place of a vector."""
    others: int = 0
    """Files of this run that are no pictures, and were passed over."""
    failed: dict[int, str] = field(default_factory=dict)
    """Part → why it could not be done."""
    seconds: float = 0.0
    images_per_second: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Engine(Protocol):
    """What does parts."""

    name: str
    workers: int

    def about(self) -> About:
        """What its vectors are. Raises EncoderError, ModelError, RefsortError."""

    def run(self, parts: Iterator[Part], count: int, step: Callable[[int], None]) -> Iterator[Done | Failed]:
        """Do so many parts; `step` is told of each few files."""

    def close(self) -> None:
        """End its workers."""


MakeEngine = Callable[[Job], Engine]


def embed(
    config: Config, source: str, to: str, make_engine: MakeEngine, reporter: Reporter, files_a_part: int = FILES
) -> Result:
    """Bring the vectors at `to` up to date with the pictures of `source`; both are paths or URIs.

    Raises DatasetError if the source isn't there or `to` holds other vectors, DatasetHeld if another run fills it,
    EncoderError, OSError.
    """
    begun = time.perf_counter()
    place, target = open_place(source), open_place(to)
    if not place.is_there():
        place.files()  # raises, before anything is made or loaded
    with ExitStack() as stack:
        stack.enter_context(_held(target))
        about = read_about(target)
        choice = choose(config.encoder, about.encoder if about else None)
        if choice.why:
            reporter.message(choice.why)
        config = config.model_copy(update={"encoder": choice.name})
        _check(about, place, target, encoder=choice.name)
        engine: Engine | None = None
        if about is None:
            engine = _started(make_engine, config, place, target, stack)
            about = engine.about()
            write_all(target, ABOUT, about.to_json())
        result = Result(place.name, target.name, about.encoder, "", 0)
        again, again_names = read_again(target)
        listings = bring_up_to_date(place, target, again, files_a_part)
        for name in again_names:
            target.remove(name)
        done = done_parts(target.names())
        result.files, result.parts = listings.files, listings.parts
        result.parts_done = sum(number < listings.parts for number in done)
        if count := listings.parts - result.parts_done:
            engine = engine or _started(make_engine, config, place, target, stack)
            _check(about, place, target, made=engine.about())
            _run(engine, target, done, count, result, reporter)
        if engine is not None:
            result.engine, result.workers = engine.name, engine.workers
    result.seconds = time.perf_counter() - begun
    result.images_per_second = (result.new + result.errors) / result.seconds
    return result


def _run(engine: Engine, target: Place, done: set[int], count: int, result: Result, reporter: Reporter) -> None:
    reporter.stage("pictures", sum(len(part.files) for part in parts_to_do(target, done)))
    told = 0

    def step(files: int) -> None:
        for _ in range(files):
            reporter.step()

    for outcome in engine.run(parts_to_do(target, done), count, step):
        if isinstance(outcome, Failed):
            result.failed[outcome.number] = outcome.why
            reporter.message(f"failed: part {outcome.number}: {outcome.why}")
            continue
        result.parts_done += 1
        result.new += outcome.pictures
        result.errors += outcome.errors
        result.others += outcome.others
        for path, why in outcome.told[: max(TOLD - told, 0)]:
            reporter.message(f"no vector: {show(path)}: {why}")
        told += outcome.errors
    if told > TOLD:
        reporter.message(f"no vector for {told - TOLD} more; the column `error` of their rows says why")


def _started(make_engine: MakeEngine, config: Config, source: Place, target: Place, stack: ExitStack) -> Engine:
    engine = make_engine(Job(source.text, target.text, config))
    stack.callback(engine.close)
    return engine


def _check(
    about: About | None, source: Place, target: Place, *, encoder: str | None = None, made: About | None = None
) -> None:
    """Raises DatasetError if the target's vectors are of something else."""
    if about is None:
        return
    where = show(target.name)
    if encoder not in (None, about.encoder, MODELS + CURRENT):  # which model is current, its fingerprint will show
        raise DatasetError(
            f"{where} holds vectors of {show(about.encoder)}, and {show(encoder or '')} was asked for; "
            "name another folder with --to, or the same encoder"
        )
    if made is not None and made.fingerprint != about.fingerprint:
        raise DatasetError(
            f"{where} holds vectors of another version of {show(about.encoder)} ({about.fingerprint}, now "
            f"{made.fingerprint}); name another folder with --to"
        )
    if about.source != source.name:
        raise DatasetError(
            f"{where} holds vectors of {show(about.source)}, not of {show(source.name)}; name another folder with --to"
            f" (if the pictures only lie elsewhere now, change `source` in its {ABOUT})"
        )


@contextmanager
def _held(target: Place) -> Iterator[None]:
    """A local folder is filled by one run at a time; in a store nothing keeps two apart, but they do the same parts."""
    if not isinstance(target, LocalPlace):
        yield
        return
    with hold(target.root / LOCK_FOLDER, "embed", doing="filled"):
        target.sweep()
        yield
