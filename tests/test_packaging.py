"""The wheel and the source archive: what is in them, and that they work where the repository is not."""

import json
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging import ROOT, environment, shell

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with what builds and runs packages."""
    return environment(tmp_path_factory.mktemp("tools") / "venv", "build", "uv")


@pytest.fixture(scope="module")
def dist(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    shell([str(tools / "python"), "-m", "build", "--outdir", str(folder), str(ROOT)], folder)
    return folder


def wheel(folder: Path) -> Path:
    (found,) = folder.glob("refsort-*.whl")
    return found


def contents(path: Path) -> dict[str, int]:
    """Files of a wheel, with their checksums."""
    with zipfile.ZipFile(path) as archive:
        return {info.filename: info.CRC for info in archive.infolist()}


def test_the_wheel_holds_the_package_and_nothing_else(dist: Path) -> None:
    there = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "refsort").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in contents(wheel(dist)) if ".dist-info/" not in name}
    assert held == there
    assert any(name.endswith(".j2") for name in held)
    assert "refsort/encoders/data/spanish.txt" in held


def test_the_licences_travel_with_it(dist: Path) -> None:
    names = [Path(name).name for name in contents(wheel(dist)) if ".dist-info/" in name]
    assert {"LICENSE", "NOTICE"} <= set(names)


def test_the_source_archive_makes_the_same_wheel(dist: Path, tools: Path, tmp_path: Path) -> None:
    (archive,) = dist.glob("refsort-*.tar.gz")
    with tarfile.open(archive) as source:
        source.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()
    shell([str(tools / "python"), "-m", "build", "--wheel", "--outdir", str(tmp_path / "again"), str(folder)], tmp_path)
    assert contents(wheel(tmp_path / "again")) == contents(wheel(dist))


def test_installed_it_renders_and_sorts_where_no_repository_is(dist: Path, tmp_path: Path) -> None:
    programs = environment(tmp_path / "venv", str(wheel(dist)))
    place = tmp_path / "empty"
    place.mkdir()
    marks = json.loads(shell([str(programs / "refsort"), "demo", "--json"], place).splitlines()[-1])
    assert marks["right"] > 9 * (marks["wrong"] + marks["aside"])
    assert [path.name for path in place.iterdir()] == ["Data"], "it writes nothing beside the dataset"
    assert list((place / "Data" / "Tornillos" / ".refsort" / "reports").glob("*.html")), "the templates are there"
    modules = shell([str(programs / "python"), "-c", "import refsort, sys; print(refsort.__file__)"], place)
    assert Path(modules.strip()).is_relative_to(tmp_path), "not the repository's own"


def test_uvx_runs_it_without_installing(dist: Path, tools: Path, tmp_path: Path) -> None:
    command = [str(tools / "uvx"), "--python", sys.executable, "--from", str(wheel(dist)), "refsort"]
    env = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_CONFIG": "1"}
    place = tmp_path / "empty"
    place.mkdir()
    assert shell([*command, "--version"], place, env).startswith("refsort ")
    marks = json.loads(shell([*command, "demo", "--json"], place, env).splitlines()[-1])
    assert marks["right"] > 9 * (marks["wrong"] + marks["aside"])
