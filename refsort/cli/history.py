"""List what was done in a dataset, newest first."""

import argparse
import json
from dataclasses import asdict

from refsort.cli.settings import add_settings, config_from

HELP = "list runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="how many runs (default: 20)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser, "dataset", "data_dir", "state_dir")


def run(args: argparse.Namespace) -> int:
    """Print the history."""
    from refsort.report import history_table
    from refsort.sorting import Sorter

    records = Sorter(config_from(args)).history(args.limit)
    if args.json:
        print(json.dumps({"runs": [asdict(record) for record in records]}))
    else:
        print(history_table(records))
    return 0
