"""What counts as truth here: references, pictures that people put right or confirmed, and surely sorted ones."""

import argparse
import json
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.files.dataset import Dataset

HELP = "what counts as truth, and confirm it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="a line for each picture")
    what.add_argument(
        "--confirm", nargs="+", metavar="WHAT", help="these are right where they lie: files, or whole classes"
    )
    what.add_argument("--forget", nargs="+", metavar="WHAT", help="take that back")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Show the labels, or say something about some. No picture is moved."""
    from refsort.files.dataset import Dataset

    config = config_from(args)
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    if args.confirm or args.forget:
        return _say(args, dataset)
    from refsort.learn.truth import find_truth
    from refsort.report import Console
    from refsort.report.labels_words import Entry, as_dict, labels_list, labels_table
    from refsort.sorting.prepared import prepare
    from refsort.sorting.sorter import journal_to_look_at

    console = Console(config, json=args.json)
    with journal_to_look_at(dataset) as journal, prepare(config, dataset, console) as prepared:
        truth = find_truth(dataset, journal, prepared, console)
        classes, encoder = prepared.references.classes, prepared.encoder.name
    console.close()
    labels: list[Entry] = [(label.path, label.class_name, label.source, label.weight) for label in truth.labels]
    found = labels, truth.left_out, truth.contradictions
    print(labels_list(*found) if args.list else labels_table(classes, *found), file=console.out)
    if args.json:
        print(json.dumps({"dataset": config.dataset, "encoder": encoder, **as_dict(classes, *found)}))
    return 0


def _say(args: argparse.Namespace, dataset: "Dataset") -> int:
    """Confirm or forget; needs no encoder, and no lock: a daemon may go on."""
    import sys

    from refsort.files.confirmed import confirm, forget
    from refsort.files.journal import Journal
    from refsort.learn.confirming import meant, to_forget
    from refsort.sorting.sorter import journal_path

    journal = Journal(journal_path(dataset))
    try:
        if args.confirm:
            found = meant(dataset, journal, args.confirm)
            confirm(journal, [(one.sha256, one.class_name) for one in found], "labels")
            done = {"confirmed": len(found)}
            words = f"{len(found)} pictures are confirmed"
        else:
            number = forget(journal, to_forget(dataset, journal, args.forget))
            done = {"forgotten": number}
            words = f"{number} confirmations are forgotten"
    finally:
        journal.close()
    print(words, file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(json.dumps(done))
    return 0
