"""A page on a small dataset of discs, and a browser."""

import importlib.util
from collections.abc import Iterator

import pytest

from tests.app.served import Served, served
from tests.learn.discs import make_discs

if importlib.util.find_spec("gradio") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page on coloured discs: three classes, six references each, four arrivals each; one a module."""
    data_dir = tmp_path_factory.mktemp("app")
    make_discs(data_dir / "Discos", references=6, arrivals=4)
    with served(data_dir, "Discos", "--encoder", "builtin") as found:
        yield found
