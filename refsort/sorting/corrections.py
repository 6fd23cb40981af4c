"""What people have said about sorted pictures, by moving them or by confirming them, and references made of that.

A picture in a class folder that refsort did not put there by its own judgement was put there by a person: out of
another class, out of Unsure/ or Unknown/, or from elsewhere. That is a word, unless it may have been no person's: a
file that was there before refsort's history begins (a sorter of old, or a journal that was lost), one that was only
renamed within its class, and one that an editor or a synchroniser seems to have made of a picture beside it.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

import numpy as np

from refsort.decide import Floats
from refsort.files.confirmed import Confirmed, confirmed
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.survey import Placed, Survey, placed_since, take_survey
from refsort.names import show
from refsort.sorting.embedding import Embedded, Embedder
from refsort.sorting.references import References

MOST = 500
"""Corrections of a class that become references, the newest ones. Judging references by one another takes the cosines
of every two of a class, and what 500 have not taught of a class the next ones hardly will."""


@dataclass(frozen=True, slots=True)
class Word:
    """A person's word: this picture shows that class."""

    path: str
    sha256: bytes
    class_name: str
    source: Literal["corrected", "confirmed"]
    vector: Floats
    time: float
    """When it was said, in seconds since 1970."""


@dataclass(slots=True)
class Words:
    """All of them, one for a content, in the order of their paths."""

    words: list[Word] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """(path, why it says nothing)."""
    contradictions: list[str] = field(default_factory=list)
    """Where one content was said to be of two classes, in sentences."""


def listen(dataset: Dataset, journal: Journal, embedder: Embedder, survey: Survey | None = None) -> Words:
    """Every word that stands: the picture is there, readable, and nothing newer was said about it."""
    survey = survey or take_survey(dataset, journal)
    said = confirmed(journal)
    by_hand = survey.by_hand()
    filed = [p for p in survey.placed if p.filed is not None and not _is_by_hand(p) and p.filed.sha256 in said]
    found = embedder.stream(placed.path for placed in [*by_hand, *filed])
    heard = _Hearing(dataset, survey, said)
    for placed, embedded in zip([*by_hand, *filed], found, strict=True):
        heard.take(placed, embedded)
    return heard.words()


def _is_by_hand(placed: Placed) -> bool:
    return placed.class_name is not None and placed.filed is not None and placed.filed.by_hand


class _Hearing:
    """Sorts out what each file says."""

    def __init__(self, dataset: Dataset, survey: Survey, said: dict[bytes, Confirmed]) -> None:
        self.dataset = dataset
        self.survey = survey
        self.said = said
        self.missing = survey.missing()
        self.known = {filed.sha256 for filed in survey.standing.values()}
        self.by_content: dict[bytes, list[Word]] = defaultdict(list)
        self.result = Words()

    def take(self, placed: Placed, found: Embedded) -> None:
        if found.vector is None:
            if found.state not in ("foreign", "gone"):
                self.result.left_out.append((placed.path, found.reason))
            return
        time = placed_since(self.dataset, placed.path)
        word = Word(placed.path, found.sha256, placed.class_name or "", "corrected", found.vector, time)
        reason = self._says_nothing(placed, found.sha256, time)
        if reason is None:
            self.by_content[found.sha256].append(word)
        if found.sha256 in self.said:
            confirmed = self.said[found.sha256]
            said_at = datetime.fromisoformat(confirmed.time).timestamp()
            self.by_content[found.sha256].append(
                replace(word, class_name=confirmed.class_name, source="confirmed", time=said_at)
            )
        elif reason:
            self.result.left_out.append((placed.path, reason))

    def _says_nothing(self, placed: Placed, sha256: bytes, time: float) -> str | None:
        """Why it is no correction; empty if that goes without saying."""
        if placed.filed is not None:
            return None if _is_by_hand(placed) else ""
        folder = f"{self.dataset.names.sorted}/{placed.class_name}/"
        for filed in self.missing.get(sha256, []):
            if filed.target.startswith(folder):
                self.missing[sha256].remove(filed)
                return "renamed within the class that refsort had put it into"
        if sha256 in self.known:
            return None
        if time < self.survey.begun:
            return "there before refsort's history begins; 'refsort labels --confirm' makes it count"
        if self.survey.made_from(placed):
            return "named as if made of a sorted picture beside it; 'refsort labels --confirm' makes it count"
        return None

    def words(self) -> Words:
        for words in self.by_content.values():
            # To the second: a picture that was moved after it was confirmed lies where it is meant to.
            newest = max(words, key=lambda word: (int(word.time), word.source == "corrected", word.path))
            others = sorted({word.class_name for word in words} - {newest.class_name})
            if others:
                self.result.contradictions.append(
                    f"{show(newest.path)} was said to be {show(newest.class_name)} and earlier "
                    f"{', '.join(map(show, others))}: the newest word counts"
                )
            same = [word for word in words if word.class_name == newest.class_name]
            best = min(same, key=lambda word: (word.source != "confirmed", word.path))
            self.result.words.append(replace(best, time=newest.time))
        self.result.words.sort(key=lambda word: word.path)
        return self.result


def against_references(words: Words, references: References, folder: str) -> None:
    """Drop words about pictures that are references: those say already what they are, and go before.

    `folder`: that of the references. Contradictions are added to `words`.
    """
    own: dict[bytes, tuple[str, set[str]]] = {}
    for path, sha256, label in zip(references.paths, references.hashes, references.labels.tolist(), strict=True):
        if path.startswith(f"{folder}/"):
            own.setdefault(sha256, (path, set()))[1].add(references.classes[label])
    kept = []
    for word in words.words:
        if word.sha256 not in own:
            kept.append(word)
            continue
        path, classes = own[word.sha256]
        if word.class_name not in classes:
            words.contradictions.append(
                f"{show(word.path)} was said to be {show(word.class_name)} and is the reference {show(path)}: "
                f"the reference counts; take it away if it is wrong"
            )
    words.words = kept


def without_unknown_classes(words: Words, classes: Iterable[str], folder: str) -> None:
    """Drop words about classes that have no references; they are named in `words`. `folder`: of the references."""
    known = set(classes)
    for word in words.words:
        if word.class_name not in known:
            words.left_out.append(
                (word.path, f"of no class: there is no folder {folder}/{show(word.class_name)} with references")
            )
    words.words = [word for word in words.words if word.class_name in known]


def with_corrections(references: References, dataset: Dataset, journal: Journal, embedder: Embedder) -> References:
    """The references, and behind them what people have said since; the newest MOST of each class."""
    words = listen(dataset, journal, embedder)
    without_unknown_classes(words, references.classes, dataset.names.references)
    against_references(words, references, dataset.names.references)
    label_of = {name: label for label, name in enumerate(references.classes)}
    room = dict.fromkeys(references.classes, MOST)
    kept: list[Word] = []
    for word in sorted(words.words, key=lambda word: (-word.time, word.path)):
        if room[word.class_name]:
            room[word.class_name] -= 1
            kept.append(word)
    if not kept:
        return references
    kept.sort(key=lambda word: word.path)
    labels = np.asarray([label_of[word.class_name] for word in kept], dtype=np.intp)
    return References(
        references.classes,
        np.concatenate([references.vectors, np.stack([word.vector for word in kept])]),
        np.concatenate([references.labels, labels]),
        [*references.paths, *(word.path for word in kept)],
        [*references.hashes, *(word.sha256 for word in kept)],
        corrections=len(kept),
    )
