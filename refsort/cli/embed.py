"""Embed a folder, tar files or an object store of any size, on one machine or many; what is done stays done."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from refsort.cli.needs import needs_pyarrow
from refsort.cli.settings import add_settings, config_from

if TYPE_CHECKING:
    from refsort.report import Console
    from refsort.scale.embedding import Engine, Result
    from refsort.scale.work import Job

HELP = "vectors of millions of pictures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("source", metavar="SOURCE", help="a folder, or s3://bucket/prefix (gs://, abfs://, …)")
    parser.add_argument("--to", required=True, metavar="TARGET", help="where the vectors go: likewise")
    add_engine(parser)
    parser.add_argument("--decoders", type=whole_number, metavar="N", help="ray: processes that only decode, for GPUs")
    parser.add_argument(
        "--patience", type=float, metavar="SECONDS", help="ray: a worker without a picture for so long is ended (300)"
    )
    parser.add_argument("--part-files", type=whole_number, metavar="N", help="files of a part (default: 256)")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    keys = ("encoder", "precision", "batch_size", "threads", "isolate", "max_pixels", "max_bytes")
    add_settings(parser, *keys, "dataset", "data_dir", "state_dir")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """The flags that say where the work is done."""
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: many processes or machines")
    parser.add_argument("--address", help="ray: of a cluster (default: RAY_ADDRESS, else one of its own)")
    parser.add_argument(
        "--workers", type=whole_number, default=0, metavar="N", help="ray: default: one per GPU or core"
    )


def run(args: argparse.Namespace) -> int:
    """Embed what is missing. Exit code 1 if a part could not be done; unreadable pictures are counted only."""
    from refsort.report import Console

    with needs_pyarrow():
        from refsort.scale.embedding import embed
        from refsort.scale.listing import FILES
    config = config_from(args)
    console = Console(config, json=args.json)
    try:
        result = embed(
            config,
            args.source,
            args.to,
            lambda job: _engine(args, job, console),
            console,
            args.part_files or FILES,
        )
    finally:
        console.close()
    print(_table(result), file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(json.dumps(result.as_dict()))
    return 1 if result.failed else 0


def _engine(args: argparse.Namespace, job: "Job", console: "Console") -> "Engine":
    if args.engine == "local":
        from refsort.scale.local import LocalEngine

        return LocalEngine(job, console.message)
    from refsort.scale.ray_engine import PATIENCE_S, RayEngine

    return RayEngine(
        job,
        console.message,
        address=args.address,
        workers=args.workers,
        decoders=args.decoders,
        patience=args.patience or PATIENCE_S,
    )


def _table(result: "Result") -> str:
    from refsort.names import show

    by = f", {result.engine} with {result.workers} worker{'s' * (result.workers != 1)}" if result.engine else ""
    lines = [
        f"{show(result.source)} → {show(result.to)}: {result.new} pictures in {result.seconds:.1f} s "
        f"({result.images_per_second:.0f}/s), encoder {show(result.encoder)}{by}",
        f"  {result.parts_done} of {result.parts} parts are done, of {result.files} files",
    ]
    if result.errors:
        lines.append(f"  {result.errors} could not be read; the column `error` says why")
    if result.others:
        lines.append(f"  {result.others} files that are no pictures were passed over")
    if result.failed:
        lines.append(f"  {len(result.failed)} parts failed; the same command tries them again")
    return "\n".join(lines)


def whole_number(text: str) -> int:
    """0 or more; argparse names this function when it is not."""
    number = int(text)
    if number < 0:
        raise ValueError
    return number
