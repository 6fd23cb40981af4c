"""Carry out a plan that 'refsort decide' has made: one run, journaled, and undone like any other."""

import argparse
import json
import sys
from pathlib import Path

from refsort.cli.settings import add_settings, config_from

HELP = "carry out a plan"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("plan", type=Path, metavar="PLAN", help="a Parquet file that 'refsort decide' has made")
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
