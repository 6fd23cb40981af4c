"""Watch Images/ and sort each picture as soon as it is whole, until stopped. SIGHUP: read the settings again."""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

from refsort.cli.settings import add_settings, config_from
from refsort.config import Config, load_config

HELP = "stay, and sort what arrives"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--log", choices=["plain", "json"], default="plain", help="a line for each file, on stderr")
    parser.add_argument("--install", action="store_true", help="print a systemd unit for this dataset and do no more")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Watch until a signal ends it. Raises DatasetHeld if somebody else does."""
    config = config_from(args)
    if args.install:
        from refsort.watch.unit import unit

        file = _settings_file(args)
        print(unit(config, file, _flags(config, file)), end="")
        return 0
    from refsort.watch.daemon import Watcher
    from refsort.watch.log import Log

    watcher = Watcher(config, Log(sys.stderr, as_json=args.log == "json"), reread=lambda: config_from(args))

    def stop(number: int, frame: Any) -> None:
        watcher.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # A second Ctrl-C is meant.

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: watcher.reload())
    watcher.run()
    return 0


def _settings_file(args: argparse.Namespace) -> Path | None:
    """The file that the unit names: the one in use here, else the one that its command would come upon."""
    from refsort.watch.unit import PROGRAM

    if args.config is not None:
        return Path(args.config)
    if named := os.environ.get("REFSORT_CONFIG"):
        return Path(named)
    return next((file for file in (Path("config.yaml"), PROGRAM / "config.yaml") if file.is_file()), None)


def _flags(config: Config, file: Path | None) -> dict[str, Any]:
    """Settings that the file alone would not give; the dataset is always named."""
    base = load_config(file, env={})
    flags: dict[str, Any] = {"data_dir": config.data_dir.resolve(), "dataset": config.dataset}
    for key in Config.model_fields:
        value = getattr(config, key)
        if key not in ("folders", *flags) and value != getattr(base, key) and value is not None:
            flags[key] = value.resolve() if isinstance(value, Path) else value
    return flags
