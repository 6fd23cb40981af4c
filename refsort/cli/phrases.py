"""Ask pictures what they are: how much of each phrase there is in them, as shares that sum to one."""

import argparse
import json
from pathlib import Path

from refsort.cli.settings import add_settings, config_from

HELP = "ask pictures which phrase fits"
TOP = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="a picture")
    parser.add_argument("--labels", nargs="+", default=[], metavar="PHRASE", help="phrases, each in quotes")
    parser.add_argument("--labels-file", type=Path, metavar="FILE", help="phrases, one a line; # begins a comment")
    parser.add_argument("--ensemble", action="store_true", help="put names into many sentences; slower, a little surer")
    parser.add_argument("--top", type=int, default=TOP, metavar="N", help=f"phrases shown (default: {TOP})")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the pictures with bars beside them")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Ask. Nothing is moved; exit code 1 if some pictures can't be read."""
    from refsort.explore.phrases import ask, encoder_with_words, gather_labels
    from refsort.names import show
    from refsort.report import Console
    from refsort.report.explore_phrases import draw_phrases, phrases_text

    config = config_from(args)
    console = Console(config, json=args.json)
    labels = gather_labels(args.labels, args.labels_file, console.message)
    encoder = encoder_with_words(config, console)
    table = ask(config, encoder, args.images, labels, console.message, ensemble=args.ensemble)
    console.close()
    top = max(args.top, 1)
    print(phrases_text(table.paths, table.labels, table.shares, table.cosines, top), file=console.out)
    drawn = False
    if args.png:
        drawn = draw_phrases([Path(p) for p in table.paths], table.labels, table.shares, args.png, config.max_pixels)
        print(f"\nchart: {show(str(args.png))}" if drawn else "no chart: pip install matplotlib", file=console.out)
    if args.json:
        print(
            json.dumps(table.as_dict(None if len(labels) <= 100 else top) | {"png": str(args.png) if drawn else None})
        )
    return 0 if len(table.paths) == len(args.images) else 1
