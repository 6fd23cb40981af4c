"""Decide about a folder of vectors by a dataset's references; the outcome is a plan to look at and to carry out."""

import argparse
import json
import sys
from pathlib import Path

from refsort.cli.embed import add_engine
from refsort.cli.settings import add_settings, config_from

HELP = "vectors to a plan of moves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("vectors", metavar="VECTORS", help="a folder that 'refsort embed' has filled")
    parser.add_argument("--to", required=True, type=Path, metavar="PLAN", help="the plan, a Parquet file")
    add_engine(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Write the plan. Nothing is moved."""
    from refsort.cli.needs import needs_pyarrow
    from refsort.files.dataset import Dataset
    from refsort.names import show
    from refsort.report import Console, command
    from refsort.sorting.prepared import prepare

    with needs_pyarrow():
        from refsort.scale.deciding import Engine, decide_vectors, here
    config = config_from(args)
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    console = Console(config, json=args.json)
    engine: Engine = here
    if args.engine == "ray":
        from refsort.scale.ray_deciding import RayDeciding

        engine = RayDeciding(address=args.address, workers=args.workers)
    with prepare(config, dataset, console) as prepared:
        result = decide_vectors(config, dataset, prepared, args.vectors, args.to, console, engine)
    console.close()
    lines = [
        f"{result.pictures} pictures in {result.seconds:.1f} s: {result.sure} sure, {result.unsure} unsure, "
        f"{result.unknown} unknown, {result.unreadable} unreadable",
        *(f"  {name}: {count}" for name, count in result.per_class.items()),
        f"to carry it out: {show(command(config, 'apply', str(args.to)))}",
    ]
    print("\n".join(lines), file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(json.dumps(result.as_dict()))
    return 0
