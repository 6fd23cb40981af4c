"""Look at the reference pictures before anything moves: duplicates, wrong folders, classes too alike, too few."""

import argparse
import json
import sys

from refsort.cli.settings import add_settings, config_from

HELP = "look at the references"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--html", action="store_true", help="write a page that shows the pictures side by side")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Check the references. Exit code 1 if there are errors; warnings and notes are for a person to judge."""
    from refsort.decide.check import check
    from refsort.errors import DatasetError
    from refsort.files.dataset import Dataset
    from refsort.names import show
    from refsort.report import Console
    from refsort.report.check_page import write_check_page
    from refsort.report.check_words import as_dict, check_table
    from refsort.sorting.prepared import prepare

    config = config_from(args)
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    words = sys.stderr if args.json else sys.stdout
    console = Console(config, json=args.json)
    with prepare(config, dataset, console) as prepared:
        console.close()
        references, encoder = prepared.references.pictured(), prepared.encoder.name
    if not references.classes:
        raise DatasetError("there is no reference picture to look at: all classes are known by words only")
    findings = check(references.vectors, references.labels, len(references.classes), references.hashes)
    head = f"{show(config.dataset)}: {len(references.paths)} references, encoder {show(encoder)}"
    print(f"{head}\n\n{check_table(findings, references)}", file=words)
    report = str(write_check_page(findings, references, dataset, config, encoder)) if args.html else None
    if report:
        print(f"page:  {show(report)}", file=words)
    if args.json:
        found = {"dataset": config.dataset, "encoder": encoder, **as_dict(findings, references), "report": report}
        print(json.dumps(found))
    return 1 if findings.count("error") else 0
