"""What the Ask and Search tabs keep warm for each dataset: an encoder that knows words, and the index of the search.

Everything is closed and made anew when another model comes into use or the index on disk is another one. The encoder
may be used by several threads at once, the index by one.
"""

import hashlib
import secrets
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from refsort.app.desk import Room
from refsort.app.jobs import Listener
from refsort.app.thumbnails import jpeg
from refsort.encoders import Encoder, Floats
from refsort.errors import BadPicture, ConfigError, EncoderError
from refsort.explore.index import bring_up_to_date
from refsort.explore.query import clean
from refsort.explore.search import Search, store_of
from refsort.explore.source import Source, open_source
from refsort.explore.store import SPACES, place
from refsort.names import show
from refsort.sorting.class_words import tidy
from refsort.sorting.events import Reporters
from refsort.sorting.models import model_store
from refsort.sorting.pin import read_pin

AT_ONCE = 24
"""New pictures that a search reads before it answers, about a second; more are a job."""
LOOK_SHARE, LOOK_LEAST = 20, 2.0
"""Looking for new files takes at most one part in so many of the time, and happens at most so often (seconds)."""
HELD = 24
"""Pictures from outside the dataset that are remembered."""
HELD_SIDE = 640
"""Pixels of the longer side of what is shown of them."""
LONGEST = 5000
"""Characters of a phrase; the longest that an encoder reads to its end has some hundreds."""

Stamp = tuple[object, ...]


class Behind(Exception):
    """So many pictures are new to the index."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count


class Brief(Listener):
    """A reporter that breaks off what would take long. A break here leaves the index whole."""

    def stage(self, name: str, total: int) -> None:
        """Raises Behind."""
        if total > AT_ONCE:
            raise Behind(total)


@dataclass(frozen=True, slots=True)
class Held:
    """A picture that was dropped on the page: what it looks like to the encoder and, smaller, to a person."""

    token: str
    name: str
    fingerprint: str
    vector: Floats
    jpeg: bytes


class Warm:
    """A source with its index, open. Closed when the last user of a stale one has gone."""

    def __init__(self, room: Room) -> None:
        """Raises EncoderError, DatasetError. Where no words can be had, `no_words` says what to install."""
        self.stack = ExitStack()
        self.users, self.stale = 0, False
        self.searching = threading.Lock()
        self.no_words = ""
        try:
            self.source = self.stack.enter_context(open_source(room.config, None, Reporters(), text=True))
        except EncoderError as error:
            self.no_words = str(error)
            self.source = self.stack.enter_context(open_source(room.config, None, Reporters()))
        self.index = place(self.source.dataset.state, self.source.encoder) / "index.db"
        self._search: Search | None = None
        self._inode = 0
        self._shown: Stamp = ()
        self._looked: tuple[float, float, Stamp] = (-1e9, 0.0, ())

    @property
    def encoder(self) -> Encoder:
        return self.source.encoder

    def with_words(self) -> Source:
        """Raises EncoderError that says what to install where no words can be had."""
        if self.no_words:
            raise EncoderError(self.no_words)
        return self.source

    def about(self) -> dict[str, object]:
        """Who answers."""
        return {"encoder": self.encoder.name, "approximate": bool(getattr(self.encoder, "approximate", ""))}

    # -- the index; hold `searching`

    def search(self) -> Search:
        """The search, over what the index holds now."""
        if self._search is None:
            store = self.stack.enter_context(store_of(self.source))
            self._inode = self.index.stat().st_ino
            self._search = Search(store, self.source.dataset, self.source.encoder, self.source.embedder)
            self._shown = self._rows()
        elif self._shown != self._rows():
            self._search.refresh()
            self._shown = self._rows()
        return self._search

    def catch_up(self, moved: object) -> int:
        """Read the few pictures that are new; how many are new if they are more than a few.

        `moved`: changes when pictures were moved; a look at the folders is then due at once, else now and then.
        """
        when, took, stamp = self._looked
        begun = time.monotonic()
        if stamp == (moved,) and begun - when < max(LOOK_LEAST, LOOK_SHARE * took):
            return 0
        try:
            bring_up_to_date(self.source, self.search().store, Brief(), graph_from=None)
        except Behind as behind:
            return behind.count
        self._looked = (time.monotonic(), time.monotonic() - begun, (moved,))
        return 0

    def gone(self) -> bool:
        """Whether the index that is open is no longer the one on disk."""
        if self._search is None:
            return False
        try:
            return self.index.stat().st_ino != self._inode
        except OSError:
            return True

    def _rows(self) -> Stamp:
        assert self._search is not None
        store = self._search.store
        return tuple((store.generation(space), store.count(space)) for space in SPACES)

    def close(self) -> None:
        self.stack.close()


class WordsRoom:
    """What is warm of one dataset, and the pictures that were dropped on its page."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._warm: Warm | None = None
        self._stamp: Stamp = ()
        self._held: OrderedDict[str, Held] = OrderedDict()

    @contextmanager
    def warm(self, room: Room) -> Iterator[Warm]:
        """The encoder and its index, to be used by any number of threads. Raises EncoderError, DatasetError."""
        with self._lock:
            if self._warm is None or self._stamp != _stamp(room) or self._warm.gone():
                self.cool()
                self._warm = Warm(room)
                self._stamp = _stamp(room)  # only now: the first time, opening pins the encoder
            warm = self._warm
            warm.users += 1
        try:
            yield warm
        finally:
            with self._lock:
                warm.users -= 1
                if warm.stale and not warm.users:
                    warm.close()

    def cool(self) -> None:
        """Let go of what is warm, as soon as nobody uses it."""
        with self._lock:
            warm, self._warm = self._warm, None
            if warm is not None:
                warm.stale = True
                if not warm.users:
                    warm.close()

    # -- pictures from outside

    def hold(self, room: Room, name: str, data: bytes) -> Held:
        """Remember a picture's bytes as vector and small picture; nothing is written. Raises BadPicture, EncoderError.

        What was held longest is forgotten.
        """
        limits = room.config
        if len(data) > limits.max_bytes:
            raise BadPicture(f"{show(name)} is larger than max_bytes ({limits.max_bytes:,} bytes)")
        try:
            small = jpeg(data, HELD_SIDE, limits.max_pixels)
            with self.warm(room) as warm:
                side = warm.encoder.side
                rgb = warm.source.embedder.read(data, side=side, max_pixels=limits.max_pixels)
                vector = warm.encoder.embed_images(warm.encoder.prepare(rgb)[None])[0]
                # A fine-tuned model has other vectors for what it has learned from.
                vector = warm.source.embedder.stand_ins.get(hashlib.sha256(data).digest(), vector)
                fingerprint = warm.encoder.fingerprint
        except BadPicture as error:
            raise BadPicture(f"{show(name)} can't be used: {error}") from None
        held = Held(secrets.token_urlsafe(12), show(name), fingerprint, vector, small)
        with self._lock:
            self._held[held.token] = held
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return held

    def held(self, token: str, encoder: Encoder) -> Held:
        """Raises ConfigError if it is remembered no more, or was seen by another encoder."""
        with self._lock:
            found = self._held.get(token)
        if found is None or found.fingerprint != encoder.fingerprint:
            raise ConfigError("the picture that you dropped here is not remembered any more; drop it again")
        return found


_rooms: "weakref.WeakKeyDictionary[Room, WordsRoom]" = weakref.WeakKeyDictionary()
_rooms_lock = threading.Lock()


def words_of(room: Room) -> WordsRoom:
    """The one of this room; closed with it, or when the program ends."""
    with _rooms_lock:
        if room not in _rooms:
            _rooms[room] = made = WordsRoom()
            weakref.finalize(room, made.cool)
        return _rooms[room]


def _stamp(room: Room) -> Stamp:
    """Changes when another model comes into use."""
    return model_store(room.dataset).stamp(), read_pin(room.dataset.state / "encoder.json")


# -- what both tabs ask of the dataset and of a person


def folders_of(room: Room) -> list[str]:
    """Folders of pictures: arrivals, what was set aside, what was sorted and references, these two by class too."""
    names = room.dataset.names
    found = [top for top in (names.arrivals, names.unsure, names.unknown) if _is_folder(room.dataset.path(top))]
    for top in (names.sorted, names.references):
        folder = room.dataset.path(top)
        if _is_folder(folder):
            found.append(top)
            inner = sorted(entry.name for entry in folder.iterdir() if _is_folder(entry))
            found += [f"{top}/{name}" for name in inner if not name.startswith(".")]
    return found


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def phrases_of(text: str, most: int, tell: Callable[[str], None]) -> list[str]:
    """Phrases, one a line, without empty and repeated ones. Raises ConfigError if there is none, or too many."""
    told = [phrase for line in text.splitlines() if (phrase := plain(line))]
    kept, notes = tidy(told)
    if not kept:
        raise ConfigError("there is no phrase: write some, one a line, such as 'a dog in the snow'")
    if len(kept) > most:
        raise ConfigError(
            f"{len(kept):,} phrases are more than this page compares at once ({most:,}); "
            "'refsort phrases --labels-file' and 'refsort similarity --labels-file' take any number"
        )
    for note in notes:
        tell(note)
    return kept


def plain(line: str) -> str:
    """A phrase as an encoder may get it, whatever a browser sent. Raises ConfigError if it is far too long."""
    phrase = clean(line.encode("utf-8", "replace").decode())
    if len(phrase) > LONGEST:
        raise ConfigError(f"'{show(phrase[:40])}…' is a phrase of {len(phrase):,} characters; {LONGEST:,} are the most")
    return phrase
