"""For the tests of wheel and image: environments made from scratch, the Dockerfile as data."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]


def shell(command: list[str], cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a command that must succeed; no setting of refsort and no other environment reaches it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("REFSORT_", "PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        command, cwd=cwd, env=clean | dict(env or {}), capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def environment(folder: Path, *packages: str) -> Path:
    """A fresh environment with packages; its folder of programs."""
    shell([sys.executable, "-m", "venv", str(folder)], folder.parent)
    shell([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *packages], folder.parent)
    return folder / "bin"


class Step(NamedTuple):
    """One instruction of a Dockerfile."""

    word: str
    text: str
    """What follows the word; continued lines joined, comments dropped."""


def dockerfile() -> list[list[Step]]:
    """The stages of the Dockerfile; what stands before the first FROM comes first."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    stages: list[list[Step]] = [[]]
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if not line.strip():
            continue
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages.append([])
        stages[-1].append(Step(word, rest.strip()))
    return stages


def words_of(stage: list[Step], word: str) -> dict[str, str]:
    """The NAME=VALUE pairs of a stage's ARG or ENV instructions."""
    pairs = [pair.split("=", 1) for step in stage if step.word == word for pair in shlex.split(step.text)]
    return {pair[0]: pair[1] if len(pair) > 1 else "" for pair in pairs}


def commands_of(stage: list[Step]) -> list[str]:
    """What its RUN instructions give to the shell, without their mounts."""
    return [re.sub(r"^(--\S+\s+)+", "", step.text) for step in stage if step.word == "RUN"]
