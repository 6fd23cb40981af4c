"""An exported model of sentence-transformers: ONNX Runtime, Pillow and tokenizers instead of torch."""

import hashlib
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from refsort.encoders.base import Floats, Rgb, unit
from refsort.encoders.export_cache import IMAGES, RECORD, TEXTS, TOKENIZER, Content, Place, Record
from refsort.encoders.hub import first_line
from refsort.encoders.pixels import middle
from refsort.encoders.samples import KNOWN_PHRASE, known_picture
from refsort.encoders.sessions import open_session, run_each
from refsort.errors import EncoderError

LEAST_COSINE = 0.999
"""To torch's vectors, and in int8 to those recorded: other processors round differently."""
SAME_NETWORK = 0.99999
"""In fp32 to the vectors recorded; what versions and processors change is a hundredth of the rest to 1."""


class ExportedEncoder:
    """Pictures on one side and, mostly, phrases on the other. Its methods may be called from several threads at once.

    Use `clip.load`, which makes the export where there is none.
    """

    note: str = ""
    """What the user should know about this encoder, empty when all is well."""

    def __init__(
        self, name: str, fingerprint: str, folder: Path, content: Content, threads: int = 0, images: str = IMAGES
    ) -> None:
        """`content` describes `folder`; `threads` 0: one per core. Raises whatever ONNX Runtime raises."""
        self.name, self.fingerprint = name, fingerprint
        self.side = content.preparation.side
        self._folder, self._content, self._threads = folder, content, threads
        self._images = open_session(folder / images)
        self.test_vector = unit(np.stack(run_each(self._images, [self.prepare(known_picture())], 1)))[0]
        """float32[dim]: what became of the test picture, to be compared with what was recorded."""
        self.dim = len(self.test_vector)

    def with_images(self, images: Path) -> "ExportedEncoder":
        """The same model with another image tower, without a fingerprint."""
        return ExportedEncoder(self.name, "", self._folder, self._content, self._threads, str(images))

    def prepare(self, rgb: Rgb) -> Floats:
        """uint8[H, W, 3] → float32[3, side, side], as the model's own image processor makes it; safe in threads."""
        return self._content.preparation(middle(rgb))

    def embed_images(self, batch: Floats) -> Floats:
        """float32[n, 3, side, side] → float32[n, dim], each row of length one."""
        if batch.shape[1:] != (3, self.side, self.side):
            raise ValueError(f"{self.name} takes [n, 3, {self.side}, {self.side}], not {list(batch.shape)}")
        if not len(batch):
            return np.zeros((0, self.dim), np.float32)
        return unit(np.stack(run_each(self._images, list(batch), self._threads)))

    def embed_texts(self, phrases: list[str]) -> Floats | None:
        """float32[n, dim], each row of length one; None where the model has no text side.

        Raises EncoderError if the text side is damaged.
        """
        if not self._content.text_length:
            return None
        if not phrases:
            return np.zeros((0, self.dim), np.float32)
        return self.phrase_vectors(phrases)

    def tokens(self, phrase: str) -> list[int]:
        """The numbers of a phrase's tokens, cut off at the model's length."""
        return list(self._tokenizer.encode(phrase).ids)

    def phrase_vectors(self, phrases: list[str]) -> Floats:
        """float32[n, dim] of at least one phrase; for models with a text side."""
        session = self._texts
        ids = [np.array(self.tokens(phrase), np.int64) for phrase in phrases]
        return unit(np.stack(run_each(session, ids, self._threads)))

    @cached_property
    def _texts(self) -> Any:
        """Opened when first asked for: most runs have no phrases."""
        try:
            session = open_session(self._folder / TEXTS)
            found = unit(np.stack(run_each(session, [np.array(self.tokens(KNOWN_PHRASE), np.int64)], 1)))[0]
        except EncoderError:
            raise
        except Exception as error:  # whatever the libraries below raise, it is about these files
            raise self._damaged(first_line(error)) from error
        if self._content.phrase and not same(found, self._content.phrase):
            raise self._damaged("it gives other vectors than it did")
        return session

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise EncoderError(
                f"{self.name} needs the package tokenizers for phrases: pip install tokenizers"
            ) from error
        tokenizer = Tokenizer.from_file(str(self._folder / TOKENIZER))
        tokenizer.enable_truncation(self._content.text_length)
        tokenizer.no_padding()
        return tokenizer

    def _damaged(self, why: str) -> EncoderError:
        """The error to raise; without its record the export is made anew next time."""
        with suppress(OSError):
            (self._folder / RECORD).unlink(missing_ok=True)
        return EncoderError(
            f"{self.name}: its exported text side in {self._folder} is damaged ({why}).\n"
            "Run this again: it is made anew."
        )


def same(found: Floats, recorded: list[float], least: float = SAME_NETWORK) -> bool:
    """Is this the vector that was recorded, but for what another version or processor may make of it?"""
    return len(found) == len(recorded) and float(found @ np.asarray(recorded, np.float32)) >= least


def stored(name: str, place: Place, threads: int) -> ExportedEncoder | None:
    """The export in fp32, if there is a sound one of the model as it is now."""
    record = place.read()
    if record is None or record.content is None:
        return None
    encoder = open_export(name, place, record, threads, IMAGES)
    return encoder if encoder and same(encoder.test_vector, record.content.picture) else None


def open_export(name: str, place: Place, record: Record, threads: int, images: str) -> ExportedEncoder | None:
    """The encoder of a record with one of its image towers; None if its files are damaged."""
    if record.content is None or not place.complete(record.content):
        return None
    facts = [record.format, record.fingerprint, record.content.preparation.model_dump_json(), images]
    fingerprint = f"clip-onnx-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"
    try:
        return ExportedEncoder(name, fingerprint, place.folder, record.content, threads, images)
    except Exception:  # noqa: BLE001  # whatever is raised about a damaged file, the export is made anew
        return None
