"""Find the same picture twice: same bytes, saved again, resized, slightly cropped, brightened, turned or mirrored."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.config import Config
    from refsort.explore.duplicates import Duplicates, Looked
    from refsort.files.dataset import Dataset
    from refsort.files.journal import Journal

HELP = "the same picture twice"
SHOWN = 12
"""Groups on the console; --html and --json have all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="any folder (default: the dataset)")
    parser.add_argument("--exact", action="store_true", help="only files of the same bytes")
    parser.add_argument("--move", action="store_true", help="move all but the best of each into Duplicates/")
    parser.add_argument("--html", action="store_true", help="write a page that shows the groups")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser, "dataset", "data_dir", "encoder", "threads", "isolate", "max_pixels", "max_bytes", "state_dir")


def run(args: argparse.Namespace) -> int:
    """Look for duplicates. Exit code 1 if one could not be moved."""
    from contextlib import ExitStack

    from refsort.explore.dedupe import find_duplicates
    from refsort.explore.put_aside import put_aside
    from refsort.explore.source import locate, open_source
    from refsort.names import show
    from refsort.report import Console
    from refsort.sorting.sorter import journal_to_look_at, journal_to_write

    config = config_from(args)
    dataset = locate(config, args.folder)
    console = Console(config, json=args.json)
    with ExitStack() as stack:
        journal: Journal | None
        if args.move:
            journal = stack.enter_context(journal_to_write(dataset, "dedupe", console))
        else:
            journal = stack.enter_context(journal_to_look_at(dataset))
        source = stack.enter_context(open_source(config, args.folder, console))
        result = find_duplicates(config, source, console, exact=args.exact, journal=journal)
        page = _page(result, dataset, config) if args.html else None  # It reads the pictures where they lie.
        if args.move and journal is not None:
            put_aside(dataset, journal, result, console)
    console.close()
    print(_table(result), file=console.out)
    if page is not None:
        print(f"page:  {show(str(page))}", file=console.out)
    if result.run is not None:
        print(f"undo:  {show(_undo(config, args.folder, result.run))}", file=console.out)
    elif result.groups and not args.move:
        print("nothing was moved; --move puts all but the best of each into Duplicates/", file=console.out)
    if args.json:
        print(json.dumps(result.as_dict() | {"report": None if page is None else str(page)}))
    return 1 if result.count("failed") else 0


def _undo(config: "Config", folder: Path | None, run: int) -> str:
    from refsort.report import command

    words = ["undo", str(run)]
    return command(config, *words, *([] if folder is None else ["--folder", str(folder.resolve())]))


def _page(result: "Duplicates", dataset: "Dataset", config: "Config") -> Path:
    from refsort.report.pictures_page import PictureSection, Shown, write_pictures_page

    sections = []
    for number, group in enumerate(result.groups, 1):
        shown = [Shown(group.kept.path, f"kept · {_words(group.kept)}")]
        for other in group.others:
            how = "same bytes" if other.kind == "exact" else f"alike {100 * other.correlation:.0f} %"
            shown.append(Shown(other.path, f"{how} · {_words(other)}"))
        where = ", ".join(dict.fromkeys(picture.path.rpartition("/")[0] or result.name for picture in shown))
        sections.append(PictureSection(f"{number} · {group.kind} duplicates", where, shown))
    path = dataset.state / "reports" / "dedupe.html"
    lead = f"{result.looked_at} pictures; the best of each group comes first"
    write_pictures_page(path, f"{result.name}: the same picture twice", lead, sections, dataset, config)
    return path


def _words(file: "Looked") -> str:
    return f"{file.width} × {file.height}, {_size(file.stat.size)}"


def _size(number: int) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e6 else f"{number / 1e3:.0f} kB"


def _table(result: "Duplicates") -> str:
    """How much there is twice, and the groups with most to gain."""
    from refsort.names import show

    others = list(result.others())
    exact = sum(other.kind == "exact" for other in others)
    lines = [f"{show(result.name)}: {result.looked_at} pictures, {result.unreadable} unreadable", ""]
    for group in result.groups[:SHOWN]:
        lines.append(f"  keep  {show(group.kept.path)}  ({_words(group.kept)})")
        for other in group.others[:SHOWN]:
            how = "same bytes" if other.kind == "exact" else f"alike {100 * other.correlation:.0f} %"
            lines.append(f"        {show(other.path)}  ({_words(other)}, {how})")
        if len(group.others) > SHOWN:
            lines.append(f"        and {len(group.others) - SHOWN} more")
    if len(result.groups) > SHOWN:
        lines.append(f"  and {len(result.groups) - SHOWN} more groups (--html shows them, --json lists them)")
    lines += [""] if result.groups else []
    lines.append(
        f"{len(result.groups)} groups: {exact} exact and {len(others) - exact} near duplicates, {_size(result.bytes)}"
    )
    if result.run is not None:
        states = [s for s in ("moved", "stays", "changed", "failed") if any(other.state == s for other in others)]
        lines.append(", ".join(f"{sum(other.state == s for other in others)} {s}" for s in states))
    lines += [f"failed: {show(o.path)}: {o.reason}" for o in others if o.state == "failed"][:SHOWN]
    return "\n".join(lines)
