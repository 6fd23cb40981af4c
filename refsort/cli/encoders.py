"""List the encoders that can be used here and now, and how fast each is on this machine."""

import argparse
import json

HELP = "list encoders"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--no-speed", action="store_true", help="do not measure; answers at once")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    from refsort.encoders import overview

    rows = overview(measure=not args.no_speed)
    if args.json:
        print(json.dumps({"encoders": [row._asdict() for row in rows]}))
        return 0
    print(f"{'encoder':14}  {'ready':5}  {'numbers':>7}  {'images/s':>8}  what it is")
    for row in rows:
        speed = "-" if row.images_per_second is None else f"{row.images_per_second:.0f}"
        print(f"{row.name:14}  {'yes' if row.ready else 'no':5}  {row.dim or '-':>7}  {speed:>8}  {row.about}")
    print("also: a folder or hub name of a sentence-transformers image model, and onnx:FILE with FILE.json beside it")
    return 0
