"""The battery of files, written once for each test process."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images.broken import Decoder
from tests.images.make import Row, heic, jpeg, make_battery
from tests.images.scene import Scene


@dataclass(frozen=True)
class Battery:
    folder: Path
    rows: list[Row]

    @property
    def good(self) -> list[Row]:
        return [row for row in self.rows if row.tolerance is not None]

    @property
    def bad(self) -> list[Row]:
        return [row for row in self.rows if row.tolerance is None]

    def read(self, row: Row) -> bytes:
        return (self.folder / row.name).read_bytes()


@pytest.fixture(scope="session")
def battery(tmp_path_factory: pytest.TempPathFactory) -> Battery:
    folder = tmp_path_factory.mktemp("battery")
    return Battery(folder, make_battery(folder))


@pytest.fixture(scope="session")
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="module")
def good(scene: Scene) -> bytes:
    return jpeg(scene.image)


@pytest.fixture
def decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scene: Scene) -> Decoder:
    return Decoder(tmp_path, heic(scene.image), monkeypatch)
