"""One picture that waits for a person: what the program thinks of it, and the references that speak for each class."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from refsort.decide import Floats, Judge
from refsort.files.cache import Cache
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal
from refsort.names import show
from refsort.sorting.embedding import Embedded
from refsort.sorting.prepared import Prepared
from refsort.sorting.references import References
from refsort.sorting.why import Near

RIVALS = 5
"""Classes shown beside a picture, at most."""
NEAREST = 3
"""References shown of each."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a look at a picture takes, without the encoder that made it."""

    references: References
    judge: Judge
    fingerprint: str
    """Under which the cache keeps this encoder's vectors."""
    stand_ins: Mapping[bytes, Floats]

    @classmethod
    def of(cls, prepared: Prepared) -> "Bench":
        embedder = prepared.embedder
        return cls(prepared.references, prepared.judge, embedder.cache.fingerprint, embedder.stand_ins)


@dataclass(frozen=True, slots=True)
class Rival:
    """A class that the picture may belong to, and its references nearest to the picture."""

    class_name: str
    score: float | None
    """A probability where the mode is calibrated, a cosine otherwise; None: not among those that were compared."""
    near: list[Near]


@dataclass(frozen=True, slots=True)
class Looked:
    """What there is to say about one picture."""

    path: str
    sha256: bytes
    lies_in: str | None
    """The class folder that it lies in."""
    run: int | None
    """The run that decided; None if it was judged just now."""
    decision: dict[str, Any] | None
    """As `Decision.as_dict`; None if nothing can be said: it is no readable picture."""
    rivals: list[Rival]


def look_at(
    dataset: Dataset, journal: Journal | None, bench: Bench, path: str, embed: Callable[[str], Embedded]
) -> Looked:
    """What was decided about a picture, or is judged now, and the references nearest to it.

    `embed` is asked only for what the cache does not have. Raises FileNotFoundError if the picture is gone, OSError.
    """
    found = _cached(dataset, bench, path) or embed(path)
    if found.state == "gone":
        raise FileNotFoundError(f"{show(path)} is gone")
    sha256 = found.sha256 or hash_file(dataset.path(path))
    run, decision = _decided(journal, path, sha256)
    if decision is None and found.vector is not None:
        decision = bench.judge.decide(found.vector[None])[0][0].as_dict()
    parts = path.split("/")
    lies_in = parts[1] if parts[0] == dataset.names.sorted and len(parts) > 2 else None
    rivals = _rivals(dataset, bench, sha256, found.vector, decision or {}, lies_in)
    return Looked(path, sha256, lies_in, run, decision, rivals)


def _cached(dataset: Dataset, bench: Bench, path: str) -> Embedded | None:
    stat = look(dataset.path(path))
    if stat is None:
        return None
    cache = Cache(dataset.state / "cache.db", bench.fingerprint)
    try:
        hit = cache.by_path(path, stat)
        if hit is None:
            # A move keeps the content but not the path.
            sha256 = hash_file(dataset.path(path))
            vector = cache.by_hash(sha256)
            hit = None if vector is None else (sha256, vector)
    except OSError:
        return None  # The embedder says what is wrong with it.
    finally:
        cache.close()
    return None if hit is None else Embedded(path, "ok", stat, hit[0], bench.stand_ins.get(hit[0], hit[1]))


def _decided(journal: Journal | None, path: str, sha256: bytes) -> tuple[int | None, dict[str, Any] | None]:
    """The run that put this very picture there by its own judgement, and the decision."""
    if journal is not None:
        for move in journal.standing_at(path):
            judged = move.decision is not None and move.decision.get("rivals")
            if move.target == path and move.sha256 == sha256 and judged:
                return move.run, move.decision
    return None, None


def _rivals(
    dataset: Dataset, bench: Bench, sha256: bytes, vector: Floats | None, decision: dict[str, Any], lies_in: str | None
) -> list[Rival]:
    """The class that it lies in, those that the decision names, and then those with the nearest references."""
    references = bench.references
    near: dict[str, list[Near]] = defaultdict(list)
    if vector is not None and len(references.vectors):
        cosines = references.vectors @ vector
        for row in np.argsort(-cosines, kind="stable").tolist():
            name = references.classes[references.labels[row]]
            if len(near[name]) < NEAREST and _shows(dataset, references, row, sha256):
                near[name].append(Near(references.paths[row], name, round(float(cosines[row]), 4)))
    scores: dict[str, float] = dict(decision.get("rivals") or ())
    classes = set(dataset.classes())
    names = dict.fromkeys([*([lies_in] if lies_in else []), *(name for name in [*scores, *near] if name in classes)])
    return [Rival(name, scores.get(name), near.get(name, [])) for name in list(names)[:RIVALS]]


def _shows(dataset: Dataset, references: References, row: int, sha256: bytes) -> bool:
    """Whether it is another picture and still there: what people have corrected moves on."""
    return references.hashes[row] != sha256 and look(dataset.path(references.paths[row])) is not None
