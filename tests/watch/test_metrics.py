"""Figures for Prometheus: from a real daemon over HTTP, and plain words where they can't be had."""

import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from refsort.errors import ConfigError
from refsort.watch.metrics import place
from tests.e2e.helpers import ROOT, on, refsort
from tests.e2e.watching import disc, lies, make_dataset, until, watched

pytest.importorskip("prometheus_client", reason="an optional package")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "Data" / "Discos")


@pytest.fixture
def port() -> int:
    """One that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        number: int = listener.getsockname()[1]
    return number


def figures(port: int) -> dict[str, float]:
    """What is served: name with labels → value."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return {m[1]: float(m[2]) for m in re.finditer(r"^(refsort_[^ {]+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def test_a_daemon_tells_what_it_did(dataset: Path, port: int) -> None:
    with watched(dataset, "--metrics", str(port), "--bad-after", "0") as daemon:
        assert figures(port)["refsort_queue"] == 0
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 11))
        (dataset / "Images" / "b.jpg").write_bytes(disc("azul", 11))
        (dataset / "Images" / "c.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
        until(lies(dataset, "Dataset/rojo/a.jpg", "Dataset/azul/b.jpg", "Bad/c.jpg"))
        until(lambda: daemon.status["counts"] == {"sorted": 2, "bad": 1})
        found = figures(port)
        assert daemon.status["drift"] == []
    counts = {name: value for name, value in found.items() if name.startswith("refsort_pictures_total")}
    assert counts == {
        'refsort_pictures_total{class="rojo",kind="sorted"}': 1,
        'refsort_pictures_total{class="azul",kind="sorted"}': 1,
        'refsort_pictures_total{class="",kind="bad"}': 1,
    }
    for stage in ("encode", "decide"):
        assert found[f'refsort_batch_seconds_count{{stage="{stage}"}}'] >= 1
        assert 0 < found[f'refsort_batch_seconds_sum{{stage="{stage}"}}'] < 60
    assert 0 <= found["refsort_last_scan_age_seconds"] < 60
    assert (found["refsort_drift"], found["refsort_trouble"]) == (0, 0)


def test_a_port_in_use_and_no_port_at_all_are_said(dataset: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        done = refsort("watch", *on(dataset), "--encoder", "builtin", "--metrics", str(taken))
    assert (done.code, "can't be had" in done.err, "Traceback" in done.err) == (2, True, False)
    done = refsort("watch", *on(dataset), "--metrics", "http")
    assert (done.code, "like 9108" in done.err) == (2, True)


def test_without_the_package_it_is_a_sentence(dataset: Path) -> None:
    words = [*map(str, on(dataset)), "--metrics", "9108"]
    code = (
        f"import sys; sys.modules['prometheus_client'] = None; from refsort.cli import main; main(['watch', *{words}])"
    )
    code = code.replace("main(['", "sys.exit(main(['") + ")"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install prometheus-client" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_unit_serves_them_too(dataset: Path) -> None:
    assert " --metrics 0.0.0.0:9108" in refsort("watch", "--install", *on(dataset), "--metrics", "0.0.0.0:9108").out


def test_loopback_unless_said_otherwise() -> None:
    assert place("9108") == place(":9108") == ("127.0.0.1", 9108)
    assert place("0.0.0.0:9108") == ("0.0.0.0", 9108)
    assert place("[::1]:9108") == ("::1", 9108)
    for wrong in ("", "x", "0", "65536", "9108:x", "host"):
        with pytest.raises(ConfigError):
            place(wrong)
