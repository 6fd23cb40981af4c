"""Sort what lies in Images/ into the folders of the classes, by the references in Clases/."""

import argparse

from refsort.cli.settings import add_settings, config_from

HELP = "sort what has arrived"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--dry-run", action="store_true", help="show what would happen; nothing is moved")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--no-report", action="store_true", help="write no HTML page")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Sort once. Exit code 1 if a file failed."""
    from refsort.report import Console, Page
    from refsort.sorting import Reporters, Sorter

    config = config_from(args)
    sorter = Sorter(config)
    console = Console(config, json=args.json)
    sorter.reporter = console if args.no_report else Reporters(Page(sorter.dataset, config), console)
    result = sorter.sort(dry_run=args.dry_run)
    return 1 if result.failed else 0
