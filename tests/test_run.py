"""run.py: the standard library alone, nothing installed twice, plain words when something is missing."""

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ("run.py", "pyproject.toml", "requirements.txt", "requirements-dev.txt", "constraints.txt")


def copy_of_the_lists(folder: Path) -> Path:
    for name in FILES:
        shutil.copy(ROOT / name, folder / name)
    return folder


def module(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_under_test", folder / "run.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def test_it_needs_the_standard_library_alone() -> None:
    tree = ast.parse((ROOT / "run.py").read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


def test_a_made_environment_is_used_as_it_is(tmp_path: Path) -> None:
    """The stamp fits: the command runs at once in that interpreter, and pip, which would fail here, is not called."""
    folder = copy_of_the_lists(tmp_path)
    run = module(folder)
    run.PYTHON.parent.mkdir(parents=True)
    run.PYTHON.symlink_to(sys.executable)
    stamp = {"lists": run.fingerprint(), "python": sys.version, "levels": ["core"]}
    run.STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    (folder / "refsort.py").write_text("import sys, os; print(sys.argv[1:], os.environ['REFSORT_CONFIG'])")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(folder / "run.py"), "sort", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"['sort', '--json'] {folder / 'config.yaml'}"
    assert "pip" not in done.stderr.replace("pipes", "")


def test_the_soak_gets_its_words_and_the_test_tools(tmp_path: Path) -> None:
    folder = copy_of_the_lists(tmp_path)
    run = module(folder)
    run.PYTHON.parent.mkdir(parents=True)
    run.PYTHON.symlink_to(sys.executable)
    stamp = {"lists": run.fingerprint(), "python": sys.version, "levels": ["core", "test"]}
    run.STAMP.write_text(json.dumps(stamp), encoding="utf-8")
    (folder / "tests" / "faults").mkdir(parents=True)
    (folder / "tests" / "faults" / "soak.py").write_text("import sys; print(sys.argv[1:])")
    words = [sys.executable, str(folder / "run.py"), "soak", "--minutes", "1", "--seed", "5"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['--minutes', '1', '--seed', '5']"


@pytest.mark.parametrize("name", FILES[1:])
def test_a_changed_list_is_noticed(tmp_path: Path, name: str) -> None:
    run = module(copy_of_the_lists(tmp_path))
    before = run.fingerprint()
    with (tmp_path / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert run.fingerprint() != before


def test_an_unknown_level_is_refused(tmp_path: Path) -> None:
    script = str(copy_of_the_lists(tmp_path) / "run.py")
    done = subprocess.run(
        [sys.executable, script, "install", "everything"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "known: core, clip, train, words, map, app, scale, search, test" in done.stderr
    assert not (tmp_path / ".venv").exists()
