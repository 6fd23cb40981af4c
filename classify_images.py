"""Sort the pictures of a dataset, by the settings at the top of config.yaml; with --watch also those still to come.

Same as `refsort sort` and `refsort watch`.
"""

import sys
from pathlib import Path

if __name__ == "__main__":
    try:
        from refsort.cli import main
    except ImportError as error:
        sys.exit(f"{error}. Start it with: python3 run.py sort   (that installs what is missing)")
    settings = [] if "--config" in sys.argv else ["--config", str(Path(__file__).with_name("config.yaml"))]
    command, words = ("watch" if "--watch" in sys.argv else "sort"), [a for a in sys.argv[1:] if a != "--watch"]
    sys.exit(main([command, *settings, *words]))
