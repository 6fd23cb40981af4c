"""Write the class of each picture as a keyword into an XMP sidecar beside it. No picture is moved or changed."""

import argparse
import json
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.explore.tagging import Tagged

HELP = "keywords instead of folders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="a folder of the dataset (default: Images), or any other"
    )
    parser.add_argument(
        "--several", type=float, metavar="P", help="all classes of at least this probability, not the best alone"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be written; nothing is")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Tag. Exit code 1 if a sidecar could not be written."""
    from contextlib import ExitStack

    from refsort.explore.tagging import Tagging, which_folder
    from refsort.files.dataset import Dataset
    from refsort.names import show
    from refsort.report import Console, command
    from refsort.sorting.prepared import prepare
    from refsort.sorting.sorter import journal_to_write

    config = config_from(args)
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    folder = which_folder(dataset, args.folder)
    console = Console(config, json=args.json)
    with ExitStack() as stack:
        journal = None if args.dry_run else stack.enter_context(journal_to_write(dataset, "tag", console))
        prepared = stack.enter_context(prepare(config, dataset, console))
        result = Tagging(config, dataset, prepared, console, journal=journal, several=args.several).tag(folder)
    console.close()
    print(_table(result), file=console.out)
    if result.run is not None and result.count("tagged"):
        print(f"undo:  {show(command(config, 'undo', str(result.run)))}", file=console.out)
    if args.json:
        print(json.dumps(result.as_dict()))
    return 1 if result.count("failed") else 0


def _table(result: "Tagged") -> str:
    """How many pictures got which keyword, and what got none."""
    from collections import Counter

    from refsort.explore.tagging import STATES
    from refsort.names import show

    counts = Counter(word for p in result.pictures if p.state in ("tagged", "had") for word in p.keywords)
    lines = [f"{show(result.dataset)}: {show(result.folder)}, encoder {show(result.encoder)}", ""]
    lines += [f"  {count:>6}  {show(word)}" for word, count in sorted(counts.items())]
    words = {"tagged": "would be tagged" if result.dry_run else "tagged", "had": "had their keywords already"}
    lines.append("")
    lines += [f"  {result.count(s):>6}  {words.get(s, s)}" for s in STATES if result.count(s) or s == "tagged"]
    for picture in [p for p in result.pictures if p.state == "failed"][:8]:
        lines.append(f"failed: {show(picture.path)}: {picture.reason}")
    return "\n".join(lines)
