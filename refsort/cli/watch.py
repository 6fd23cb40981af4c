"""Watch Images/ and sort each picture as soon as it is whole, until stopped. SIGHUP: read the settings again."""

import argparse
import signal
import sys
from contextlib import ExitStack
from typing import Any

from refsort.cli.settings import add_settings, config_from
from refsort.cli.units import flags_beside, settings_file
from refsort.config import Config
from refsort.errors import ConfigError

HELP = "stay, and sort what arrives"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--log", choices=["plain", "json"], default="plain", help="a line for each file, on stderr")
    parser.add_argument("--install", action="store_true", help="print a systemd unit for this dataset and do no more")
    parser.add_argument(
        "--metrics",
        metavar="[HOST:]PORT",
        help="serve figures to Prometheus there (host: 127.0.0.1, this machine only)",
    )
    parser.add_argument("--all", action="store_true", help="every dataset in data_dir, each in a process of its own")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Watch until a signal ends it. Raises DatasetHeld if somebody else does."""
    config = config_from(args)
    if args.all:
        return _watch_all(args, config)
    if args.install:
        from refsort.watch.unit import unit

        file = settings_file(args)
        more = {} if args.metrics is None else {"metrics": args.metrics}
        print(unit(config, file, flags_beside(config, file) | more), end="")
        return 0
    from refsort.sorting import Reporter, Reporters
    from refsort.watch.daemon import Watcher
    from refsort.watch.log import Log
    from refsort.watch.memory import few_arenas
    from refsort.watch.on_unsure import OnUnsure

    few_arenas()
    log: Reporter = Log(sys.stderr, as_json=args.log == "json")
    caller = OnUnsure(log, config.dataset_path.resolve(), lambda: watcher.config.on_unsure)
    log = Reporters(log, caller)
    metrics = None
    if args.metrics is not None:
        from refsort.watch.metrics import Metrics

        metrics = Metrics(args.metrics)
        log = Reporters(log, metrics)
    watcher = Watcher(
        config, log, reread=lambda: config_from(args), observe=None if metrics is None else metrics.observe
    )

    def stop(number: int, frame: Any) -> None:
        watcher.stop()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # A second Ctrl-C is meant.

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: watcher.reload())
    with ExitStack() as stack:
        stack.callback(caller.close)
        if metrics is not None:
            stack.enter_context(metrics.served(lambda: watcher.status))
        watcher.run()
    return 0


def _watch_all(args: argparse.Namespace, config: Config) -> int:
    from refsort.watch.every import Every, datasets

    if args.install or args.metrics is not None:
        raise ConfigError("--all goes neither with --install nor with --metrics: these are for one dataset")
    file = settings_file(args)
    words = [sys.executable, "-m", "refsort", "watch", "--log", args.log]
    words += [] if file is None else ["--config", str(file.resolve())]
    for key, value in flags_beside(config, file).items():
        words += [] if key == "dataset" else [f"--{key.replace('_', '-')}={value}"]
    commands = {name: [*words, f"--dataset={name}"] for name in datasets(config)}
    every = Every(commands, sys.stderr, as_json=args.log == "json")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: every.stop())
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, lambda number, frame: every.send(number))
    every.run()
    return 0
