"""The user's command: run once for each picture left aside, one at a time, never for long, and no shell."""

import json
import sys
import time
from pathlib import Path

import pytest

from refsort.config import load_config
from refsort.errors import ConfigError
from refsort.sorting import Item, Reporters
from refsort.watch.on_unsure import LONGEST_QUEUE, OnUnsure, words_for
from tests.e2e.helpers import on, refsort
from tests.e2e.watching import disc, lies, make_dataset, until, watched

WRITE = """
import json, os, sys, time
with open(sys.argv[1], "a") as file:
    print(json.dumps([time.monotonic(), "begin", *sys.argv[2:]]), file=file, flush=True)
    time.sleep(float(os.environ.get("NAP", "0")))
    print(json.dumps([time.monotonic(), "end", *sys.argv[2:]]), file=file, flush=True)
"""


class Told(Reporters):
    """Remembers messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def message(self, text: str) -> None:
        self.messages.append(text)


def written(file: Path) -> list[list[str]]:
    """What the command wrote, without the times."""
    return [json.loads(line)[1:] for line in file.read_text().splitlines()] if file.exists() else []


def test_it_is_run_for_what_is_left_aside_one_at_a_time_and_no_shell_reads_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAP", "0.1")
    told, file = Told(), tmp_path / "out"
    caller = OnUnsure(told, tmp_path, lambda: [sys.executable, "-c", WRITE, str(file)])
    nasty = "Unsure/$(touch x); 'a\nb'.jpg"
    begun = time.monotonic()
    caller.item(Item("Images/a.jpg", "unsure", nasty))
    caller.item(Item("Images/b.jpg", "sorted", "Dataset/x/b.jpg"))
    caller.item(Item("Images/c.jpg", "unknown"))
    assert time.monotonic() - begun < 0.1, "sorting does not wait for it"
    until(lambda: len(written(file)) == 4)
    caller.close()
    first, second = str(tmp_path / nasty), str(tmp_path / "Images/c.jpg")
    assert written(file) == [["begin", first], ["end", first], ["begin", second], ["end", second]]
    assert told.messages == []


def test_failures_are_said(tmp_path: Path) -> None:
    for words, said in [
        ([sys.executable, "-c", "raise SystemExit(3)"], "ended with code 3"),
        (["/no/such/program"], "can't be run"),
        (["a\0b"], "can't be run"),
    ]:
        told = Told()
        caller = OnUnsure(told, tmp_path, lambda words=words: words)  # type: ignore[misc]
        caller.item(Item("Images/a.jpg", "unsure"))
        until(lambda told=told: told.messages)  # type: ignore[misc]
        caller.close()
        assert said in told.messages[0]
        assert "Images/a.jpg" in told.messages[0]


@pytest.mark.skipif(sys.platform == "win32", reason="no process groups")
def test_one_that_hangs_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    told, file = Told(), tmp_path / "late"
    child = f"import time; time.sleep(3); open({str(file)!r}, 'w')"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    caller = OnUnsure(told, tmp_path, lambda: [sys.executable, "-c", parent], longest=1.0)
    caller.item(Item("Images/a.jpg", "unsure"))
    until(lambda: told.messages)
    assert "took more than 1 s" in told.messages[0]
    caller.close()
    time.sleep(2.5)
    assert not file.exists()


def test_what_waits_is_bounded_and_dropped_at_the_end(tmp_path: Path) -> None:
    told = Told()
    caller = OnUnsure(told, tmp_path, lambda: [sys.executable, "-c", "import time; time.sleep(1)"])
    for number in range(LONGEST_QUEUE + 5):
        caller.item(Item(f"Images/{number}.jpg", "unsure"))
    assert 1 <= sum("too slow" in text for text in told.messages) <= 5
    begun = time.monotonic()
    caller.close()
    assert time.monotonic() - begun < 20
    assert "more pictures" in told.messages[-1]


def test_the_words_and_the_place_of_the_path(tmp_path: Path) -> None:
    assert words_for(["a", "b"], "/p") == ["a", "b", "/p"]
    assert words_for(["a", "--file={}", "c"], "/p") == ["a", "--file=/p", "c"]
    file = tmp_path / "c.yaml"
    for text, words in [("'say \"a b\" {}'", ("say", "a b", "{}")), ("[say, a b]", ("say", "a b")), ("''", None)]:
        file.write_text(f"on_unsure: {text}\n", encoding="utf-8")
        assert load_config(file, env={}).on_unsure == words
    with pytest.raises(ConfigError, match="on-unsure: no closing"):
        load_config(file, {"on_unsure": "say 'a"}, env={})
    unit = refsort("watch", "--install", *on(make_dataset(tmp_path / "Data" / "D")), "--on-unsure", "say 'a b'").out
    assert """ --on-unsure "say 'a b'" """.rstrip() in unit


def test_a_daemon_runs_it(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "Data" / "Discos")
    (tmp_path / "write.py").write_text(WRITE, encoding="utf-8")
    command = f"{sys.executable} {tmp_path / 'write.py'} {tmp_path / 'out'}"
    flags = ("--mode", "max", "--min-margin", "1.9", "--on-unsure", command)
    with watched(dataset, *flags):
        (dataset / "Images" / "a.jpg").write_bytes(disc("rojo", 11))
        until(lies(dataset, "Unsure/a.jpg"))
        until(lambda: len(written(tmp_path / "out")) == 2)
    assert written(tmp_path / "out")[0] == ["begin", str(dataset / "Unsure/a.jpg")]
