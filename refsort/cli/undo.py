"""Take back a sorting run, one class of it, or one file. Without a run: the last one."""

import argparse
import json
import sys
from pathlib import Path

from refsort.cli.settings import add_settings, config_from

HELP = "take back a run"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("run", nargs="?", type=int, metavar="RUN", help="number of the run (see 'refsort history')")
    parser.add_argument("--class", dest="class_name", metavar="CLASS", help="only what went into this class")
    parser.add_argument("--file", metavar="PATH", help="only this file, named as it lies now or as it arrived")
    parser.add_argument("--folder", type=Path, metavar="PATH", help="a folder that is no dataset ('refsort dedupe')")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser, "dataset", "data_dir", "state_dir")


def run(args: argparse.Namespace) -> int:
    """Undo. Exit code 1 if something had to stay."""
    from refsort.explore.source import locate
    from refsort.names import show
    from refsort.report import Console, command
    from refsort.sorting import Sorter

    config = config_from(args)
    console = Console(config, json=args.json)
    sorter = Sorter(config, console)
    again = []
    if args.folder is not None:
        sorter.dataset, again = locate(config, args.folder), ["--folder", str(args.folder.resolve())]
    result = sorter.undo(args.run, args.class_name, args.file)
    console.close()
    for path, reason in result.left:
        print(f"stays: {show(path)}: {reason}", file=sys.stderr)
    words = sys.stderr if args.json else sys.stdout
    print(f"{result.restored} files are back where they came from ({show(result.undoes)})", file=words)
    if result.restored:
        print(f"to take that back: {show(command(config, 'undo', str(result.run), *again))}", file=words)
    if args.json:
        left = [{"path": show(path), "reason": reason} for path, reason in result.left]
        done = {"run": result.run, "undoes": result.undoes, "restored": result.restored, "left": left}
        print(json.dumps(done))
    return 1 if result.left else 0
