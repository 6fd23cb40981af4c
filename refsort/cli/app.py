"""The web page: sort, put right, search, explore and teach. On this machine only, unless told otherwise."""

import argparse
import os
import sys

from refsort.cli.settings import add_settings, config_from

HELP = "the web page: sort, review, search, explore"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve on (default: 127.0.0.1, this machine only)"
    )
    parser.add_argument("--port", type=int, default=7860, metavar="N", help="port (default: 7860; 0: any that is free)")
    parser.add_argument(
        "--password",
        nargs="?",
        const="",
        metavar="TEXT",
        help="ask for this password (without TEXT: typed now; or REFSORT_APP_PASSWORD, REFSORT_APP_PASSWORD_FILE)",
    )
    parser.add_argument(
        "--token", metavar="TEXT", help="a secret for the address instead; beyond this machine made anew"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a further name that the page is known by"
    )
    parser.add_argument(
        "--lang", choices=("auto", "en", "es"), default="auto", help="language (default: the browser's)"
    )
    parser.add_argument(
        "--all", action="store_true", help="every dataset in data_dir, not only the one of the settings"
    )
    parser.add_argument("--browser", action="store_true", help="open the page in the browser")
    parser.add_argument(
        "--hash", action="store_true", help="print the password as a hash, to be kept in a file, and end"
    )
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from getpass import getpass

    from refsort.app.desk import Desk
    from refsort.app.login import hashed
    from refsort.app.serve import Door, new_token, password_of, serve
    from refsort.watch.every import datasets

    password = getpass("Password for the page: ") if args.password == "" else args.password
    password = password or password_of(os.environ)
    if args.hash:
        print(hashed(password or getpass("Password for the page: ")))
        return 0
    config = config_from(args)
    door = Door(args.host, args.port, password, args.token, tuple(args.allow_host), args.lang)
    if door.beyond and password is None and args.token is None:
        door = Door(args.host, args.port, None, new_token(), tuple(args.allow_host), args.lang)
    desk = Desk([config.model_copy(update={"dataset": name}) for name in datasets(config)] if args.all else [config])

    def ready(address: str) -> None:
        print(f"refsort: the page is at {address}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if args.browser:
            import webbrowser

            webbrowser.open(address)

    serve(desk, door, ready)
    return 0
