"""What a daemon says of itself, to a person, to a health check and to systemd."""

import os
import shutil
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from refsort.errors import DatasetError
from refsort.watch.notify import notify
from refsort.watch.status import Status, ill, read_status
from tests.e2e.helpers import refsort


def test_what_is_written_is_read(tmp_path: Path) -> None:
    status = Status("Data/Discos", 30.0, counts={"sorted": 3}, encoder="builtin")
    status.trouble("the disk is full")
    status.write(tmp_path)
    assert read_status(tmp_path) == status
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_a_folder_that_refuses_it_stops_nothing(tmp_path: Path) -> None:
    Status("x", 30.0).write(tmp_path / "none")


@pytest.mark.parametrize("text", [None, "", "[]", '{"pid": 3}'])
def test_no_status_or_a_broken_one_is_said(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "status.json").write_text(text)
    with pytest.raises(DatasetError, match="refsort watch"):
        read_status(tmp_path)


def test_well_while_it_looks_and_ill_when_it_has_not_for_three_times_its_interval() -> None:
    status = Status("x", 30.0)
    seen = datetime.fromisoformat(status.alive)
    assert ill(status, seen + timedelta(seconds=89)) is None
    assert "not looked for 91 s" in (ill(status, seen + timedelta(seconds=91)) or "")
    status.trouble("the disk is full")
    assert "the disk is full" in (ill(status, seen + timedelta(seconds=91)) or "")


def test_ill_when_its_process_is_gone_or_was_stopped() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    if sys.platform != "win32":
        assert "is gone" in (ill(Status("x", 30.0, pid=process.pid)) or "")
    elsewhere = Status("x", 30.0, pid=process.pid, host="another-host")
    assert ill(elsewhere, datetime.now(UTC)) is None, "a process of another host can't be asked"
    assert "stopped" in (ill(Status("x", 30.0, state="stopped")) or "")


def test_the_command_without_a_daemon(tmp_path: Path) -> None:
    (tmp_path / "D").mkdir()
    done = refsort("status", "--data-dir", tmp_path, "--dataset", "D", "--json")
    assert (done.code, done.json["well"]) == (1, False)
    assert "refsort watch" in done.json["why"]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no such sockets here")
def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        notify("READY=1", "STATUS=two\nlines")
        assert listener.recv(1000) == b"READY=1\nSTATUS=two lines"
    notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify("READY=1")


def test_the_unit_is_one_that_systemd_takes_and_names_everything_in_full(tmp_path: Path) -> None:
    data = tmp_path / "my %pictures"
    (data / "Discos").mkdir(parents=True)
    done = refsort("watch", "--install", "--data-dir", data, "--dataset", "Discos", "--encoder", "builtin")
    assert done.code == 0, done.err
    lines = dict(line.split("=", 1) for line in done.out.splitlines() if "=" in line and not line.startswith("#"))
    command = lines["ExecStart"]
    assert command.startswith(sys.executable)
    assert f'--data-dir "{str(data).replace("%", "%%")}" --dataset Discos ' in command
    assert " --encoder builtin" in command
    assert lines["ReadWritePaths"].startswith(f'"{str(data).replace("%", "%%")}/Discos"')
    settings = tmp_path / "c.yaml"
    settings.write_text("unsure: keep\nsettle: 7\n")
    variables = {"REFSORT_CONFIG": str(settings), "REFSORT_SETTLE": "9"}
    other = refsort("watch", "--install", "--data-dir", data, "--dataset", "Discos", env=variables).out
    assert f"--config {settings} " in other
    assert " --settle 9.0" in other, "variables are not there when systemd starts it"
    assert "--unsure" not in other
    if shutil.which("systemd-analyze") is None:
        return
    (tmp_path / "refsort-Discos.service").write_text(done.out)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "refsort-Discos.service")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"SYSTEMD_LOG_LEVEL": "warning"},
    )
    assert [line for line in checked.stderr.splitlines() if "refsort-Discos" in line] == []
