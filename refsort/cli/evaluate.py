"""Sort labelled pictures on paper and compare: how many come right, and how true the stated probabilities are."""

import argparse
import json
import sys
from pathlib import Path

from refsort.cli.settings import add_settings, config_from

HELP = "how good and how honest the sorting is, on labelled pictures"
SAMPLE = 300


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="a sub-folder of labelled pictures for each class; others: no class",
    )
    parser.add_argument(
        "--captions",
        nargs="?",
        const="",
        metavar="FILE",
        help="how often captions find their pictures, instead; lines 'image,caption' (default: FOLDER/captions.txt)",
    )
    parser.add_argument("--strict", action="store_true", help="a sub-folder that is no class is an error")
    parser.add_argument("--corruptions", action="store_true", help="also spoil a sample in thirty ways")
    parser.add_argument(
        "--sample", type=_positive, default=SAMPLE, metavar="N", help=f"pictures that are spoilt (default: {SAMPLE})"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all chance (default: 0)")
    parser.add_argument("--to", type=Path, metavar="DIR", help="where page, charts and numbers go (default: reports)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Evaluate. Nothing is moved."""
    if args.captions is not None:
        from refsort.cli.captions import evaluate_captions

        return evaluate_captions(args)
    from refsort.errors import ConfigError, DatasetError
    from refsort.files.dataset import Dataset
    from refsort.names import show
    from refsort.report import Console
    from refsort.report.evaluation import write_evaluation
    from refsort.report.evaluation_words import evaluation_table
    from refsort.sorting.evaluating import Options, evaluate_folder

    if args.folder is None:
        raise ConfigError("evaluate needs a folder that holds a folder of pictures for each class, or --captions")
    config = config_from(args)
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    place = args.to.expanduser() if args.to else dataset.state / "reports" / "evaluation"
    if place.resolve().is_relative_to(dataset.root.resolve()) and not place.resolve().is_relative_to(
        dataset.state.resolve()
    ):
        raise DatasetError(f"{show(str(place))} lies among the pictures of the dataset; choose another folder for --to")
    console = Console(config, json=args.json)
    options = Options(args.strict, args.corruptions, args.sample, args.seed)
    found = evaluate_folder(config, args.folder.expanduser(), options, console)
    console.close()
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    words = sys.stderr if args.json else sys.stdout
    print(evaluation_table(found), file=words)
    written = write_evaluation(found, config, place)
    print(f"\npage:  {show(str(written.page))}", file=words)
    if written.plots is None:
        print("PNG charts are left out: pip install matplotlib brings them", file=words)
    if args.json:
        print(json.dumps(found.as_dict() | written.as_dict()))
    return 0


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
