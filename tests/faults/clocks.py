"""refsort in a process whose system clock jumps: by a day back, by a year ahead, to 1970 and to what it was.

    python -m tests.faults.clocks SEED watch ...

Only what tells the time of day jumps (`time.time`, `time.time_ns`, `datetime.now`), as when a clock is set; the
monotonic clock goes on, which is what it is for. `Altered` starts a daemon in such a process, or in another one that
differs.
"""

import datetime as datetime_module
import os
import random
import subprocess
import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path

from tests.e2e.helpers import ROOT, on
from tests.e2e.watching import QUICK, Daemon

DAY_S, YEAR_S = 86_400, 366 * 86_400
SOONEST_S, LATEST_S = 0.1, 0.6
"""Between two jumps."""


class Altered(Daemon):
    """A daemon in a process of another module: `python -m MODULE [its own words] watch ...`."""

    def __init__(self, dataset: Path, alteration: list[str], *flags: str) -> None:
        self.dataset = dataset
        self.log_file = dataset.parent / f"log-{time.monotonic_ns()}"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("REFSORT_") or k == "REFSORT_CACHE"}
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *alteration, "watch", *on(dataset), *QUICK, *flags],
                cwd=dataset.parent,
                env=clean | {"PYTHONPATH": str(ROOT)},
                stdout=subprocess.DEVNULL,
                stderr=log,
            )


def let_the_clock_jump(rng: random.Random) -> None:
    """From now on. To be called before anything of refsort is imported."""
    true_time, true_datetime = time.time, datetime
    offset, next_jump = 0.0, 0.0

    def jumping() -> float:
        nonlocal offset, next_jump
        if time.monotonic() >= next_jump:
            offset = rng.choice([0.0, -DAY_S, YEAR_S, 60.0 - true_time()])
            next_jump = time.monotonic() + rng.uniform(SOONEST_S, LATEST_S)
        return true_time() + offset

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Jumping":
            return cls.fromtimestamp(jumping(), tz)

    assert datetime_module.datetime is true_datetime
    datetime_module.datetime = Jumping  # type: ignore[misc]
    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)


if __name__ == "__main__":
    assert not any(name.startswith("refsort") for name in sys.modules)
    let_the_clock_jump(random.Random(int(sys.argv[1])))
    from refsort.cli import main

    sys.exit(main(sys.argv[2:]))
