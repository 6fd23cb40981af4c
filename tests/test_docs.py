"""The docs say what is true: every command, setting and picture they name exists, and the README's commands run."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import refsort.cli
import run as project
from refsort.config import Config
from refsort.decide import SCORERS

ROOT = Path(__file__).resolve().parents[1]
READMES = ("README.md", "README.es.md")


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", READMES)
def test_every_command_and_scorer_is_described(name: str) -> None:
    text = text_of(name)
    for command in refsort.cli.COMMANDS:
        assert f"`refsort {command}" in text
    for mode in SCORERS:
        assert f"`{mode}`" in text


@pytest.mark.parametrize("name", [*READMES, "CONTRIBUTING.md", "Data/README.md"])
def test_every_local_link_and_picture_exists(name: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", text_of(name)):
        if "://" not in target:
            assert (ROOT / name).parent.joinpath(target).exists(), target


@pytest.mark.parametrize("name", READMES)
def test_every_flag_in_the_readme_is_known(name: str) -> None:
    known = {f"--{key.replace('_', '-')}" for key in Config.model_fields}
    known |= {
        "--dry-run",
        "--json",
        "--class",
        "--file",
        "--photos",
        "--help",
        "--no-report",
        "--html",
        "--corruptions",
        "--log",
        "--all",
        "--metrics",
        "--install",
        "--health",
        *(
            "--confirm",
            "--forget",
            "--aside",
            "--make",
            "--group",
            "--if-new",
            "--recipe",
            "--labels",
            "--png",
            "--csv",
        ),
        *("--since", "--copy-to", "--phrases", "--thumbnails", "--several", "--move", "--like", "--not", "--method"),
        *("--host", "--port", "--password", "--token", "--lang", "--from", "--spec", "--to", "--engine"),
    }
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text_of(name))) <= known


def commands(name: str) -> list[str]:
    """The lines of the README's code blocks that start with run.py or classify_images.py."""
    blocks = re.findall(r"^ *```\w*\n(.*?)^ *```$", text_of(name), flags=re.DOTALL | re.MULTILINE)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith(("python3 run.py", "python classify_images.py"))]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the datasets and pictures that the READMEs speak of, beside a home folder."""
    top = tmp_path_factory.mktemp("house")
    copy = top / "refsort"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".git", ".venv", ".*_cache", "tests", "Tornillos"))
    link_environment(copy)
    demo = run("python3 run.py demo", copy, top)
    assert demo.returncode == 0, demo.stderr
    made = copy / "Data" / "Tornillos"
    shutil.copytree(made / "Clases", top / "home" / "Pictures" / "labelled")
    fruit = copy / "Data" / "Frutas"
    for own, source in (("limón", "tuerca"), ("naranja", "arandela")):
        shutil.copytree(made / "Clases" / source, fruit / "Clases" / own)
    (fruit / "Images").mkdir()
    nut = next((made / "Dataset" / "tuerca").iterdir())
    for place in (fruit / "Images" / "IMG_0012.jpg", copy / "photo.jpg", copy / "foto.jpg"):
        shutil.copy(nut, place)
    for place in ("Pictures", "Fotos"):
        shutil.copytree(made / "Dataset" / "arandela", copy / place)
    return copy


@pytest.mark.parametrize("name", READMES)
def test_the_readmes_commands_run_as_they_stand(name: str, house: Path) -> None:
    """What stands in both is run once; the suite itself is not run within itself."""
    top, made = house.parent, house / "Data" / "Tornillos"
    before = [] if name == READMES[0] else commands(READMES[0])
    ran = 0
    for line in commands(name):
        if line in before or re.match(r"python3 run.py (test|demo$|install)", line):
            continue
        if " undo " in line:
            run("python3 run.py sort --dataset Frutas", house, top)
        if "--photos" in line:
            line = line.replace("~", str(top / "home")) + " --references 3"
        if " watch " in line:
            daemon = start(line, house, top)
            wait_for(made / ".refsort" / "status.json")
            status = run(line.replace(" watch ", " status "), house, top)
            daemon.terminate()
            assert (daemon.wait(60), status.returncode) == (0, 0), status.stdout
            continue
        if " app " in line:
            page = start(f"{line} --port 0", house, top, stderr=subprocess.PIPE)
            assert page.stderr is not None
            assert b"http://127.0.0.1:" in page.stderr.readline()
            page.terminate()
            page.wait(60)
            continue
        if " status " in line:
            assert run(line, house, top).returncode == 1, "it was stopped"
            continue
        done = run(line, house, top)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        ran += 1
    assert ran >= (5 if not before else 1)


def link_environment(copy: Path) -> None:
    """The copy's .venv is the one that runs this test, so that nothing is installed again."""
    if not (ROOT / ".venv").is_dir() or Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        pytest.skip("the tests do not run in the project's own .venv")
    stamp = project.read_stamp()
    if stamp.get("lists") != project.fingerprint() or "test" not in stamp.get("levels", ()):
        pytest.fail("the requirements changed, and the copy would install itself: 'python3 run.py install test' first")
    (copy / ".venv").symlink_to(ROOT / ".venv")


def environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home / "home"), "PATH": "/usr/bin:/bin", "HF_HUB_OFFLINE": "1"}


def run(line: str, copy: Path, home: Path) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, *shlex.split(line)[1:]]
    return subprocess.run(
        words, cwd=copy, env=environment(home), capture_output=True, text=True, timeout=200, check=False
    )


def start(line: str, copy: Path, home: Path, *, stderr: int | None = None) -> "subprocess.Popen[bytes]":
    words = [sys.executable, *shlex.split(line)[1:]]
    return subprocess.Popen(words, cwd=copy, env=environment(home), stderr=stderr)


def wait_for(status: Path) -> None:
    """Until the daemon has looked at its folder."""
    for _ in range(600):
        if status.exists() and json.loads(status.read_text(encoding="utf-8"))["last_scan"]:
            return
        time.sleep(0.1)
    raise AssertionError("the daemon never looked")
