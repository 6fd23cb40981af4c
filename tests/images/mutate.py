"""Seeded damage to files, and what must never come of it."""

import random
import re
import zlib
from collections.abc import Iterator

import numpy as np

from refsort.errors import BadPicture
from refsort.images import read_picture

FUZZ_PIXELS = 4_000_000
"""Limit while fuzzing: a mutated header may claim any size, and sizes have tests of their own."""
_HEADER = 600  # bytes in which half of the damage is done
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFF0)
_KINDS = ("bit", "bit", "bytes", "bytes", "extreme", "extreme", "extreme", "delete", "repeat", "cut")
_FOR_PROGRAMMERS = re.compile(r"\w+(Error|Exception)\b|BytesIO|0x[0-9a-f]{4,}|[<>\n]|Traceback|PIL")


def mutations(files: dict[str, bytes], seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """`count` damaged versions of randomly chosen files, each with a name that tells how to get it again."""
    names = sorted(files)
    for number in range(count):
        rng = random.Random(seed * 1_000_003 + number)
        name = rng.choice(names)
        yield f"{name} (seed {seed}, number {number})", mutated(files[name], rng)


def mutated(data: bytes, rng: random.Random) -> bytes:
    """One to three pieces of damage. PNG gets right checksums again, or nothing behind them would be tested."""
    damaged = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _damage(damaged, rng)
    return _with_checksums(bytes(damaged)) if data.startswith(b"\x89PNG") else bytes(damaged)


def _damage(data: bytearray, rng: random.Random) -> None:
    if len(data) < 8:
        return
    at = rng.randrange(min(_HEADER, len(data)) if rng.random() < 0.5 else len(data))
    length = min(rng.choice((1, 2, 4, 16, 200)), len(data) - at)
    kind = rng.choice(_KINDS)
    if kind == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif kind == "bytes":
        data[at : at + length] = rng.randbytes(length)
    elif kind == "extreme":
        width = min(rng.choice((1, 2, 4)), len(data) - at)
        value = rng.choice(_EXTREMES) & (256**width - 1)
        data[at : at + width] = value.to_bytes(width, rng.choice(("little", "big")))
    elif kind == "delete":
        del data[at : at + length]
    elif kind == "repeat":
        data[at:at] = data[at : at + length]
    else:
        del data[at:]


def _with_checksums(data: bytes) -> bytes:
    out, at = data[:8], 8
    while at + 12 <= len(data):
        end = at + 8 + int.from_bytes(data[at : at + 4], "big")
        if end + 4 > len(data):
            break
        out += data[at:end] + zlib.crc32(data[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return out + data[at:]


def fault(data: bytes, max_pixels: int) -> str:
    """What is wrong with what reading these bytes gives; empty if it is a picture or a decent refusal."""
    try:
        picture = read_picture(data, max_pixels=max_pixels)
    except BadPicture as refused:
        return reason_fault(str(refused))
    except BaseException as error:  # noqa: BLE001 - anything but BadPicture is what we look for
        return f"raised {error!r}"
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        return f"gave {picture.dtype} {picture.shape}"
    return ""


def reason_fault(reason: str) -> str:
    """Why this is no reason for a person to read; empty if it is one."""
    if not 10 <= len(reason) <= 120:
        return f"a reason of {len(reason)} letters: {reason!r}"
    found = _FOR_PROGRAMMERS.search(reason)
    return f"a reason with {found[0]!r}: {reason!r}" if found else ""
