"""How the daemon of a dataset is. Exit code 1 if it does not run, or has not looked for three times `rescan`."""

import argparse
import json

from refsort.cli.settings import add_settings, config_from

HELP = "how the daemon is"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--health", action="store_true", help="one word at most; for a container's health check")
    add_settings(parser, "dataset", "data_dir", "state_dir")


def run(args: argparse.Namespace) -> int:
    """Exit code 0 if the daemon is well."""
    from refsort.errors import DatasetError
    from refsort.files.dataset import Dataset
    from refsort.names import show
    from refsort.watch.status import ill, read_status

    config = config_from(args)
    try:
        status = read_status(Dataset(config.dataset_path, config.folders, config.state_dir).state)
    except DatasetError as error:
        print(json.dumps({"well": False, "why": str(error)}) if args.json else f"not well: {error}")
        return 1
    why = ill(status)
    if args.json:
        print(json.dumps(status.as_dict() | {"well": why is None, "why": why}))
    elif args.health:
        print("well" if why is None else show(f"not well: {why}"))
    else:
        counts = ", ".join(f"{number} {kind}" for kind, number in status.counts.items()) or "nothing yet"
        print(f"{show(status.dataset)}: {status.state if why is None else show(why)}")
        print(f"  process   {status.pid} on {show(status.host)}, since {status.started}")
        print(
            f"  last scan {status.last_scan or '-'}, every {status.rescan:g} s{'' if status.events else ', no events'}"
        )
        print(f"  encoder   {show(status.encoder or '-')}, {status.references} references")
        print(f"  pictures  {counts}; {status.queue} waiting")
        for words in status.drift:
            print(f"  drift     {show(words)}")
        if status.last_error:
            print(f"  last error ({status.last_error_at}): {show(status.last_error)}")
    return 0 if why is None else 1
