"""Commands that a person can copy, as they would have to be typed here."""

import os
import shlex

from refsort.config import Config, load_config
from refsort.errors import ConfigError


def command(config: Config, *words: str) -> str:
    """`refsort WORDS --dataset NAME`, begun and completed as this person's next command needs it.

    $REFSORT_PROGRAM is how the program was started (run.py sets it). --data-dir appears only if it would otherwise be
    another folder.
    """
    parts = [*words, "--dataset", config.dataset]
    try:
        usual = load_config().data_dir.resolve()
    except ConfigError:
        usual = None
    if usual != config.data_dir.resolve():
        parts += ["--data-dir", str(config.data_dir)]
    if config.state_dir is not None:
        parts += ["--state-dir", str(config.state_dir)]
    return " ".join([os.environ.get("REFSORT_PROGRAM", "refsort"), *map(shlex.quote, parts)])
