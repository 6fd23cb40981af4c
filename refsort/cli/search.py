"""Find pictures by what they show: a sentence, another picture, or both, with what they should not show.

Examples: refsort search "a dog playing in the park"; refsort search --like beach.jpg --not "people" --in Dataset
"""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.explore.hits import Filters, Found
    from refsort.explore.query import Part
    from refsort.explore.search import Search
    from refsort.report.explore_search import Shown

HELP = "find pictures by words or by a picture"
TOP, NOT_WEIGHT = 10, 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("phrases", nargs="*", metavar="PHRASE", help="what the picture shows; several are added up")
    parser.add_argument("--image", type=Path, action="append", default=[], metavar="FILE", help="a picture like this")
    parser.add_argument(
        "--like", type=Path, action="append", default=[], metavar="FILE", help="the same, but not this picture itself"
    )
    parser.add_argument(
        "--not", dest="unwanted", action="append", default=[], metavar="PHRASE|FILE", help="what it should not show"
    )
    parser.add_argument(
        "--weights", type=float, nargs="+", metavar="W", help="of phrases, then --image, then --like (default: 1 each)"
    )
    parser.add_argument(
        "--not-weight", type=float, default=NOT_WEIGHT, metavar="W", help=f"of each --not (default: {NOT_WEIGHT})"
    )
    parser.add_argument("--top", type=_positive, default=TOP, metavar="K", help=f"how many (default: {TOP})")
    parser.add_argument(
        "--match", choices=("pictures", "captions", "both"), default="pictures", help="what is searched"
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="any folder (default: the dataset)")
    parser.add_argument("--captions", type=Path, metavar="FILE", help="lines 'image,caption' (default: captions.txt)")
    parser.add_argument(
        "--class", dest="classes", action="append", default=[], metavar="NAME", help="of this class only"
    )
    parser.add_argument("--since", type=_day, metavar="DATE", help="taken on that day (2026-11-21) or later")
    parser.add_argument("--until", type=_day, metavar="DATE", help="taken on that day or earlier")
    parser.add_argument("--in", dest="inside", metavar="FOLDER", help="in this sub-folder only")
    parser.add_argument("--near", type=float, metavar="COSINE", help="fold pictures as like as that (default: 0.985)")
    parser.add_argument("--all", action="store_true", help="show near duplicates one by one")
    parser.add_argument("--exact", action="store_true", help="compare with every picture, however many")
    parser.add_argument("--as-is", action="store_true", help="search what is indexed, without looking for new pictures")
    parser.add_argument("--html", nargs="?", const="", metavar="FILE", help="write a page (default: among the reports)")
    parser.add_argument("--copy-to", type=Path, metavar="DIR", help="copy what is found there; nothing is overwritten")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Search. No picture is changed. Exit code 1 if a copy failed."""
    from refsort.explore.copying import copy_hits
    from refsort.explore.search import open_search
    from refsort.explore.search_words import found_text, told
    from refsort.names import show
    from refsort.report import Console
    from refsort.report.explore_search import write_search_page

    _check(args)
    config = config_from(args)
    console = Console(config, json=args.json)
    words = sys.stderr if args.json else sys.stdout
    text = _has_words(args)
    with open_search(config, args.folder, console, text=text, update=not args.as_is, captions=args.captions) as search:
        console.close()
        brought = search.brought
        if brought is not None and (brought.new or brought.gone or brought.renamed):
            changes = f"{brought.new} new, {brought.renamed} renamed, {brought.gone} gone"
            console.message(f"the index was brought up to date: {changes}, {brought.seconds:.1f} s")
        parts = _parts(args, search)
        for part in parts:
            if part.warning:
                console.message(f"warning: {part.warning}")
        found = _find(args, search, parts)
        measure = _measure(args, parts)
        print(found_text(found, measure=measure), file=words)
        page = None
        if args.html is not None:
            place = Path(args.html) if args.html else search.dataset.state / "reports" / "search.html"
            page = str(
                write_search_page(
                    place,
                    _title(parts),
                    f"{show(str(search.dataset.root))} · {told(found)} · {measure}",
                    _shown(found, search),
                    config.max_pixels,
                )
            )
            print(f"  page: {show(page)}", file=words)
        copied, failed = copy_hits(search.dataset, found.hits, args.copy_to) if args.copy_to else ([], [])
    if args.copy_to:
        print(f"  {len(copied)} pictures copied to {show(str(args.copy_to))}", file=words)
    for path, reason in failed:
        console.message(f"not copied: {show(path)}: {reason}")
    if args.json:
        rest = {
            "report": page,
            "copied": [show(str(p)) for p in copied],
            "warnings": [p.warning for p in parts if p.warning],
        }
        print(json.dumps(_as_dict(found, search, parts, args) | rest))
    return 1 if failed else 0


def _check(args: argparse.Namespace) -> None:
    """Raise ConfigError for a query that can't be answered, before anything is embedded."""
    from refsort.errors import ConfigError
    from refsort.explore.query import check_phrase

    for text in [*args.phrases, *args.unwanted]:
        check_phrase(text)
    if not args.phrases and not args.image and not args.like:
        raise ConfigError('search needs what to look for: "a dog in the snow", --image FILE or --like FILE')


def _has_words(args: argparse.Namespace) -> bool:
    """Whether any part of the query is a phrase, or there are captions to match."""
    return bool(args.phrases) or args.match != "pictures" or any(not _is_file(text) for text in args.unwanted)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        return False


def _parts(args: argparse.Namespace, search: "Search") -> "list[Part]":
    from refsort.errors import ConfigError
    from refsort.explore.query import clean

    phrases = list(dict.fromkeys(clean(text) for text in args.phrases)) if args.weights is None else args.phrases
    number = len(phrases) + len(args.image) + len(args.like)
    weights = [1.0] * number if args.weights is None else args.weights
    if len(weights) != number:
        raise ConfigError(f"--weights: {len(weights)} numbers for {number} phrases and pictures; give one for each")
    pictures = [(path, True) for path in args.image] + [(path, False) for path in args.like]
    parts = [search.phrase(text, weight) for text, weight in zip(phrases, weights, strict=False)]
    for (path, itself), weight in zip(pictures, weights[len(phrases) :], strict=True):
        parts.append(search.picture(_within(path, search), weight, itself=itself))
    for text in args.unwanted:
        weight = -abs(args.not_weight)
        parts.append(search.picture(Path(text), weight) if _is_file(text) else search.phrase(text, weight))
    return parts


def _within(path: Path, search: "Search") -> Path:
    """A picture named from here, or as it lies in the dataset."""
    inside = search.dataset.path(str(path))
    return inside if not path.expanduser().exists() and inside.exists() else path.expanduser()


def _find(args: argparse.Namespace, search: "Search", parts: "list[Part]") -> "Found":
    from refsort.explore.search import NEAR

    near = None if args.all else NEAR if args.near is None else args.near
    filters = _filters(args, search)
    return search.find(parts, top=args.top, match=args.match, filters=filters, near=near, exactly=args.exact)


def _filters(args: argparse.Namespace, search: "Search") -> "Filters":
    from refsort.errors import DatasetError
    from refsort.explore.hits import Filters
    from refsort.names import show

    inside = args.inside
    if inside is not None:
        path = Path(inside).expanduser()
        if path.is_absolute():
            inside = search.dataset.relative(path.resolve())
        inside = inside.replace("\\", "/").removeprefix("./").strip("/")
        if not search.dataset.path(inside).is_dir() or inside.startswith(".."):
            raise DatasetError(f"--in: {show(args.inside)} is no folder of {show(str(search.dataset.root))}")
    until = None if args.until is None else (args.until + timedelta(days=1)).timestamp()
    since = None if args.since is None else args.since.timestamp()
    return Filters(tuple(args.classes), since, until, inside or None)


def _measure(args: argparse.Namespace, parts: "list[Part]") -> str:
    if args.match == "both":
        return "standard scores of picture and caption, added"
    thing = "caption" if args.match == "captions" else "picture"
    return f"cosine with the {thing}" if len(parts) == 1 else f"cosine of the combined query with the {thing}"


def _title(parts: "list[Part]") -> str:
    wanted = [part.words for part in parts if part.weight > 0]
    unwanted = [part.words for part in parts if part.weight < 0]
    return " + ".join(wanted) + "".join(f" − {words}" for words in unwanted)


def _shown(found: "Found", search: "Search") -> "list[Shown]":
    from refsort.report.explore_search import Shown

    return [
        Shown(
            *(search.dataset.path(hit.path), hit.path, f"{hit.similarity:.3f}", hit.caption),
            *(tuple(hit.copies), tuple(hit.near)),
        )
        for hit in found.hits
    ]


def _as_dict(found: "Found", search: "Search", parts: "list[Part]", args: argparse.Namespace) -> dict[str, object]:
    from refsort.names import show

    assert search.encoder is not None
    return {
        "query": [{"kind": part.kind, "words": show(part.words), "weight": part.weight} for part in parts],
        "encoder": search.encoder.name,
        "match": args.match,
        "pictures": found.pictures,
        "how": found.how,
        "recall": found.recall,
        "seconds": round(found.seconds, 4),
        "index": None if search.brought is None else search.brought.as_dict(),
        "hits": [hit.as_dict() for hit in found.hits],
    }


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write 2026-11-21") from None
