"""Nothing leaves the machine: what refsort stands on is told not to report before it is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EMBED = """
import sys
import numpy as np
NETWORK = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, args: print("asked", event, args) if event in NETWORK else None)
from refsort.encoders import load
encoder = load("builtin")
encoder.embed_images(np.zeros((1, 3, encoder.side, encoder.side), np.float32))
"""
SWITCHES = ("ORT_DISABLE_TELEMETRY", "CI", "GITHUB_ACTIONS")


@pytest.mark.parametrize("loud", [False, True])
def test_encoding_reports_to_nobody(tmp_path: Path, loud: bool) -> None:
    """onnxruntime leaves a session mark in the folder for temporary files where it is about to report."""
    env = {key: value for key, value in os.environ.items() if key not in SWITCHES and not key.startswith("REFSORT_")}
    env |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    script = "import onnxruntime\n" + EMBED if loud else EMBED
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert "asked" not in done.stdout
    marks = [path.name for path in tmp_path.rglob("*") if path.name == ".ses"]
    if loud and not marks:
        pytest.skip("this onnxruntime reports to nobody by itself, so there is nothing to be silenced")
    assert bool(marks) == loud
