"""Look at this machine: what is installed, what is reachable, where refsort may write."""

import argparse
import json

from refsort.cli.settings import add_settings, config_from

HELP = "look at this machine and this dataset"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    add_settings(parser, "dataset", "data_dir", "state_dir")


def run(args: argparse.Namespace) -> int:
    """Print the findings. Exit code 1 if something keeps refsort from sorting."""
    from refsort.report.doctor import examine

    findings = examine(config_from(args))
    if args.json:
        print(json.dumps({"findings": [finding._asdict() for finding in findings]}))
    else:
        marks = {"ok": "ok  ", "note": "note", "problem": "BAD "}
        for finding in findings:
            print(f"{marks[finding.state]}  {finding.what}: {finding.text}")
    return 1 if any(finding.state == "problem" for finding in findings) else 0
