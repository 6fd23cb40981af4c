"""The soak: a few seconds of it in every run, and that it notices what it is there to notice, and shrinks it."""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.helpers import ROOT

if os.name == "nt":
    pytest.skip("it forks", allow_module_level=True)

from refsort.files import claim, recovery
from refsort.files.taken import TakenNames
from tests.conftest import ELSEWHERE
from tests.faults.soak import Broken, Soak, fails, play, report
from tests.faults.soak_schedule import Schedule, Step, shrink

SHRINK_S = 15.0


def test_a_few_seconds_of_kills_lose_nothing() -> None:
    words = [sys.executable, "-m", "tests.faults.soak", "--minutes", "0.12", "--jobs", "1", "--seed", "4"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = {name: int(number) for name, number in re.findall(r"[,:] ([a-z :]+) (\d+)", done.stdout)}
    assert counts.get("kills", 0) >= 1, done.stdout
    assert counts.get("arrivals", 0) >= 1, done.stdout


def test_a_lost_and_a_doubled_picture_are_noticed(tmp_path: Path) -> None:
    soak = Soak(tmp_path)
    soak.arrive("whole", 5, 100)
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


def test_a_seed_gives_the_same_schedule_and_json_keeps_it(tmp_path: Path) -> None:
    schedule = Schedule.draw(7)
    assert schedule == Schedule.draw(7) != Schedule.draw(8)
    (tmp_path / "schedule.json").write_text(schedule.json())
    assert Schedule.read(tmp_path / "schedule.json") == schedule


def test_a_kill_at_the_first_step_leaves_a_move_open_and_the_next_sort_settles_it(tmp_path: Path) -> None:
    soak = Soak(tmp_path)
    soak.play({"do": "arrive", "kind": "same name", "count": 6, "first": 100})
    soak.play({"do": "sort", "kill": ["step", 1]})
    assert soak.done["killed in: open move"] == 1
    assert soak.done["kills that left a move open"] == 1
    soak.play({"do": "sort", "kill": ["recovery", 1]})
    assert soak.done["killed in: recovery"] == 1
    soak.finish()
    assert soak.done["sorted"] >= 1


def replace_whatever_is_there() -> None:
    """refsort without the guard of names: neither looked for nor claimed."""

    def rename(source: Path, target: Path) -> bool:
        os.replace(source, target)  # noqa: PTH105
        return True

    def choose(self: TakenNames, targets: list[str], stem: str, *, after: int = 0) -> tuple[list[str], int]:
        return targets, 1

    claim.rename = rename
    setattr(TakenNames, "choose_texts", choose)  # noqa: B010


def settle_nothing_but_say_so() -> None:
    """refsort without recovery: what is open counts as done."""

    def settle(end: recovery._Settling, forward: bool) -> tuple[str, str | None]:
        return "done", None

    setattr(recovery._Settling, "settle", settle)  # noqa: B010


def test_a_refsort_that_replaces_files_is_found_and_shrunk(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    steps: list[Step] = [
        {"do": "arrive", "kind": "whole", "count": 2, "first": 1},
        {"do": "meddle", "how": "rename", "which": 0.5, "number": 9},
        {"do": "arrive", "kind": "same name", "count": 4, "first": 50},
        {"do": "sort", "kill": ["step", 1]},
        {"do": "undo", "kill": ["time", 0.1]},
        {"do": "sort", "kill": None},
    ]
    schedule = Schedule(12, across=False, steps=steps)
    with pytest.raises(Broken, match="lost") as broken:
        play(schedule, replace_whatever_is_there)
    shortest = report(schedule, broken.value, partial(fails, tries=1, breaking=replace_whatever_is_there), SHRINK_S)
    assert len(shortest.steps) <= 2, shortest
    assert sum(step["count"] for step in shortest.steps if step["do"] == "arrive") <= 4, shortest
    printed = capsys.readouterr().out
    assert f"seed {schedule.seed}: step" in printed
    (tmp_path / "again.json").write_text(printed.splitlines()[-1])
    with pytest.raises(Broken, match="lost"):
        play(Schedule.read(tmp_path / "again.json"), replace_whatever_is_there)
    play(shortest)  # With its guards it loses nothing.


def test_a_refsort_without_recovery_is_found(tmp_path: Path) -> None:
    """Only a kill in an open move shows this one."""
    if not ELSEWHERE.is_dir() or ELSEWHERE.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system here")
    arrivals = {"do": "arrive", "kind": "whole", "count": 3, "first": 1}
    schedule = Schedule(1, across=True, steps=[arrivals, {"do": "sort", "kill": ["step", 15]}])
    with pytest.raises(Broken, match=r"doubled|litter"):
        play(schedule, settle_nothing_but_say_so)
    play(schedule)


def test_shrinking_keeps_what_is_needed_and_nothing_else() -> None:
    schedule = Schedule.draw(3, 40)
    needed = [schedule.steps[5], schedule.steps[31]]
    asked: list[int] = []

    def both(candidate: Schedule) -> bool:
        asked.append(len(candidate.steps))
        return all(any(step["do"] == n["do"] and step is n for step in candidate.steps) for n in needed)

    assert shrink(schedule, both, 5.0).steps == needed
    assert len(asked) < 200
