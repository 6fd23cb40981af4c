"""What decides, as one short key: while it stands, a picture that is unchanged would be judged as it was."""

import hashlib
import json

import refsort
from refsort.config import Config
from refsort.decide import ClassWords
from refsort.encoders import Encoder
from refsort.images import READING
from refsort.sorting.references import References

ELSEWHERE = {"data_dir", "state_dir", "threads", "batch_size", "isolate", "cache_limit", "on_unsure"} | {
    *("settle", "settle_closed", "bad_after", "rescan", "poll")
}
"""Settings that change no decision. Any other one may."""


def standing(config: Config, encoder: Encoder, references: References, words: ClassWords | None) -> bytes:
    """16 bytes that change with the program, the encoder, the references, the phrases and the settings."""
    found = hashlib.blake2b(digest_size=16)
    settings = config.model_dump(mode="json", exclude=ELSEWHERE)
    said = [refsort.__version__, READING, encoder.fingerprint, settings, references.classes]
    found.update(json.dumps(said, sort_keys=True).encode())
    found.update(references.labels.astype("<i8").tobytes())
    found.update(b"".join(references.hashes))
    found.update(references.vectors.astype("<f4").tobytes())
    if words is not None:
        for numbers in (words.vectors, words.weight):
            found.update(numbers.astype("<f8").tobytes())
        found.update(repr(float(words.scale)).encode())
    return found.digest()
