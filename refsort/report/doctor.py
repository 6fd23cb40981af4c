"""What a person would want to know when something doesn't work: installed, reachable, writable."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from refsort.config import Config
from refsort.encoders import overview
from refsort.errors import RefsortError
from refsort.files import claim
from refsort.files.dataset import Dataset
from refsort.names import show

CORE = ("numpy", "pillow", "pillow-heif", "onnx", "onnxruntime", "pydantic", "pyyaml", "watchdog", "filelock")
OPTIONAL = ("torch", "sentence-transformers")
LOW_SPACE = 1 << 30
"""Bytes free below which a disk is called nearly full."""


class Finding(NamedTuple):
    """One line of the doctor."""

    state: Literal["ok", "note", "problem"]
    what: str
    text: str


def examine(config: Config) -> list[Finding]:
    """Everything, in the order of a check-up: machine, packages, encoders, dataset."""
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    return [*_machine(), *_packages(), *_encoders(), *_folders(config, dataset)]


def _machine() -> Iterator[Finding]:
    yield Finding("ok", "python", f"{platform.python_version()} on {platform.system()}, {os.cpu_count()} cores")
    encoding = sys.getfilesystemencoding()
    state: Literal["ok", "note"] = "ok" if encoding.lower().replace("-", "") == "utf8" else "note"
    yield Finding(state, "file names", f"read as {encoding}")


def _packages() -> Iterator[Finding]:
    for name in (*CORE, *OPTIONAL):
        try:
            yield Finding("ok", name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            if name in OPTIONAL:
                yield Finding("note", name, "not installed; only clip-ViT-B-32 needs it: python3 run.py install clip")
            else:
                yield Finding("problem", name, f"not installed: pip install {name}")


def _encoders() -> Iterator[Finding]:
    for row in overview():
        yield Finding("ok" if row.ready else "note", f"encoder {row.name}", row.about)


def _folders(config: Config, dataset: Dataset) -> Iterator[Finding]:
    if not dataset.root.is_dir():
        yield Finding("note", "dataset", f"{show(str(dataset.root))} does not exist yet; 'refsort demo' makes one")
        return
    try:
        dataset.check()
        classes = dataset.classes()
        counts = {name: len(dataset.references(name)) for name in classes}
    except RefsortError as error:
        yield Finding("problem", "dataset", str(error))
        return
    arrivals = dataset.arrivals()
    least = min(counts.values())
    yield Finding(
        "ok", "dataset", f"{show(str(dataset.root))}: {len(classes)} classes, {least} or more references each"
    )
    yield Finding("ok", "arrivals", f"{arrivals.count} files wait in {dataset.names.arrivals}/")
    for folder in (dataset.root, dataset.state if dataset.state.is_dir() else dataset.state.parent):
        yield _writable(folder)
    free = shutil.disk_usage(dataset.root).free
    yield Finding("note" if free < LOW_SPACE else "ok", "disk", f"{free / 1e9:.1f} GB free")


def _writable(folder: Path) -> Finding:
    """Try it for real: make a file, and give it a name as a move does."""
    what = f"write to {show(str(folder))}"
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".refsort-doctor-") as trial:
            source, target = Path(trial) / "a", Path(trial) / "b"
            source.touch()
            way = (
                "exclusive rename"
                if claim.rename(source, target)
                else "hard link"
                if claim.link(source, target)
                else ""
            )
    except OSError as error:
        return Finding("problem", what, (error.strerror or str(error)).lower())
    if way:
        return Finding("ok", what, f"works, by {way}")
    return Finding(
        "note", what, "works; neither exclusive rename nor hard links here, so names are held by placeholders"
    )
