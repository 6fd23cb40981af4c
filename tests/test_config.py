"""Settings: precedence, types, and errors that say where and what is near."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from refsort.config import Config, Folders, load_config
from refsort.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_flag_before_variable_before_file_before_default(tmp_path: Path) -> None:
    file = write(tmp_path / "c.yaml", "mode: avg\nmin_score: 0.1\nmin_margin: 0.1\n")
    config = load_config(
        file, {"min_margin": "0.3", "mode": None}, {"REFSORT_MIN_SCORE": "0.2", "REFSORT_MIN_MARGIN": "0.2"}
    )
    assert (config.mode, config.min_score, config.min_margin, config.action) == ("avg", 0.2, 0.3, "move")


def test_paths_in_the_file_count_from_the_file(tmp_path: Path) -> None:
    assert load_config(write(tmp_path / "c.yaml", "data_dir: pics"), env={}).data_dir == tmp_path / "pics"


def test_a_bare_off_and_a_number_as_name_mean_what_they_look_like(tmp_path: Path) -> None:
    config = load_config(write(tmp_path / "c.yaml", "unsure: off\ndataset: 2024"), env={})
    assert (config.unsure, config.dataset) == ("off", "2024")


@pytest.mark.parametrize(
    ("text", "flags", "env", "words"),
    [
        ("modus: avg", {}, {}, ["c.yaml", "modus", "did you mean mode?"]),
        ("folders: {refrences: A}", {}, {}, ["folders.refrences", "did you mean folders.references?"]),
        ("min_score: high", {}, {}, ["c.yaml: min_score", "number", "'high'"]),
        ("", {"min_margin": "7"}, {}, ["command line: --min-margin", "less than or equal to 2"]),
        ("", {}, {"REFSORT_ACTOIN": "copy"}, ["environment", "REFSORT_ACTOIN", "did you mean action?"]),
        ("", {"mode": "best"}, {}, ["--mode", "'prototype', 'avg', 'max' or 'text'"]),
        ("dataset: ../etc", {}, {}, ["dataset", "parts folders"]),
        ("dataset: nul", {}, {}, ["dataset", "Windows"]),
        ("folders: {bad: images}", {}, {}, ["two folders have the same name"]),
        ("folders: {bad: a/b}", {}, {}, ["folders.bad"]),
        ("- a\n- b", {}, {}, ["must hold lines like"]),
        ("a: [", {}, {}, ["no valid YAML"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, text: str, flags: dict[str, Any], env: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path / "c.yaml", text), flags, env)
    for word in words:
        assert word in str(caught.value)


def test_every_wrong_key_is_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path / "c.yaml", "mode: x\nactoin: y\nthreads: -1"), env={})
    assert len(str(caught.value).splitlines()) == 3


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().mode = "max"  # type: ignore[misc]


def test_the_shipped_file_has_every_key_with_its_default_and_a_comment() -> None:
    text = (ROOT / "config.yaml").read_text(encoding="utf-8")
    shipped = yaml.safe_load(text)
    assert list(shipped)[:2] == ["dataset", "mode"], "the owner wants these two at the top"
    assert set(shipped) == set(Config.model_fields)
    assert set(shipped["folders"]) == set(Folders.model_fields)
    assert load_config(ROOT / "config.yaml", env={}) == Config(data_dir=ROOT / "Data")
    uncommented = [line for line in text.splitlines() if ":" in line and "#" not in line and not line.startswith("  ")]
    assert uncommented == []
