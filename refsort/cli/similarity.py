"""Compare every picture of a folder with some phrases: a table in the terminal, as a page, as CSV, as a drawing."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path

from refsort.cli.settings import add_settings, config_from

HELP = "compare a folder's pictures with phrases"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="any folder (default: the dataset)")
    parser.add_argument("--labels", nargs="+", default=[], metavar="PHRASE", help="phrases, each in quotes")
    parser.add_argument("--labels-file", type=Path, metavar="FILE", help="phrases, one a line; # begins a comment")
    parser.add_argument("--ensemble", action="store_true", help="put names into many sentences; slower, a little surer")
    parser.add_argument("--raw", action="store_true", help="cosines instead of shares that sum to one")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with small pictures")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write everything as a table for other programs")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the table")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Compare. Nothing is moved."""
    from refsort.explore.phrases import gather_labels
    from refsort.explore.similarity import similarity
    from refsort.explore.source import open_source
    from refsort.names import show
    from refsort.report import Console
    from refsort.report.explore_similarity import Grid, draw_grid, grid_text, write_csv, write_page

    config = config_from(args)
    console = Console(config, json=args.json)
    labels = gather_labels(args.labels, args.labels_file, console.message)
    with open_source(config, args.folder, console, text=True) as source:
        table = similarity(source, labels, console, ensemble=args.ensemble)
        root = source.dataset.root
    console.close()
    values = table.cosines if args.raw else table.shares
    note = getattr(source.encoder, "approximate", "")
    grid = Grid(root, table.paths, table.labels, values, shares=not args.raw, encoder=table.encoder, note=note)
    out = console.out
    colour = out.isatty() and "NO_COLOR" not in os.environ
    print(grid_text(grid, shutil.get_terminal_size((100, 24)).columns, colour=colour), file=out)
    if args.html:
        write_page(grid, args.html, config.max_pixels)
    if args.csv:
        write_csv(grid, args.csv)
    drawn = draw_grid(grid, args.png, config.max_pixels) if args.png else False
    if args.png and not drawn:
        print("no drawing: pip install matplotlib", file=sys.stderr)
    made = {"html": args.html, "csv": args.csv, "png": args.png if drawn else None}
    for kind, path in made.items():
        if path:
            print(f"{kind + ':':6} {show(str(path))}", file=out)
    if args.json:
        print(json.dumps(table.as_dict() | {kind: str(path) if path else None for kind, path in made.items()}))
    return 0
