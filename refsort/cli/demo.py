"""Sort a dataset whose answers are known and say how many came right: a rendered one, or your own labelled photos."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.demo import Marks

HELP = "try it: a rendered dataset, or your own labelled photos"
RENDERED = "Tornillos"
REFERENCES = 10
SEED = 7


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "--photos", type=Path, metavar="FOLDER", help="your own photos, a sub-folder for each class; they are copied"
    )
    parser.add_argument(
        "--references", type=int, default=REFERENCES, metavar="N", help=f"references a class (default: {REFERENCES})"
    )
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"of all chance (default: {SEED})")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Make the dataset if it isn't there, sort it, mark it."""
    from refsort.demo import mark, prepare
    from refsort.names import show
    from refsort.report import Console, Page
    from refsort.sorting import Reporters, Sorter

    words = sys.stderr if args.json else sys.stdout
    args.dataset = args.dataset or (f"demo-{args.photos.resolve().name}" if args.photos else RENDERED)
    args.encoder = args.encoder or "builtin"
    config = config_from(args)
    console = Console(config, out=words)
    sorter = Sorter(config, console)
    truth = prepare(sorter, args.photos, args.references, args.seed)
    kind = "rendered by this program, not photographed" if truth.rendered else "copies of labelled photographs"
    print(f"{show(str(sorter.dataset.root))}: {len(truth.answers)} pictures to sort, {kind}\n", file=words)
    sorter.reporter = Reporters(Page(sorter.dataset, config), console)
    result = sorter.sort()
    marks = mark(sorter.dataset, truth)
    print(f"\n{verdict(marks)}", file=words)
    if args.json:
        print(json.dumps(result.as_dict() | asdict(marks)))
    return 1 if result.failed else 0


def verdict(marks: "Marks") -> str:
    """How many came right, in words."""
    lines = [
        f"{marks.right} of {marks.members} pictures lie in the folder of their class, {marks.wrong} in a wrong one, "
        f"{marks.aside} were left in doubt"
    ]
    if marks.strays:
        lines.append(
            f"of {marks.strays} that belong to no class {marks.strays_aside} were left in doubt, "
            f"{marks.strays_sorted} were sorted"
        )
    return "\n".join([*lines, f"right decisions: {marks.share_right:.1%}"])
