"""Sources of pictures, runs over them, and what came of it."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from refsort.config import Config
from refsort.encoders import load
from refsort.files.cache import Cache
from refsort.files.dataset import Dataset
from refsort.images import MAX_PIXELS
from refsort.scale.embedding import Result, embed
from refsort.scale.local import LocalEngine
from refsort.scale.vectors import COLUMNS, matrix, read_vectors
from refsort.sorting.embedding import Embedder, Limits
from refsort.sorting.events import Reporters
from tests.images.make import heic

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Config(encoder="builtin", threads=2)


def picture(number: int, side: int = 40, kind: str = "PNG") -> bytes:
    """A small picture like no other."""
    pixels = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC).save(out, kind)
    return out.getvalue()


def write(folder: Path, count: int, start: int = 0) -> dict[bytes, bytes]:
    """So many pictures in two sub-folders; path → SHA-256."""
    found = {}
    for number in range(start, start + count):
        path = folder / f"{'ab'[number % 2]}/{number:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(number))
        found[os.fsencode(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).digest()
    return found


def tar_of(members: Mapping[str, bytes], mode: str = "w") -> bytes:
    """A tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def local(source: Path | str, to: Path | str, files_a_part: int = 256, config: Config = CONFIG) -> Result:
    """A run in this process."""
    return embed(config, str(source), str(to), lambda job: LocalEngine(job, lambda _: None), Reporters(), files_a_part)


def rows(folder: Path | str) -> list[dict[str, Any]]:
    """All of them."""
    return [row for batch in read_vectors(folder, COLUMNS[:4] + COLUMNS[5:]) for row in batch.to_pylist()]


def vectors(folder: Path | str) -> dict[bytes, bytes | None]:
    """Path → the bits of its float32 vector, or None; no path may come twice."""
    found: dict[bytes, bytes | None] = {}
    for batch in read_vectors(folder):
        numbers, there = matrix(batch)
        for path, vector, known in zip(batch.column("path").to_pylist(), numbers, there, strict=True):
            assert path not in found, path
            found[path] = vector.tobytes() if known else None
    return found


def by_embedder(folder: Path, tmp: Path) -> dict[bytes, bytes | None]:
    """What sorting makes of the same files."""
    encoder = load("builtin", 2)
    cache = Cache(tmp / "cache.db", encoder.fingerprint)
    embedder = Embedder(Dataset(folder), encoder, cache, Limits(MAX_PIXELS, 500_000_000), batch_size=16, threads=2)
    paths = [os.fsdecode(os.path.relpath(p, os.fsencode(folder))) for p in _walk(folder)]
    found = {os.fsencode(one.path): one for one in embedder.stream(paths)}
    cache.close()
    return {path: None if one.vector is None else one.vector.tobytes() for path, one in found.items()}


def _walk(folder: Path) -> list[bytes]:
    return sorted(
        os.path.join(where, name)  # noqa: PTH118  (names that are no text)
        for where, _, names in os.walk(os.fsencode(folder))
        for name in names
    )


def bad_decoder(folder: Path) -> Path:
    """A folder for PYTHONPATH, with a `pillow_heif` that does what the file says; otherwise it is damaged to it."""
    folder.mkdir(exist_ok=True)
    (folder / "pillow_heif.py").write_text(
        "import os, signal, time\nfrom types import SimpleNamespace\noptions = SimpleNamespace()\n"
        "def open_heif(file, **_):\n    data = file.read()\n"
        "    if data.endswith(b'crash'): os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if data.endswith(b'sleep'): time.sleep(600)\n"
        "    raise ValueError('damaged')\n"
    )
    return folder


def poisoned(what: str) -> bytes:
    """A HEIC file that makes `bad_decoder` crash or sleep."""
    return heic(Image.new("RGB", (64, 64))) + struct.pack(">I4s", 8 + len(what), b"free") + what.encode()


def command(*arguments: str | Path, path: Path = ROOT) -> "subprocess.Popen[str]":
    """The command, in a process of its own. `path`: where modules are looked for first."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("REFSORT_")}
    return subprocess.Popen(
        [sys.executable, "-m", "refsort", "embed", *map(str, arguments)],
        env=clean | {"PYTHONPATH": f"{path}{os.pathsep}{ROOT}"},
        cwd="/",
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def stats(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and mtime of each part."""
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.glob("part-*.parquet")}


def table(folder: Path | str) -> pa.Table:
    """All rows."""
    return pa.Table.from_batches(list(read_vectors(folder)))
