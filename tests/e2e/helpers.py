"""Running refsort as a person does: a process, its output, its exit code."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object in the last line of standard output."""
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


def refsort(*arguments: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> Done:
    """Run the program in a process of its own, away from any settings file."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("REFSORT_") or k == "REFSORT_CACHE"}
    done = subprocess.run(
        [sys.executable, "-m", "refsort", *map(str, arguments)],
        cwd=cwd or Path(os.devnull).parent,
        env=clean | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"} | (env or {}),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def on(dataset: Path) -> list[str]:
    """The flags that name a dataset, with the encoder that is always there."""
    return ["--data-dir", str(dataset.parent), "--dataset", dataset.name]


def split_set(photos: Path, dataset: Path, references: int, arrivals: int, seed: int = 0) -> dict[str, str]:
    """Draw references into Clases/ and others into Images/; returns arrival's file name → class."""
    rng = random.Random(seed)
    truth: dict[str, str] = {}
    (dataset / "Images").mkdir(parents=True)
    for folder in sorted(p for p in photos.iterdir() if p.is_dir()):
        (dataset / "Clases" / folder.name).mkdir(parents=True)
        chosen = rng.sample(sorted(folder.iterdir()), references + arrivals)
        for path in chosen[:references]:
            shutil.copy2(path, dataset / "Clases" / folder.name / path.name)
        for path in chosen[references:]:
            name = f"{folder.name}-{path.name}"
            shutil.copy2(path, dataset / "Images" / name)
            truth[name] = folder.name
    return truth
