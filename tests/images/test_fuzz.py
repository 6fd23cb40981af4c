"""Whatever the bytes are: a picture, or a reason for a person."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.images.conftest import Battery
from tests.images.mutate import FUZZ_PIXELS, fault, mutations

ROOT = Path(__file__).resolve().parents[2]
SMALL = 240_000
"""Bytes of the largest file that is mutated."""
SEED = 20
HEADS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"P3 2 2 9 ", b"GIF89a", b"\0\0\1\0\1\0"]


def small_files(battery: Battery) -> dict[str, bytes]:
    files = {row.name: battery.read(row) for row in battery.good}
    return {name: data for name, data in files.items() if len(data) <= SMALL}


def test_mutated_files(battery: Battery) -> None:
    found = [(name, fault(data, FUZZ_PIXELS)) for name, data in mutations(small_files(battery), SEED, 500)]
    assert [pair for pair in found if pair[1]] == []


@given(st.binary(max_size=200), st.sampled_from(HEADS))
@settings(max_examples=200, deadline=None)
def test_any_bytes(tail: bytes, head: bytes) -> None:
    assert fault(head + tail, FUZZ_PIXELS) == ""


@pytest.mark.slow
def test_twenty_thousand_mutated_files_in_a_process_of_their_own(battery: Battery) -> None:
    names = ["baseline.jpg", *small_files(battery)]
    command = [sys.executable, "-m", "tests.images.cost", "--fuzz", str(battery.folder), str(SEED + 1), "20000", *names]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=1800, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads(done.stdout)
    assert result["faults"] == []
    assert result["seconds"] < 2
    assert result["megabytes"] < 300
