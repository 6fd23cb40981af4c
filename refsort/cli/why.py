"""Say why a picture is decided as it is: its nearest references, its rivals, the cut, and what a run made of it."""

import argparse
import json

from refsort.cli.settings import add_settings, config_from

HELP = "explain one decision"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("file", metavar="FILE", help="a picture, named as it lies in the dataset or from here")
    parser.add_argument("--html", action="store_true", help="also write a page with the pictures side by side")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Explain. Nothing is moved."""
    from refsort.names import show
    from refsort.report import Console
    from refsort.report.why_words import why_text, write_why_page
    from refsort.sorting import Sorter
    from refsort.sorting.why import explain

    config = config_from(args)
    console = Console(config, json=args.json)
    dataset = Sorter(config, console).dataset
    dataset.check()
    why = explain(config, dataset, args.file, console)
    console.close()
    print(why_text(why), file=console.out)
    page = dataset.state / "reports" / "why.html"
    if args.html:
        write_why_page(why, dataset, config, page)
        print(f"\n  page: {show(str(page))}", file=console.out)
    if args.json:
        print(json.dumps(why.as_dict() | {"report": str(page) if args.html else None}))
    return 0
