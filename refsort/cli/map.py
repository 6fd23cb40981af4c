"""Lay pictures and phrases out on one map, alike ones together: a page to explore and a PNG."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from refsort.cli.settings import add_settings, config_from
from refsort.errors import ConfigError
from refsort.names import show

if TYPE_CHECKING:
    from refsort.explore.map import Phrase
    from refsort.files.dataset import Dataset

HELP = "a map of pictures and phrases"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("folder", nargs="?", type=Path, metavar="FOLDER", help="any folder (default: the dataset)")
    parser.add_argument("--of", metavar="A,B", help="only these folders inside it: Clases,Images,Dataset,Unsure,…")
    parser.add_argument("--method", choices=("pca", "tsne", "umap"), default="pca", help="layout (default: pca)")
    parser.add_argument(
        "--phrases",
        nargs="*",
        metavar="PHRASE",
        help="phrases on the map too; without any: what the classes are called",
    )
    parser.add_argument("--seed", type=_whole, default=0, metavar="N", help="the same seed, the same map (default: 0)")
    parser.add_argument("--color", "--colour", dest="colour", choices=("class", "folder"), default="class")
    parser.add_argument("--thumbnails", action="store_true", help="pictures instead of dots, where there is room")
    parser.add_argument("--labels", action="store_true", help="file names beside the points, where there is room")
    parser.add_argument("--limit", type=_whole, default=0, metavar="N", help="at most so many pictures, drawn by lot")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where map-*.html and .png go (default: reports)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Draw the map. Nothing is moved. Exit code 1 if pictures were left out that can't be read."""
    from refsort.explore.map import Wish, make_map
    from refsort.explore.projection import require
    from refsort.explore.source import open_source
    from refsort.report import Console
    from refsort.report.explore_map import METHODS, tile_side, write_map_page
    from refsort.report.explore_map_png import write_map_png

    require(args.method)
    config = config_from(args)
    console = Console(config, json=args.json)
    parts = args.of.split(",") if args.of else None
    wish = Wish(parts, args.method, args.seed, args.colour, args.limit)
    with open_source(config, args.folder, console, text=args.phrases is not None) as source:
        found = make_map(source, wish, _phrases(args.phrases, source.dataset, console.message), console)
        dataset = source.dataset
    folder = args.out.expanduser().resolve() if args.out else dataset.state / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    shown = "pictures" if args.thumbnails else "dots"
    if tile_side(len(found.images)):
        console.stage("small pictures", len(found.images))
    elif args.thumbnails:
        console.message("so many pictures are drawn as dots; the page shows each from its file")
    page = folder / f"map-{found.asked}.html"
    write_map_page(found, dataset, page, config.max_pixels, shown=shown, labels=args.labels, step=console.step)
    png = write_map_png(
        found, dataset, page.with_suffix(".png"), config.max_pixels, pictures=args.thumbnails, labels=args.labels
    )
    console.close()
    what = f"{len(found.images)} pictures" + (f" and {len(found.texts)} phrases" if found.texts else "")
    print(f"{show(found.title)}: {METHODS[found.method]} of {what}, encoder {show(found.encoder)}", file=console.out)
    if found.method != found.asked:
        print(f"  {METHODS[found.asked]} needs more, and different, pictures", file=console.out)
    if found.explained:
        print("  the axes show {:.0%} and {:.0%} of the variance".format(*found.explained), file=console.out)
    for path, reason in found.left_out[:8]:
        print(f"  left out: {show(path)}: {reason}", file=console.out)
    print(f"  page: {show(str(page))} ({page.stat().st_size / 1e6:.1f} MB)", file=console.out)
    print(f"  png:  {show(str(png)) if png else 'needs matplotlib: the extra map'}", file=console.out)
    if args.json:
        print(json.dumps(found.as_dict() | {"page": show(str(page)), "png": show(str(png)) if png else None}))
    return 1 if found.left_out else 0


def _phrases(given: list[str] | None, dataset: "Dataset", tell: Callable[[str], None]) -> list["Phrase"]:
    """What is to be on the map: the phrases given, or those that describe the dataset's classes."""
    from refsort.explore.map import Phrase
    from refsort.sorting.class_words import name_as_phrase, read_phrases, tidy

    if given is None:
        return []
    if given:
        phrases, notes = tidy(given)
        for note in notes:
            tell(note)
        return [Phrase(phrase) for phrase in phrases]
    if not dataset.path(dataset.names.references).is_dir():
        raise ConfigError(
            f"{show(dataset.name)} is no dataset with classes; name the phrases: --phrases 'a dog' 'a cat'"
        )
    return [
        Phrase(phrase, name)
        for name in dataset.classes()
        for phrase in read_phrases(dataset, name) or [name_as_phrase(name)]
    ]


def _whole(text: str) -> int:
    """A number from 0 on."""
    number = int(text)
    if number < 0:
        raise ValueError(text)
    return number
