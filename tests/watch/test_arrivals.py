"""When an arrival is whole: never while it changes, always in the end, whatever the order of what is seen."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from refsort.files.groups import gather
from refsort.files.identity import FileStat
from refsort.watch.arrivals import Arrivals

SETTLE, CLOSED, PATIENCE = 5.0, 1.0, 300.0


def stat(size: int = 10, mtime_ns: int = 0, ino: int = 1) -> FileStat:
    return FileStat(1, ino, size, mtime_ns, 1)


def arrivals() -> Arrivals:
    return Arrivals(SETTLE, CLOSED, PATIENCE)


def ready(machine: Arrivals, now: float) -> list[str]:
    return [path for group in machine.ready(now) for path in group.paths()]


def look(machine: Arrivals, disk: dict[str, FileStat], now: float) -> None:
    """What the daemon does at each turn."""
    for path in machine.due(now):
        if path in disk:
            machine.seen(path, disk[path], now)
        else:
            machine.gone(path)


def test_ready_after_the_quiet_time_and_not_before() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    assert machine.next_wake() == SETTLE
    look(machine, {"Images/a.jpg": stat()}, 4.9)
    assert ready(machine, 4.9) == []
    look(machine, {"Images/a.jpg": stat()}, 5.0)
    assert ready(machine, 5.0) == ["Images/a.jpg"]
    assert machine.next_wake() is None


def test_time_alone_makes_nothing_ready_it_must_be_looked_at() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    assert ready(machine, 1000.0) == []
    machine.seen("Images/a.jpg", stat(size=11), 1000.0)
    assert ready(machine, 1000.0) == []


def test_a_close_shortens_the_wait_and_a_change_lengthens_it_again() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    machine.closed("Images/a.jpg", 2.0)
    assert machine.next_wake() == 3.0
    machine.seen("Images/a.jpg", stat(size=11), 2.9)
    assert machine.next_wake() == 2.9 + SETTLE
    machine.closed("Images/a.jpg", 4.0)
    machine.closed("Images/a.jpg", 4.5)
    look(machine, {"Images/a.jpg": stat(size=11)}, 5.2)
    assert ready(machine, 5.2) == []
    look(machine, {"Images/a.jpg": stat(size=11)}, 5.5)
    assert ready(machine, 5.5) == ["Images/a.jpg"]


def test_a_modification_time_in_the_future_or_in_1970_has_no_influence() -> None:
    for mtime in (0, -1, 4_000_000_000 * 10**9):
        machine = arrivals()
        machine.seen("Images/a.jpg", stat(mtime_ns=mtime), 0.0)
        look(machine, {"Images/a.jpg": stat(mtime_ns=mtime)}, SETTLE)
        assert ready(machine, SETTLE) == ["Images/a.jpg"]


def test_files_that_belong_together_wait_for_each_other() -> None:
    machine = arrivals()
    disk = {"Images/a.jpg": stat(), "Images/a.xmp": stat(ino=2), "Images/b.jpg": stat(ino=3)}
    machine.seen("Images/a.jpg", disk["Images/a.jpg"], 0.0)
    machine.seen("Images/b.jpg", disk["Images/b.jpg"], 0.0)
    machine.seen("Images/a.xmp", disk["Images/a.xmp"], 3.0)
    look(machine, disk, 5.0)
    assert ready(machine, 5.0) == ["Images/b.jpg"]
    look(machine, disk, 8.0)
    assert ready(machine, 8.0) == ["Images/a.jpg", "Images/a.xmp", "Images/b.jpg"]


def test_what_cannot_be_decoded_is_tried_again_and_is_bad_in_the_end() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    now, tries = SETTLE, 0
    while True:
        look(machine, {"Images/a.jpg": stat()}, now)
        assert ready(machine, now) == ["Images/a.jpg"]
        if machine.failed_to_decode("Images/a.jpg", now):
            break
        tries += 1
        assert machine.state("Images/a.jpg") == "waiting"
        assert ready(machine, now) == []
        wake = machine.next_wake()
        assert wake is not None and wake > now
        now = wake
    assert now == SETTLE + PATIENCE
    assert 3 <= tries <= 8, "less and less often"


def test_new_bytes_get_new_patience() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    assert not machine.failed_to_decode("Images/a.jpg", 10.0)
    machine.seen("Images/a.jpg", stat(size=20), 10.0 + PATIENCE)
    assert not machine.failed_to_decode("Images/a.jpg", 20.0 + PATIENCE)


def test_what_the_system_refuses_is_never_bad_and_told_once() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    now, told = SETTLE, []
    for _ in range(20):
        look(machine, {"Images/a.jpg": stat()}, now)
        assert ready(machine, now) == ["Images/a.jpg"]
        told.append(machine.failed("Images/a.jpg", now))
        wake = machine.next_wake()
        assert wake is not None and wake - now <= 600
        now = wake
    assert told == [True] + 19 * [False]


def test_what_is_dealt_with_rests_until_it_or_the_references_change() -> None:
    machine = arrivals()
    disk = {"Images/a.jpg": stat(), "Images/b.jpg": stat(ino=2)}
    for path, found in disk.items():
        machine.seen(path, found, 0.0)
    look(machine, disk, SETTLE)
    machine.decided("Images/a.jpg")
    machine.decided("Images/b.jpg", again=True)
    assert (ready(machine, 9.0), machine.waiting(), machine.next_wake()) == ([], 0, None)
    machine.reconsider()
    assert ready(machine, 9.0) == ["Images/b.jpg"]
    machine.seen("Images/a.jpg", stat(size=11), 10.0)
    look(machine, disk | {"Images/a.jpg": stat(size=11)}, 15.0)
    assert "Images/a.jpg" in ready(machine, 15.0)


def test_a_file_that_somebody_writes_to_waits_anew() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    look(machine, {"Images/a.jpg": stat()}, 5.0)
    machine.busy("Images/a.jpg", 5.0)
    assert ready(machine, 5.0) == []
    look(machine, {"Images/a.jpg": stat()}, 10.0)
    assert ready(machine, 10.0) == ["Images/a.jpg"]


def test_longer_waits_after_new_settings_are_kept_to() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    machine.settle = 8.0
    look(machine, {"Images/a.jpg": stat()}, 5.0)
    assert ready(machine, 5.0) == []
    assert machine.next_wake() == 8.0


NAMES = st.sampled_from(["a.jpg", "a.xmp", "a.jpg.json", "a.b.jpg", "a.png", "b.jpg", "b", "b.mov", "sub/a.jpg"])
ACTIONS = st.lists(
    st.tuples(NAMES, st.sampled_from(["write", "write", "close", "remove", "look", "fail", "keep"]), st.floats(0, 4)),
    max_size=60,
)


@settings(max_examples=150, deadline=None)
@given(ACTIONS)
def test_never_ready_while_changing_always_ready_in_the_end_and_nothing_is_kept_of_what_is_gone(
    actions: list[tuple[str, str, float]],
) -> None:
    machine, now = arrivals(), 0.0
    disk: dict[str, FileStat] = {}
    changed: dict[str, float] = {}
    for name, action, pause in actions:
        now += pause
        path = f"Images/{name}"
        if action == "write":
            disk[path] = replace(disk.get(path, stat(0, ino=hash(path) % 1000)), size=len(changed) + int(now * 1000))
            changed[path] = now
            machine.seen(path, disk[path], now)
        elif action == "close" and path in disk:
            machine.closed(path, now)
        elif action == "remove":
            disk.pop(path, None)
            machine.gone(path)
        elif action == "fail":
            machine.failed(path, now)
        elif action == "keep":
            machine.decided(path, again=True)
        look(machine, disk, now)
        for found in ready(machine, now):
            assert now - changed[found] >= CLOSED, f"{found} is called whole {now - changed[found]} s after a change"
        assert set(machine.paths()) == set(disk)
        assert len(machine._wakes) <= 2 * len(disk) + 64
    machine.reconsider()
    for _ in range(200):
        wake = machine.next_wake()
        if wake is None:
            break
        now = max(now, wake)
        look(machine, disk, now)
    folders: dict[str, list[str]] = {}
    for path in sorted(disk):
        folder, _, name = path.rpartition("/")
        folders.setdefault(folder, []).append(name)
    expected = sorted((g for f, names in folders.items() for g in gather(f, names)), key=lambda g: g.path)
    assert machine.ready(now) == expected, "all of it, in the groups that the whole folder makes"


@settings(max_examples=60, deadline=None)
@given(st.permutations([f"Images/{n}" for n in ("a.jpg", "a.xmp", "b.jpg", "c.png", "c.cr2", "d/e.jpg")]), st.data())
def test_the_order_in_which_files_are_seen_does_not_matter(order: list[str], data: Any) -> None:
    machine = arrivals()
    disk = {path: stat(ino=number) for number, path in enumerate(sorted(order))}
    for path in order:
        machine.seen(path, disk[path], 0.0)
    for path in data.draw(st.permutations(order)):
        machine.seen(path, disk[path], SETTLE)
    assert ready(machine, SETTLE) == [
        *("Images/a.jpg", "Images/a.xmp", "Images/b.jpg", "Images/c.png", "Images/c.cr2", "Images/d/e.jpg")
    ]


def test_memory_is_what_lies_there_after_a_hundred_thousand_files_have_passed() -> None:
    machine = arrivals()
    for number in range(100_000):
        path = f"Images/{number}.jpg"
        machine.seen(path, stat(ino=number), float(number))
        machine.closed(path, float(number))
        if number >= 100:
            machine.gone(f"Images/{number - 100}.jpg")
    assert len(machine) == 100
    assert max(map(len, (machine._wakes, machine._kin, machine._groups, machine._open))) <= 264


def test_a_file_that_failed_and_was_closed_again_is_still_woken_for() -> None:
    machine = arrivals()
    machine.seen("Images/a.jpg", stat(), 0.0)
    machine.failed("Images/a.jpg", 0.0)
    machine.closed("Images/a.jpg", 0.0)
    now = 0.0
    for _ in range(50):
        wake = machine.next_wake()
        assert wake is not None, "nobody would ever look again"
        now = max(now, wake)
        for path in machine.due(now):
            machine.seen(path, stat(), now)
        if machine.ready(now):
            return
    raise AssertionError("it never became ready")
