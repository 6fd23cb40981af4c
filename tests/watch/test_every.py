"""Several datasets in one daemon: all are sorted, and one that fails is left to itself."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.helpers import ROOT, refsort
from tests.e2e.watching import DEADLINE_S, QUICK, disc, lies, make_dataset, until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")


def test_all_are_watched_and_one_that_fails_stops_none(tmp_path: Path) -> None:
    data = tmp_path / "Data"
    one, two, broken = (make_dataset(data / name) for name in ("Uno", "Dos ñ", "Broken"))
    (broken / "Clases" / "verde").mkdir()
    (data / "other").mkdir()
    clean = {k: v for k, v in os.environ.items() if not k.startswith("REFSORT_") or k == "REFSORT_CACHE"}
    words = ["-m", "refsort", "watch", "--all", "--data-dir", str(data), "--log", "json", *QUICK]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=data, env=clean | {"PYTHONPATH": str(ROOT)}, stderr=out
        )
    try:
        for dataset in (one, two):
            (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 11))
        until(lies(one, "Dataset/rojo/a.jpg"))
        until(lies(two, "Dataset/rojo/a.jpg"))
        until(lambda: "Broken: ended with code" in log.read_text(encoding="utf-8"))
        (broken / "Images" / "a.jpg").write_bytes(disc("rojo", 11))
        (broken / "Clases" / "verde").rmdir()
        until(lies(broken, "Dataset/rojo/a.jpg"))
        process.send_signal(signal.SIGHUP)
        until(lambda: log.read_text(encoding="utf-8").count("the settings were read again") == 3)
        process.terminate()
        assert process.wait(timeout=DEADLINE_S) == 0
    finally:
        process.terminate()
        process.wait()
    for dataset in (one, two, broken):
        assert json.loads((dataset / ".refsort" / "status.json").read_text())["state"] == "stopped"
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert {e.get("dataset") for e in events if e["event"] == "sorted"} == {"Uno", "Dos ñ", "Broken"}


def test_no_dataset_and_flags_for_one_dataset_are_said(tmp_path: Path) -> None:
    done = refsort("watch", "--all", "--data-dir", tmp_path)
    assert (done.code, "both Clases/ and Images/" in done.err) == (2, True)
    done = refsort("watch", "--all", "--data-dir", tmp_path, "--metrics", "9108")
    assert (done.code, "for one dataset" in done.err) == (2, True)
