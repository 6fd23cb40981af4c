"""The command line: one small file per command. It parses, calls and prints; everything else happens elsewhere."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

COMMANDS = (
    "sort",
    "undo",
    "history",
    "check",
    "why",
    "evaluate",
    "phrases",
    "similarity",
    "index",
    "search",
    "labels",
    "finetune",
    "models",
    "resort",
    "propose",
    "map",
    "tag",
    "dedupe",
    "watch",
    "status",
    "app",
    "embed",
    "decide",
    "apply",
    "encoders",
    "demo",
    "doctor",
    "completion",
)
INTERRUPTED = 130
"""The shell's code for a program stopped by Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (0 well, 1 some files failed, 2 usage, 3 the dataset is held)."""
    for stream in (sys.stdout, sys.stderr):
        # File names hold anything; a console that can't show a character must not stop the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(arguments)
    args = parser.parse_args(arguments)
    return _run(args)


def _run(args: argparse.Namespace) -> int:
    from refsort.errors import RefsortError

    debug = getattr(args, "debug", False) or bool(os.environ.get("REFSORT_DEBUG"))
    try:
        return int(args.command_module.run(args))
    except RefsortError as error:
        if debug:
            raise
        print(f"refsort: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if debug:
            raise
        what = f"{error.filename}: " if error.filename else ""
        print(f"refsort: {what}{(error.strerror or str(error)).lower()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("refsort: stopped; what was begun is settled at the next start", file=sys.stderr)
        return INTERRUPTED


def _parser(arguments: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="refsort",
        description="Sorts pictures into folders by a few reference pictures of each class, and can take it all back.",
        epilog="'refsort COMMAND --help' tells more. Exit codes: 0 all well, 1 some files failed, 2 usage or "
        "settings, 3 somebody else holds the dataset.",
    )
    parser.add_argument("--version", action="version", version=_version() if "--version" in arguments else "")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((a for a in arguments if not a.startswith("-")), None)
    for name in COMMANDS:
        module: ModuleType = import_module(f"refsort.cli.{name}")
        sub = commands.add_parser(name, help=module.HELP, description=module.__doc__, allow_abbrev=False)
        sub.set_defaults(command_module=module)
        if name == chosen:
            module.add_arguments(sub)
    return parser


def _version() -> str:
    from refsort import __version__

    return f"refsort {__version__}"
