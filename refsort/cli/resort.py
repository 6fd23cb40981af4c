"""Move sorted pictures that would go elsewhere by now. What a person has put or confirmed somewhere never moves."""

import argparse
import json
from itertools import groupby
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.learn.resorting import Change, Resorted
    from refsort.report.pictures_page import PictureSection

HELP = "sort again what has been sorted"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--dry-run", action="store_true", help="show what would move; nothing is moved")
    parser.add_argument("--aside", action="store_true", help="also out of its class what no class is sure of any more")
    parser.add_argument("--no-report", action="store_true", help="write no HTML page")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Sort again. Exit code 1 if a file failed."""
    from contextlib import ExitStack

    from refsort.files.dataset import Dataset
    from refsort.files.journal import Journal
    from refsort.learn.resorting import carry_out, plan
    from refsort.names import show
    from refsort.report import Console, command
    from refsort.report.pictures_page import write_pictures_page
    from refsort.sorting.prepared import prepare
    from refsort.sorting.sorter import journal_path, journal_to_write

    config = config_from(args)
    dataset = Dataset(config.dataset_path, config.folders, config.state_dir)
    dataset.check()
    console = Console(config, json=args.json)
    with ExitStack() as stack:
        journal = Journal(journal_path(dataset), create=False)
        stack.callback(journal.close)
        if not args.dry_run:
            journal = stack.enter_context(journal_to_write(dataset, "resort", console))
        prepared = stack.enter_context(prepare(config, dataset, console))
        result = plan(config, dataset, journal, prepared, console, aside=args.aside)
        page = None
        if not args.no_report:  # Before anything moves: the page reads the pictures where they lie.
            page = dataset.state / "reports" / "resort.html"
            lead = f"encoder {result.encoder}; {result.looked_at} sorted pictures were looked at"
            title = f"{config.dataset}: what would go elsewhere"
            write_pictures_page(page, title, lead, _sections(result), dataset, config)
        if not args.dry_run:
            carry_out(config, dataset, journal, prepared, result, console)
    console.close()
    print(_table(result), file=console.out)
    if page is not None:
        print(f"page:  {show(str(page))}", file=console.out)
    if result.run is not None:
        print(f"undo:  {show(command(config, 'undo', str(result.run)))}", file=console.out)
    elif result.changes:
        print("nothing was moved; without --dry-run it is", file=console.out)
    if args.json:
        print(json.dumps(result.as_dict() | {"dry_run": args.dry_run, "report": None if page is None else str(page)}))
    return 1 if result.count("failed") else 0


def _sections(result: "Resorted") -> list["PictureSection"]:
    from refsort.report.pictures_page import PictureSection, Shown

    return [
        PictureSection(f"{before} → {after}", "", [Shown(change.path, _sure(change)) for change in changes])
        for (before, after), changes in _by_way(result)
    ]


def _by_way(result: "Resorted") -> list[tuple[tuple[str, str], list["Change"]]]:
    return [(way, list(changes)) for way, changes in groupby(result.changes, lambda c: (c.before, c.after))]


def _sure(change: "Change") -> str:
    decision = change.decision
    if decision.verdict != "sure":
        return decision.reason
    return "" if decision.probability is None else f"{100 * decision.probability:.1f} % sure"


def _table(result: "Resorted") -> str:
    """How many go from where to where, and what was not looked at."""
    from refsort.names import show

    head = f"{show(result.dataset)}: {result.looked_at} sorted pictures looked at"
    lines = [f"{head}, encoder {show(result.encoder)}", ""]
    for (before, after), changes in _by_way(result):
        lines.append(f"  {len(changes):>6}  {show(before)} → {show(after)}")
    if not result.changes:
        lines.append("  all of them are well where they are")
    lines.append("")
    lines += [f"left alone: {count}, {reason}" for reason, count in sorted(result.held.items())]
    lines += [f"{c.state}: {show(c.path)}: {c.reason}" for c in result.changes if c.state in ("changed", "failed")]
    return "\n".join(lines).rstrip()
