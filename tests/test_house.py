"""The house rules that a machine can check: style, types, import directions, one list of requirements."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import run

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    "tool",
    [
        ["-m", "ruff", "check", "--no-cache", "."],
        ["-m", "ruff", "format", "--check", "--no-cache", "."],
        ["-m", "mypy"],
        ["-c", "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"],
    ],
    ids=["ruff check", "ruff format", "mypy", "import-linter"],
)
def test_the_checkers_find_nothing(tool: list[str]) -> None:
    done = subprocess.run([sys.executable, *tool], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def requirements(lines: list[str]) -> dict[str, str]:
    """Package → range of versions."""
    found = {}
    for line in lines:
        if match := re.match(r"([A-Za-z0-9_-]+)(.*)", line.split("#")[0].strip()):
            found[match[1].lower()] = match[2]
    return found


def test_requirements_and_project_agree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    core, extras = requirements(project["dependencies"]), project["optional-dependencies"]
    used = [line for name in ("clip", "train", "words", "search", "map", "app", "scale") for line in extras[name]]
    everything = core | requirements([line for line in used if not line.startswith("refsort")])
    assert requirements((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()) == everything
    assert requirements((ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()) == requirements(
        extras["dev"]
    )
    assert not {"torch", "sentence-transformers", "scikit-learn", "gradio"} & set(core), "the core stays light"


def test_the_words_that_run_py_installs_are_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert list(run.WORDS) == project["optional-dependencies"]["words"]


def test_the_users_scripts_stay_short() -> None:
    for name in ("classify_images.py", "fine_tune_vit.py"):
        assert len((ROOT / name).read_text(encoding="utf-8").splitlines()) <= 16
