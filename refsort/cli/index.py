"""Prepare a dataset or any folder for searching: embed every picture once, so that a search takes no time."""

import argparse
import json
import sys
from pathlib import Path

from refsort.cli.needs import needs_pyarrow
from refsort.cli.settings import add_settings, config_from

HELP = "prepare a folder for searching"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="any folder (default: the dataset)")
    parser.add_argument("--captions", type=Path, metavar="FILE", help="lines 'image,caption' (default: captions.txt)")
    parser.add_argument(
        "--for",
        dest="what",
        choices=("words", "pictures", "both"),
        default="both",
        help="to be searched by words, by pictures, or both; one index where one encoder does both (default: both)",
    )
    parser.add_argument(
        "--vectors",
        metavar="VECTORS",
        help="take over what 'refsort embed' has made of this folder, instead of embedding",
    )
    parser.add_argument("--check", action="store_true", help="compare every row of the index with its checksum first")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Index. No picture is touched. Exit code 1 if some could not be read."""
    from refsort.errors import EncoderError
    from refsort.explore.index import Brought, bring_up_to_date
    from refsort.explore.search import store_of
    from refsort.explore.search_words import index_text
    from refsort.explore.source import open_source
    from refsort.report import Console

    if args.vectors and args.what == "both":
        args.what = "pictures"
    config = config_from(args)
    console = Console(config, json=args.json)
    found: list[Brought] = []
    for text in {"words": [True], "pictures": [False], "both": [True, False]}[args.what]:
        try:
            with open_source(config, args.folder, console, text=text) as source:
                if found and found[0].encoder == source.encoder.name:
                    break
                with store_of(source, whole=args.check) as store:
                    if args.vectors:
                        with needs_pyarrow():
                            from refsort.scale.indexing import take_vectors
                        take_vectors(source, store, args.vectors, console)
                    found.append(bring_up_to_date(source, store, console, captions=args.captions))
        except EncoderError as error:
            if args.what != "both" or not text:
                raise
            console.message(f"not for words: {error}")
        finally:
            console.close()
    words = sys.stderr if args.json else sys.stdout
    for result in found:
        print(index_text(result), file=words)
    if args.json:
        print(json.dumps({"indexes": [result.as_dict() for result in found]}))
    return 1 if any(result.problems for result in found) else 0
