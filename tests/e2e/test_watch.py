"""The daemon as it runs: slow writers, bursts, kills, lost folders, changed references. Real processes, real files."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest

from refsort.files.lock import hold
from tests.e2e.helpers import ROOT, on, refsort
from tests.e2e.watching import Daemon, add_class, disc, lies, make_dataset, until, watched
from tests.trees import contents

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and open files work otherwise on Windows")


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return make_dataset(tmp_path / "Data" / "Discos")


def sorted_files(dataset: Path) -> list[Path]:
    return [path for path in (dataset / "Dataset").rglob("*") if path.is_file()]


def test_what_lies_there_and_what_comes_is_sorted_with_what_belongs_to_it(dataset: Path) -> None:
    (dataset / "Images" / "old.jpg").write_bytes(disc("rojo", 10))
    (dataset / "Images" / "note.txt").write_text("nothing to see", encoding="utf-8")
    (dataset / "Images" / "movie.crdownload").write_bytes(b"not yet")
    with watched(dataset) as daemon:
        until(lies(dataset, "Dataset/rojo/old.jpg"))
        (dataset / "Images" / "trip" / "day").mkdir(parents=True)
        (dataset / "Images" / "trip" / "day" / "new.xmp").write_bytes(b"<x/>")
        (dataset / "Images" / "trip" / "day" / "new.jpg").write_bytes(disc("azul", 11))
        until(lies(dataset, "Dataset/azul/new.jpg", "Dataset/azul/new.xmp"))
        (dataset.parent / "moved.jpg").write_bytes(disc("rojo", 12))
        (dataset.parent / "moved.jpg").rename(dataset / "Images" / "moved.jpg")
        (dataset / "Images" / "named.part").write_bytes(disc("azul", 13))
        (dataset / "Images" / "named.part").rename(dataset / "Images" / "named.jpg")
        until(lies(dataset, "Dataset/rojo/moved.jpg", "Dataset/azul/named.jpg"))
        until(lambda: (daemon.status["counts"].get("sorted"), daemon.status["queue"]) == (4, 0))
    assert sorted(p.name for p in (dataset / "Images").iterdir() if p.is_file()) == ["movie.crdownload", "note.txt"]
    assert daemon.log.count("note.txt") == 1, "said once, not at every scan"


@pytest.mark.parametrize("way", ["held open", "closed and opened again"])
def test_a_picture_written_in_pieces_with_pauses_is_moved_once_and_whole(dataset: Path, way: str) -> None:
    whole, place = disc("rojo", 20), dataset / "Images" / "slow.jpg"
    pieces = [whole[start : start + len(whole) // 5 + 1] for start in range(0, len(whole), len(whole) // 5 + 1)]
    with watched(dataset):
        if way == "held open":
            # The first piece is a whole picture already: only its writer shows that more will come.
            pieces = [whole, b"more", b"and more"]
            with place.open("wb", buffering=0) as file:
                for piece in pieces:
                    file.write(piece)
                    time.sleep(1.0)
                    assert place.exists(), "taken while it was being written"
        else:
            for piece in pieces:
                with place.open("ab") as file:
                    file.write(piece)
                time.sleep(0.5)
        until(lies(dataset, "Dataset/rojo/slow.jpg"))
    assert [path.read_bytes() for path in sorted_files(dataset)] == [b"".join(pieces)]
    assert not (dataset / "Bad").exists()


def test_a_picture_that_is_written_anew_goes_where_its_new_bytes_belong(dataset: Path) -> None:
    with watched(dataset, "--settle-closed", "2", "--settle", "2"):
        (dataset / "Images" / "x.jpg").write_bytes(disc("rojo", 1))
        time.sleep(0.3)
        (dataset / "Images" / "x.jpg").write_bytes(disc("azul", 2))
        until(lambda: sorted_files(dataset))
    assert sorted_files(dataset) == [dataset / "Dataset" / "azul" / "x.jpg"]


@pytest.mark.parametrize("poll", ["false", "true"])
def test_three_hundred_at_once_from_two_writers(dataset: Path, poll: str) -> None:
    before = contents(dataset)
    pictures = {f"{colour}{n}.jpg": disc(colour, n) for colour in ("rojo", "azul") for n in range(150)}
    with watched(dataset, "--poll", poll) as daemon:
        assert daemon.status["events"] is (poll == "false")
        for name, data in pictures.items():
            (dataset / "Images" / name).write_bytes(data)
        until(lambda: len(sorted_files(dataset)) == 300)
        until(lambda: daemon.status["counts"] == {"sorted": 300})
    assert contents(dataset) == before + Counter(sha256(data).hexdigest() for data in pictures.values())
    assert all(path.parent.name == path.name[:4] for path in sorted_files(dataset))


def test_a_broken_picture_is_bad_only_after_a_while(dataset: Path) -> None:
    with watched(dataset, "--bad-after", "1") as daemon:
        begun = time.monotonic()
        (dataset / "Images" / "half.jpg").write_bytes(disc("rojo", 1)[:900])
        until(lies(dataset, "Bad/half.jpg"))
        assert time.monotonic() - begun >= 1
    assert [line.split()[1] for line in daemon.log.splitlines() if "half.jpg" in line] == ["skipped:", "bad:"]


def test_a_picture_that_is_completed_late_is_not_bad(dataset: Path) -> None:
    whole = disc("rojo", 1)
    with watched(dataset) as daemon:
        (dataset / "Images" / "late.jpg").write_bytes(whole[:900])
        daemon.says("it may still be coming")
        with (dataset / "Images" / "late.jpg").open("ab") as file:
            file.write(whole[900:])
        until(lies(dataset, "Dataset/rojo/late.jpg"))


def test_changed_references_are_used_and_useless_ones_are_not(dataset: Path) -> None:
    with watched(dataset) as daemon:
        (dataset / "Clases" / "verde").mkdir()
        daemon.says("the old ones stay in use: class verde has no reference picture")
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 5))
        until(lies(dataset, "Dataset/rojo/a.jpg"))
        (dataset / "Clases" / "verde").rmdir()
        add_class(dataset, "verde")
        daemon.says("9 pictures of 3 classes are in use now")
        (dataset / "Images" / "b.jpg").write_bytes(disc("verde", 5))
        until(lies(dataset, "Dataset/verde/b.jpg"))
    assert daemon.log.count("the old ones stay") == 1


def test_what_is_kept_is_decided_again_with_new_references(dataset: Path) -> None:
    strict = ("--unsure", "keep", "--mode", "max", "--min-margin", "0.05")
    for number in range(3):
        (dataset / "Clases" / "azul" / f"same{number}.jpg").write_bytes(disc("rojo", number))
    (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 7))
    with watched(dataset, *strict) as daemon:
        daemon.says("unsure: Images/a.jpg")
        for number in range(3):
            (dataset / "Clases" / "azul" / f"same{number}.jpg").unlink()
        until(lies(dataset, "Dataset/rojo/a.jpg"))
    assert daemon.log.count("unsure: Images/a.jpg") == 1


def test_what_an_earlier_daemon_kept_is_no_news_to_the_next(dataset: Path) -> None:
    strict = ("--unsure", "keep", "--mode", "max", "--min-margin", "0.05")
    (dataset / "Clases" / "azul" / "same.jpg").write_bytes(disc("rojo", 0))
    (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 0) + b"other bytes")
    with watched(dataset, *strict) as daemon:
        daemon.says("unsure: Images/a.jpg")
    with watched(dataset, *strict) as daemon:
        (dataset / "Images" / "b.jpg").write_bytes(disc("azul", 7))
        until(lies(dataset, "Dataset/azul/b.jpg"))
        until(lambda: daemon.status.get("queue") == 0)
        assert "Images/a.jpg" not in daemon.log
        (dataset / "Clases" / "azul" / "same.jpg").unlink()
        until(lies(dataset, "Dataset/rojo/a.jpg"))


def test_stopping_ends_well_and_a_second_one_is_refused(dataset: Path) -> None:
    with Daemon(dataset) as daemon:
        second = refsort("watch", *on(dataset), "--encoder", "builtin")
        assert second.code == 3
        assert "'refsort watch'" in second.err
        assert str(daemon.process.pid) in second.err
        assert refsort("status", *on(dataset), "--health").code == 0
    assert daemon.status["state"] == "stopped"
    assert not (dataset / ".refsort" / "lock.json").exists()
    with hold(dataset / ".refsort", "a test"):
        pass
    health = refsort("status", *on(dataset), "--json")
    assert (health.code, health.json["well"]) == (1, False)
    assert Daemon(dataset).ready().stop(signal.SIGINT) == 0


def test_stopping_in_the_middle_of_a_burst_leaves_nothing_half_done(dataset: Path) -> None:
    for number in range(200):
        (dataset / "Images" / f"{number}.jpg").write_bytes(disc("rojo", number))
    before = contents(dataset)
    daemon = Daemon(dataset).ready()
    until(lambda: daemon.status.get("state") == "sorting" or sorted_files(dataset))
    assert daemon.stop() == 0
    assert contents(dataset) == before
    assert "interrupted" not in refsort("history", *on(dataset)).out


@pytest.mark.slow  # tests/faults/test_soak.py does a bounded share of the same
def test_killed_again_and_again_in_a_burst_nothing_is_lost_or_doubled(dataset: Path) -> None:
    rng, expected = random.Random(4), contents(dataset)
    pictures = {f"{n:03}.jpg": disc("rojo" if n % 2 else "azul", n) for n in range(240)}
    expected.update(sha256(data).hexdigest() for data in pictures.values())

    def drop() -> None:
        for name, data in pictures.items():
            (dataset / "Images" / name).write_bytes(data)
            time.sleep(0.02)

    writer = threading.Thread(target=drop)
    writer.start()
    working = 0
    for _ in range(5):
        daemon = Daemon(dataset).ready()
        time.sleep(rng.uniform(0.0, 0.8))
        working += 0 < len(sorted_files(dataset)) < 240
        daemon.kill()
    writer.join()
    assert contents(dataset) == expected
    with watched(dataset):
        until(lambda: len(sorted_files(dataset)) == 240)
    assert contents(dataset) == expected
    assert {path.name for path in sorted_files(dataset)} == set(pictures), "no name has got a number"
    assert working >= 2, "the kills came too early or too late to show anything"


def test_a_dataset_that_goes_away_and_comes_back(dataset: Path) -> None:
    away = dataset.with_name("away")
    with watched(dataset) as daemon:
        dataset.rename(away)
        daemon.says("does not exist")
        time.sleep(1.5)
        (away / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
        away.rename(dataset)
        until(lies(dataset, "Dataset/rojo/a.jpg"))
        daemon.says("it works again")
        (dataset / "Images" / "b.jpg").write_bytes(disc("azul", 1))
        until(lies(dataset, "Dataset/azul/b.jpg"))
    assert daemon.log.count("does not exist") == 1, "said once, not at every attempt"


def test_a_drop_folder_that_is_made_anew_is_listened_to(dataset: Path) -> None:
    with watched(dataset, "--rescan", "2") as daemon:
        (dataset / "Images").rename(dataset / "old")
        (dataset / "Images").mkdir()
        daemon.says("listening again")
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
        until(lies(dataset, "Dataset/rojo/a.jpg"))


def test_its_state_folder_deleted_while_it_runs(dataset: Path) -> None:
    with watched(dataset) as daemon:
        shutil.rmtree(dataset / ".refsort")
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
        until(lies(dataset, "Dataset/rojo/a.jpg"))
        assert "was taken away while the daemon ran" in daemon.log
    assert refsort("undo", *on(dataset)).code == 0
    assert (dataset / "Images" / "a.jpg").exists(), "what was moved after that can be taken back"


def test_settings_are_read_again_and_broken_ones_are_not_used(dataset: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("unsure: move\n", encoding="utf-8")
    with watched(dataset, "--config", str(file)) as daemon:
        file.write_text("unsure: perhaps\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("the settings stay as they were")
        file.write_text("action: copy\n", encoding="utf-8")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.says("the settings were read again")
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 1))
        until(lies(dataset, "Dataset/rojo/a.jpg"))
        assert (dataset / "Images" / "a.jpg").exists(), "it was copied"
        time.sleep(1.2)
    assert len(sorted_files(dataset)) == 1, "and only once"


def test_the_log_can_be_json_and_the_users_script_watches_too(dataset: Path) -> None:
    words = [str(ROOT / "classify_images.py"), "--watch", *on(dataset), "--encoder", "builtin", "--log", "json"]
    words += ["--settle", "0.2", "--settle-closed", "0.1"]
    with subprocess.Popen([sys.executable, *words], stderr=subprocess.PIPE, text=True) as process:
        (dataset / "Images" / "a\nb.jpg").write_bytes(disc("rojo", 1))
        assert process.stderr is not None
        events = [json.loads(process.stderr.readline()) for _ in range(2)]
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert (events[0]["event"], events[0]["file"]) == ("sorted", "Images/a\nb.jpg")
    assert events[0]["decision"]["class"] == "rojo"
    assert events[1]["event"] == "run"


def test_links_pipes_and_folders_named_like_pictures_are_said_once_and_never_followed(dataset: Path) -> None:
    images = dataset / "Images"
    (dataset.parent / "private.jpg").write_bytes(disc("rojo", 1))
    (images / "link.jpg").symlink_to(dataset.parent / "private.jpg")
    os.mkfifo(images / "pipe.jpg")
    (images / "folder.jpg").mkdir()
    (images / "folder.jpg" / "inside.jpg").write_bytes(disc("azul", 1))
    with watched(dataset) as daemon:
        until(lies(dataset, "Dataset/azul/inside.jpg"))
        time.sleep(1.2)
    assert (images / "link.jpg").is_symlink()
    assert (images / "pipe.jpg").exists()
    assert [daemon.log.count(f"skipped: Images/{name}") for name in ("link.jpg", "pipe.jpg")] == [1, 1]


def test_systemd_is_told_when_it_is_ready_and_when_it_stops(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "n"))
        listener.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        daemon = Daemon(dataset)
        heard = [listener.recv(1000).decode()]
        while not heard[-1].startswith("READY=1"):
            heard.append(listener.recv(1000).decode())
        while not heard[-1].startswith("WATCHDOG=1"):
            heard.append(listener.recv(1000).decode())
        assert daemon.stop() == 0
        while heard[-1] != "STOPPING=1":
            heard.append(listener.recv(1000).decode())
