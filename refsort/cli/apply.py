"""Carry out a plan that 'refsort decide' has made: one run, journaled, and undone like any other."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.report import Console

HELP = "carry out a plan"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("plan", type=Path, metavar="PLAN", help="a Parquet file that 'refsort decide' has made")
    parser.add_argument(
        "--copy-to",
        metavar="URI",
        help="copy into an object store instead of moving, each copy proven; nothing is deleted",
    )
    parser.add_argument("--source", metavar="URI", help="with --copy-to: the plan's source with what reaching it takes")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser, "dataset", "data_dir", "state_dir")


def run(args: argparse.Namespace) -> int:
    """Move. Exit code 1 if some files failed."""
    from refsort.cli.needs import needs_pyarrow
    from refsort.files.dataset import Dataset
    from refsort.names import show
    from refsort.report import Console, command

    with needs_pyarrow():
        from refsort.scale.applying import apply_plan
    config = config_from(args)
    if args.copy_to:
        return _copy(args, Console(config, json=args.json))
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    console = Console(config, json=args.json)
    result = apply_plan(dataset, args.plan, console)
    console.close()
    out = sys.stderr if args.json else sys.stdout
    print(
        f"{result.moved} of {result.rows} moved in {result.seconds:.1f} s; {result.before} were moved before, "
        f"{result.stays} stay, {result.skipped} are gone or changed, {result.failed} failed",
        file=out,
    )
    if result.moved:
        print(f"undo:    {show(command(config, 'undo', str(result.run)))}", file=out)
    if args.json:
        print(json.dumps(result.as_dict()))
    return 1 if result.failed else 0


def _copy(args: argparse.Namespace, console: "Console") -> int:
    from refsort.names import show
    from refsort.scale.copying import copy_plan

    result = copy_plan(args.plan, args.copy_to, console, args.source)
    console.close()
    print(
        f"{result.copied} of {result.rows} copied to {show(result.to)} and proven; {result.there} were there before, "
        f"{result.stays} stay, {result.failed} failed",
        file=sys.stderr if args.json else sys.stdout,
    )
    if args.json:
        print(json.dumps(result.as_dict()))
    return 1 if result.failed else 0
