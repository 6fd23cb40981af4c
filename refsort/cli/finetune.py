"""Learn from what people have put right or confirmed: train, test on a hold-out, put into use only what is better."""

import argparse
import json
import sys
from typing import get_args

from refsort.cli.settings import add_settings, config_from

HELP = "learn from corrections; a better model is put into use"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    from refsort.learn.recipes import RecipeName

    parser.add_argument("--recipe", choices=get_args(RecipeName), default="auto", help="auto: by the amount of data")
    parser.add_argument("--if-new", type=int, default=0, metavar="N", help="only with N new corrections or more")
    parser.add_argument("--no-promote", action="store_true", help="make and test the model, but leave it unused")
    parser.add_argument("--seed", type=int, default=0, help="of chance; the same seed gives the same model")
    parser.add_argument("--epochs", type=int, default=None, help="passes over the pictures (default: by the recipe)")
    parser.add_argument("--install", action="store_true", help="print a systemd timer and a cron line, and do no more")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Train once. Exit code 0 also if there was nothing to do, or the model was no better."""
    config = config_from(args)
    if args.install:
        from refsort.cli.units import flags_beside, settings_file
        from refsort.watch.timer import timer

        file = settings_file(args)
        words = ["--if-new", str(args.if_new or WEEKLY)]
        words += [] if args.recipe == "auto" else ["--recipe", args.recipe]
        print(timer(config, file, flags_beside(config, file), words), end="")
        return 0
    from refsort.learn.finetune import finetune
    from refsort.learn.training import Options
    from refsort.report import Console

    console = Console(config, json=args.json)
    options = Options(recipe=args.recipe, seed=args.seed, epochs=args.epochs, threads=config.threads)
    try:
        outcome = finetune(config, options, console, if_new=args.if_new, promote=not args.no_promote)
    finally:
        console.close()
    print(outcome.words, file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(json.dumps(outcome.as_dict()))
    return 0


WEEKLY = 20
"""New corrections that a weekly training of `--install` waits for."""
