"""Flags that are settings: each key of config.yaml with dashes."""

import argparse
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from refsort.config import Config, load_config


def add_settings(parser: argparse.ArgumentParser, *keys: str) -> None:
    """Add --config, --debug and a flag for each setting (all of them unless keys are named)."""
    group = parser.add_argument_group("settings (each also a key of config.yaml)")
    for name, field in Config.model_fields.items():
        if name == "folders" or (keys and name not in keys):
            continue
        group.add_argument(
            f"--{name.replace('_', '-')}",
            dest=name,
            metavar=_metavar(field.annotation),
            help=f"{field.description} (default: {'-' if field.default is None else field.default})".replace("%", "%%"),
        )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: ./config.yaml)")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def config_from(args: argparse.Namespace) -> Config:
    """The settings that the arguments, the environment and the file give together. Raises ConfigError."""
    given: dict[str, Any] = {name: getattr(args, name, None) for name in Config.model_fields}
    for name in ("data_dir", "state_dir"):
        if given[name] is not None:
            given[name] = Path(given[name]).expanduser().resolve()
    return load_config(args.config, given)


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    if annotation in (int, float):
        return "N"
    return "PATH" if "Path" in str(annotation) else "NAME"
