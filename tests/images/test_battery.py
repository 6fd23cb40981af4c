"""Odd but valid files show the picture; bad ones are refused for the right reason, fast and in little memory."""

import json
import os
import stat
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from refsort.errors import BadPicture
from refsort.images import read_picture
from tests.images.conftest import Battery
from tests.images.mutate import reason_fault
from tests.images.scene import SIDE, Scene, difference

ROOT = Path(__file__).resolve().parents[2]
SECONDS, MEGABYTES = 2.0, 300


@pytest.mark.parametrize("side", [None, SIDE])
def test_good_files_show_the_picture(battery: Battery, scene: Scene, side: int | None) -> None:
    wrong = []
    for row in battery.good:
        picture = read_picture(battery.read(row), side=side)
        found = difference(picture, scene.image, row.grey)
        if found > (row.tolerance or 0):
            wrong.append(f"{row.name} ({row.why}): {found:.2f} > {row.tolerance}")
    assert not wrong


def test_reading_good_files_warns_of_nothing(battery: Battery) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for row in battery.good:
            read_picture(battery.read(row))


def test_pictures_are_plain_arrays(battery: Battery) -> None:
    for row in battery.good:
        picture = read_picture(battery.read(row))
        assert picture.dtype == np.uint8 and picture.flags.c_contiguous and picture.flags.writeable, row.name
        wide = picture.shape[1] * 3 == picture.shape[0] * 4
        assert picture.ndim == 3 and picture.shape[2] == 3 and wide, f"{row.name}: {picture.shape}"


def test_bad_files_are_refused_with_the_reason(battery: Battery) -> None:
    wrong = []
    for row in battery.bad:
        try:
            shape = read_picture(battery.read(row)).shape
            wrong.append(f"{row.name} ({row.why}): read as {shape}")
        except BadPicture as refused:
            if row.reason not in str(refused) or reason_fault(str(refused)):
                wrong.append(f"{row.name} ({row.why}): {refused}")
    assert not wrong


def test_too_many_pixels_are_refused_in_every_format(battery: Battery) -> None:
    wrong = []
    for row in battery.good:
        data = battery.read(row)
        height, width, _ = read_picture(data).shape
        read_picture(data, max_pixels=height * width)
        try:
            read_picture(data, max_pixels=height * width - 1)
            wrong.append(f"{row.name}: read")
        except BadPicture as refused:
            if "pixels are more than" not in str(refused):
                wrong.append(f"{row.name}: {refused}")
    assert not wrong


def run(*arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    if path is not None:
        environment["PATH"] = path
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=True, timeout=100, env=environment
    )


def test_bad_files_cost_little_and_start_nothing(battery: Battery, tmp_path: Path) -> None:
    """In a process whose PATH leads to a Ghostscript that only leaves a trace."""
    trap = tmp_path / "gs"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexit 1\n")
    trap.chmod(trap.stat().st_mode | stat.S_IXUSR)
    names = ["baseline.jpg", "icc_bomb.png", "ten_thousand.gif", *(row.name for row in battery.bad)]
    done = run("-m", "tests.images.cost", str(battery.folder), *names, path=f"{tmp_path}:/usr/bin:/bin")
    cost = json.loads(done.stdout)
    assert {name: s for name, s in cost["seconds"].items() if s > SECONDS} == {}
    assert cost["megabytes"] < MEGABYTES
    assert not (tmp_path / "called").exists()


def test_importing_loads_no_decoder_that_no_file_asked_for() -> None:
    code = "import sys, refsort.images; print(*sys.modules)"
    loaded = set(run("-c", code).stdout.split())
    assert "PIL.Image" in loaded
    assert not loaded & {"pillow_heif", "PIL.ImageCms", "PIL.EpsImagePlugin", "PIL.PngImagePlugin"}


def test_many_threads_read_the_same_as_one(battery: Battery) -> None:
    files = [battery.read(row) for row in battery.good if len(battery.read(row)) < 150_000]
    alone = [read_picture(data) for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(read_picture, files * 3))
    for number, picture in enumerate(together):
        np.testing.assert_array_equal(picture, alone[number % len(files)])
