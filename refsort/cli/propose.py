"""Propose new classes: groups of pictures in Unknown/ that look alike, and make a class of one of them."""

import argparse
import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.config import Config
    from refsort.files.dataset import Dataset

HELP = "propose new classes"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--also-unsure", action="store_true", help="look into Unsure/ too")
    parser.add_argument("--make", metavar="CLASS", help="make a class of --group: copies of its most typical pictures")
    parser.add_argument("--group", type=int, metavar="N", help="the group's number, as it was shown last")
    parser.add_argument("--references", type=int, metavar="N", help="with --make: how many are copied (default: 10)")
    parser.add_argument("--move", action="store_true", help="with --make: also move the whole group into the class")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Show groups, or make a class of one. Exit code 1 if a picture could not be copied or moved."""
    from refsort.errors import ConfigError
    from refsort.files.dataset import Dataset

    config = config_from(args)
    if (args.make is None) != (args.group is None):
        raise ConfigError("--make CLASS and --group N belong together")
    if args.make is None and (args.move or args.references is not None):
        raise ConfigError("--move and --references belong to --make CLASS --group N")
    if args.references is not None and args.references < 1:
        raise ConfigError("--references must be at least 1")
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    return _show(args, config, dataset) if args.make is None else _make(args, config, dataset)


def _show(args: argparse.Namespace, config: "Config", dataset: "Dataset") -> int:
    from refsort.learn.proposing import keep_proposal, propose, report_path
    from refsort.names import show
    from refsort.report import Console, command
    from refsort.report.pictures_page import PictureSection, Shown, write_pictures_page
    from refsort.sorting.prepared import prepare
    from refsort.sorting.sorter import journal_to_look_at

    console = Console(config, json=args.json)
    with journal_to_look_at(dataset) as journal, prepare(config, dataset, console) as prepared:
        proposal = propose(dataset, journal, prepared, console, unsure=args.also_unsure)
    console.close()
    keep_proposal(dataset, proposal)
    hints = {g.number: f"{g.share:.0%} of them are nearest to {g.nearest}" for g in proposal.groups}
    sections = [
        PictureSection(g.name, hints[g.number], [Shown(path, path.split("/")[0]) for path, _ in g.pictures])
        for g in proposal.groups
    ]
    page = report_path(dataset)
    grouped = sum(len(g.pictures) for g in proposal.groups)
    lead = f"{proposal.looked_at} pictures were looked at, {grouped} of them look like others; the most typical first"
    write_pictures_page(page, f"{config.dataset}: proposed classes", lead, sections, dataset, config)
    print(f"{show(config.dataset)}: {lead}\n", file=console.out)
    for g in proposal.groups:
        words = f"{len(g.pictures)} look alike ({hints[g.number]}), like {g.pictures[0][0]}"
        print(f"  {g.name:<9}  {show(words)}", file=console.out)
    print(f"\npage:  {show(str(page))}", file=console.out)
    if proposal.groups:
        make = command(config, "propose", "--make", "NAME", "--group", "1")
        print(f"make a class of one: {show(make)}", file=console.out)
    if args.json:
        groups = [
            {"group": g.number, "pictures": [show(p) for p, _ in g.pictures], "nearest": g.nearest, "share": g.share}
            for g in proposal.groups
        ]
        found = {"dataset": config.dataset, "looked_at": proposal.looked_at, "groups": groups, "report": str(page)}
        print(json.dumps(found))
    return 0


def _make(args: argparse.Namespace, config: "Config", dataset: "Dataset") -> int:
    from refsort.learn.new_class import REFERENCES, make_references, move_group
    from refsort.learn.proposing import kept_group
    from refsort.names import show
    from refsort.report import Console, command
    from refsort.sorting.sorter import journal_to_write

    console = Console(config, json=args.json)
    group = kept_group(dataset, args.group)
    with ExitStack() as stack:
        journal = stack.enter_context(journal_to_write(dataset, "propose", console)) if args.move else None
        made = make_references(dataset, group, args.make, args.references or REFERENCES)
        if journal is not None:
            move_group(dataset, journal, group, made)
    console.close()
    name, out = show(made.class_name), console.out
    folder = show(f"{dataset.names.references}/{made.class_name}")
    print(f"class {name}: {len(made.references)} pictures were copied to {folder}/", file=out)
    for path, reason in made.left:
        console.message(f"stays: {show(path)}: {reason}")
    if made.run is not None:
        print(f"{len(made.moved)} pictures of {group.name} are in {dataset.names.sorted}/{name}/ now", file=out)
        print(f"undo:  {show(command(config, 'undo', str(made.run)))} (the references stay)", file=out)
    else:
        print(f"next:  {show(command(config, 'resort', '--dry-run'))} shows what it would move there", file=out)
    if args.json:
        left = [{"path": show(path), "reason": reason} for path, reason in made.left]
        done = {"class": made.class_name, "references": made.references, "moved": made.moved, "left": left}
        print(json.dumps(done | {"run": made.run}))
    return 1 if made.left else 0
