"""List the encoders that can be used here and now."""

import argparse
import json

HELP = "list encoders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    from refsort.encoders import overview

    rows = overview()
    if args.json:
        print(json.dumps({"encoders": [row._asdict() for row in rows]}))
        return 0
    width = max(len(row.name) for row in rows)
    for row in rows:
        print(f"{row.name:{width}}  {'ready  ' if row.ready else 'missing'}  {row.about}")
    return 0
