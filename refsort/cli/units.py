"""What a command that is written into a unit or a crontab must be told."""

import argparse
import os
import shlex
from pathlib import Path
from typing import Any

from refsort.config import Config, load_config


def settings_file(args: argparse.Namespace) -> Path | None:
    """The file that the unit names: the one in use here, else the one that its command would come upon."""
    from refsort.watch.unit import PROGRAM

    if args.config is not None:
        return Path(args.config)
    if named := os.environ.get("REFSORT_CONFIG"):
        return Path(named)
    return next((file for file in (Path("config.yaml"), PROGRAM / "config.yaml") if file.is_file()), None)


def flags_beside(config: Config, file: Path | None) -> dict[str, Any]:
    """Settings that the file alone would not give; the dataset is always named."""
    base = load_config(file, env={})
    flags: dict[str, Any] = {"data_dir": config.data_dir.resolve(), "dataset": config.dataset}
    for key in Config.model_fields:
        value = getattr(config, key)
        if key not in ("folders", *flags) and value != getattr(base, key) and value is not None:
            value = shlex.join(value) if isinstance(value, tuple) else value
            flags[key] = value.resolve() if isinstance(value, Path) else value
    return flags
