"""Fine-tuned models of a dataset: `Models/<run>/`, and `Models/current`, which names the one in use.

A run's folder gets its name when everything in it is on the disk, and `current` is replaced in one step: whatever
interrupts, `current` names a whole model or none.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from refsort.errors import ModelError
from refsort.files.claim import sync_folder
from refsort.names import show, unsafe_reason

CURRENT = "current"
UNFINISHED = ".part-"
"""Begins the name of a folder in which training goes on."""
NETWORK = "model.onnx"
ABOUT = "metrics.json"
"""What is known of a run: base, recipe, pictures, figures on the hold-out."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What `current` says: a run, and those that were in use before it, oldest first ("": the base itself)."""

    run: str
    before: tuple[str, ...] = ()


class ModelStore:
    """The folder Models/ of one dataset."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # -- looking

    def runs(self) -> list[str]:
        """Names of the whole models, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted((e.name for e in os.scandir(self.folder) if self._whole(Path(e.path))), key=_age)

    def path(self, run: str) -> Path:
        """The folder of a whole model. Raises ModelError if there is none of this name."""
        path = self.folder / run
        if unsafe_reason(run) or not self._whole(path):
            there = ", ".join(self.runs()[-5:]) or "none yet"
            raise ModelError(f"there is no model {show(run)} in {show(str(self.folder))}; there are: {there}")
        return path

    def about(self, run: str) -> dict[str, Any]:
        """What the run says of itself. Raises ModelError if that can't be read."""
        path = self.path(run) / ABOUT
        try:
            found = json.loads(path.read_bytes())
            if not isinstance(found, dict):
                raise ValueError("no object")
        except (OSError, ValueError) as error:
            raise ModelError(f"{show(str(path))} can't be read: {error}") from error
        return found

    def promotion(self) -> Promotion | None:
        """The model in use; None: the encoder as it is. Raises ModelError if `current` can't be understood."""
        path = self.folder / CURRENT
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            promotion = Promotion(str(found["run"]), tuple(str(run) for run in found["before"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"{show(str(path))} does not name a model ({error}); 'refsort models promote' writes it anew"
            ) from error
        return promotion if promotion.run else None

    def stamp(self) -> tuple[int, int]:
        """Changes whenever another model is put into use."""
        try:
            stat = (self.folder / CURRENT).stat()
        except OSError:
            return (0, 0)
        return stat.st_mtime_ns, stat.st_ino

    def _whole(self, path: Path) -> bool:
        return not path.name.startswith(".") and (path / NETWORK).is_file() and (path / ABOUT).is_file()

    # -- changing

    def unfinished(self) -> Iterator[Path]:
        """Folders of trainings that were interrupted."""
        yield from sorted(self.folder.glob(f"{UNFINISHED}*"))

    def begin(self, key: str) -> Path:
        """A folder to train in. `key` stands for what is trained on what: an interrupted one of the same key goes on.

        Those of other keys are given up: they were made of older labels.
        """
        mine = self.folder / f"{UNFINISHED}{key}"
        for path in self.unfinished():
            if path != mine:
                shutil.rmtree(path, ignore_errors=True)
        mine.mkdir(parents=True, exist_ok=True)
        return mine

    def finish(self, part: Path) -> str:
        """Give a complete folder the name of a new run; whoever trains holds `training`. Raises OSError."""
        assert (part / NETWORK).is_file() and (part / ABOUT).is_file()
        for path in part.rglob("*"):
            if path.is_file():
                _sync_file(path)
        sync_folder(part)
        day, number = datetime.now(UTC).date().isoformat(), 1
        while (self.folder / f"{day}-{number}").exists():
            number += 1
        run = f"{day}-{number}"
        part.rename(self.folder / run)
        sync_folder(self.folder)
        return run

    def prune(self, keep: int) -> None:
        """Delete models that were never in use, but for the newest ones."""
        now = self._promotion_or_none()
        used = {now.run, *now.before} if now else set()
        for run in self.runs()[:-keep]:
            if run not in used:
                shutil.rmtree(self.folder / run, ignore_errors=True)

    def promote(self, run: str) -> Promotion:
        """Put a model into use; it is the daemon's at its next look. Raises ModelError, OSError."""
        self.path(run)
        with self._changing():
            now = self._promotion_or_none()
            if now is not None and now.run == run:
                return now
            return self._write(Promotion(run, (*(now.before if now else ()), now.run if now else "")))

    def rollback(self) -> Promotion | None:
        """Put the one before into use again; None: that is the encoder as it is. Raises ModelError, OSError."""
        with self._changing():
            now = self.promotion()
            if now is None:
                raise ModelError("no fine-tuned model is in use: there is nothing to go back from")
            before = list(now.before)
            while before:
                run = before.pop()
                if not run or self._whole(self.folder / run):
                    break
            else:
                run = ""
            written = self._write(Promotion(run, tuple(before)))
            return written if written.run else None

    def _promotion_or_none(self) -> Promotion | None:
        try:
            return self.promotion()
        except ModelError:
            return None

    def _changing(self) -> FileLock:
        self.folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self.folder / ".current.lock", timeout=30)

    def _write(self, promotion: Promotion) -> Promotion:
        """Whole or not at all: a new file takes the name of the old one."""
        descriptor, name = tempfile.mkstemp(prefix=".current-", dir=self.folder)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"run": promotion.run, "before": promotion.before}, file)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(self.folder / CURRENT)
        sync_folder(self.folder)
        return promotion


def _age(run: str) -> tuple[str, int]:
    day, _, number = run.rpartition("-")
    return (day, int(number)) if number.isdecimal() else (run, 0)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
