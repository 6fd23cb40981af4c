"""Learn from what was sorted and put right, by the settings at the top of config.yaml. Same as `refsort finetune`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    try:
        from refsort.cli import main
    except ImportError as error:
        sys.exit(f"{error}. Start it with: python3 run.py finetune   (that installs what is missing)")
    settings = [] if "--config" in sys.argv else ["--config", str(Path(__file__).with_name("config.yaml"))]
    sys.exit(main(["finetune", *settings, *sys.argv[1:]]))
