"""Fine-tuned models of a dataset: list them, put one into use, go back, compare two on what people have confirmed."""

import argparse
import json
import sys
from typing import Any

from refsort.cli.settings import add_settings, config_from
from refsort.errors import ConfigError

HELP = "list, promote, roll back or compare fine-tuned models"
WANTED = {"list": 0, "promote": 1, "rollback": 0, "compare": 2}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("what", nargs="?", choices=list(WANTED), default="list", help="default: list")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="promote: one; compare: two, 'base' is the encoder")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Do what is asked. Raises ModelError."""
    config = config_from(args)
    if len(args.runs) != WANTED[args.what]:
        raise ConfigError(f"models {args.what} wants {WANTED[args.what]} RUN, not {len(args.runs)}")
    from refsort.files.dataset import Dataset
    from refsort.sorting.models import model_store

    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    store = model_store(dataset)
    words = sys.stderr if args.json else sys.stdout
    found: dict[str, Any]
    if args.what == "compare":
        from refsort.learn.comparing import compare_models
        from refsort.report import Console
        from refsort.report.models_words import comparison_table

        console = Console(config, json=args.json)
        comparison = compare_models(config, args.runs[0], args.runs[1], console)
        console.close()
        print(comparison_table(args.runs[0], args.runs[1], comparison.as_dict()), file=words)
        found = comparison.as_dict()
    elif args.what == "list":
        from refsort.report.models_words import models_table

        promotion = store.promotion()
        current = promotion.run if promotion else None
        models = [{**store.about(run), "run": run, "current": run == current} for run in store.runs()]
        print(models_table(config.dataset, models), file=words)
        found = {"dataset": config.dataset, "current": current, "models": models}
    else:
        promoted = store.promote(args.runs[0]) if args.what == "promote" else store.rollback()
        current = promoted.run if promoted else None
        print(f"in use now: {current or 'the encoder as it is'}", file=words)
        found = {"dataset": config.dataset, "current": current}
    if args.json:
        print(json.dumps(found))
    return 0
