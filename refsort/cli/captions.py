"""`refsort evaluate --captions`: how often a caption finds its picture, and a picture its caption."""

import argparse
import json
import sys
from pathlib import Path


def evaluate_captions(args: argparse.Namespace) -> int:
    """Index what is new, then let every caption look for its picture. Nothing is moved."""
    from refsort.cli.settings import config_from
    from refsort.explore.retrieval import retrieval, retrieval_text
    from refsort.explore.search import open_search
    from refsort.report import Console

    config = config_from(args)
    console = Console(config, json=args.json)
    file = Path(args.captions) if args.captions else None
    with open_search(config, args.folder, console, text=True, captions=file) as search:
        console.close()
        found = retrieval(search.store)
        assert search.encoder is not None
        encoder = search.encoder.name
    words = sys.stderr if args.json else sys.stdout
    print(f"encoder {encoder}\n{retrieval_text(found)}", file=words)
    if args.json:
        print(json.dumps({"encoder": encoder, **found.as_dict()}))
    return 0
