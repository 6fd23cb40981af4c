"""What a training needs to be taken up again after it was killed: one file, whole or as it was before.

Imports torch; only imported where something is trained.
"""

import os
import time
from pathlib import Path
from typing import Any

import torch

FILE = "checkpoint.pt"
SAVE_EVERY = 20.0
"""Seconds between two checkpoints; whatever was learned since the last one is learned again."""


class Checkpoint:
    """The file in a training's folder. Nothing but tensors and plain values is read from it."""

    def __init__(self, folder: Path, key: str) -> None:
        """`key`: what the training was asked to do; a checkpoint of another is not taken up."""
        self.path, self.key, self.saved = folder / FILE, key, time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """What was saved last; None if there is nothing, or nothing that belongs to this training."""
        try:
            found = torch.load(self.path, map_location="cpu", weights_only=True)
        except Exception:  # noqa: BLE001 - it is not there or, whatever torch raises, of no use: then it is made anew
            return None
        return found["state"] if isinstance(found, dict) and found.get("key") == self.key else None

    def due(self) -> bool:
        """Is it time to save?"""
        return time.monotonic() - self.saved >= SAVE_EVERY

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file at one stroke. Raises OSError."""
        part = self.path.with_suffix(".part")
        with part.open("wb") as file:
            torch.save({"key": self.key, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(self.path)
        self.saved = time.monotonic()

    def remove(self) -> None:
        """The training is over."""
        self.path.unlink(missing_ok=True)
