"""The soak: a few seconds of it in every run, and that it notices what it is there to notice."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.helpers import ROOT
from tests.faults.soak import Broken, Soak

pytestmark = pytest.mark.skipif(os.name == "nt", reason="it forks")


def test_a_few_seconds_of_kills_lose_nothing() -> None:
    words = [sys.executable, "-m", "tests.faults.soak", "--minutes", "0.15", "--seed", "4"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: int(number) for name, number in re.findall(r"([a-z ]+) (\d+)", done.stdout)}
    assert counts[" kills"] >= 2, done.stdout
    assert counts[" sorted"] >= 1, done.stdout


def test_a_lost_and_a_doubled_picture_are_noticed(tmp_path: Path) -> None:
    soak = Soak(tmp_path, 1)
    soak.arrive(5)
    soak.check()
    picture = next(path for path in soak.images.rglob("*.jpg"))
    data = picture.read_bytes()
    picture.unlink()
    with pytest.raises(Broken, match="lost 1, doubled or strange 0"):
        soak.check()
    picture.write_bytes(data)
    picture.with_name("twin.jpg").write_bytes(data)
    with pytest.raises(Broken, match="lost 0, doubled or strange 1"):
        soak.check()


def test_a_seed_gives_the_same_arrivals(tmp_path: Path) -> None:
    soaks = [Soak(tmp_path / name, 7) for name in ("one", "two")]
    for soak in soaks:
        soak.arrive(20)
    assert soaks[0].expected == soaks[1].expected
