"""What a person files by hand: journaled, undoable, beside somebody else who sorts, and killed in the middle."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from refsort.files.by_hand import Filed, Wish, begin, file_by_hand
from refsort.files.confirmed import confirmed
from refsort.files.identity import hash_file
from refsort.files.journal import Journal
from refsort.files.lock import hold
from refsort.files.recovery import recover
from refsort.files.undo import choose, undo
from tests.files.helpers import dataset_of, move_all
from tests.trees import contents, read

ROOT = Path(__file__).resolve().parents[2]


def file(data: object, *wishes: Wish) -> list[Filed]:
    journal = Journal(data.state / "journal.db")  # type: ignore[attr-defined]
    try:
        return file_by_hand(data, journal, begin(journal), wishes)  # type: ignore[arg-type]
    finally:
        journal.close()


def test_a_picture_goes_with_its_sidecars_and_back(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Unsure": {"x.jpg": b"1", "x.xmp": b"s", "y.jpg": b"2"}})
    before = read(data.root)
    (found,) = file(data, Wish("Unsure/x.jpg", "Käfer ñ"))
    assert (found.target, found.reason) == ("Dataset/Käfer ñ/x.jpg", "")
    assert read(data.path("Dataset")) == {"Käfer ñ": {"x.jpg": b"1", "x.xmp": b"s"}}
    journal = Journal(data.state / "journal.db")
    assert found.move == journal.standing(1)[-1].id
    assert journal.run(1).kind == "hand"
    assert journal.run(1).summary == {"sorted": 1}
    assert undo(data, journal, choose(journal, data, None, None, found.target), "test").left == []
    journal.close()
    assert read(data.root) == before


def test_the_sidecar_that_was_sorted_with_it_follows_under_its_number(tmp_path: Path) -> None:
    data = dataset_of(
        tmp_path / "D", {"Images": {"x.jpg": b"1", "x.xmp": b"s"}, "Dataset": {"a": {"x.jpg": b"0", "x.xmp": b"other"}}}
    )
    move_all(data)
    (found,) = file(data, Wish("Dataset/a/x_2.jpg", "b"))
    assert found.target == "Dataset/b/x_2.jpg"
    assert read(data.path("Dataset")) == {
        "a": {"x.jpg": b"0", "x.xmp": b"other"},
        "b": {"x_2.jpg": b"1", "x_2.xmp": b"s"},
    }


def test_in_its_class_already_it_is_confirmed_and_stays(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Images": {"x.jpg": b"1"}})
    move_all(data)
    (found,) = file(data, Wish("Dataset/a/x.jpg", "a"))
    assert (found.target, found.move) == ("Dataset/a/x.jpg", None)
    journal = Journal(data.state / "journal.db")
    assert [word.class_name for word in confirmed(journal).values()] == ["a"]
    journal.close()


@pytest.mark.parametrize(
    ("path", "class_name", "why"),
    [
        ("Clases/a/r.jpg", "b", "does not lie in"),
        ("Unsure/x.jpg", "../out", ""),
        ("Unsure/x.jpg", ".hidden", "hidden folder"),
        ("Unsure/x.jpg", "", ""),
        ("Unsure/gone.jpg", "b", "gone"),
        ("../D/Unsure/x.jpg", "b", "does not lie in"),
        ("Unsure/../../secret.jpg", "b", "does not lie in"),
        ("Unsure/link.jpg", "b", ""),
        ("Unsure//x.jpg", "b", "does not lie in"),
        ("Unsure\\x.jpg", "b", "does not lie in"),
        ("Unsure/out/secret.jpg", "b", "link out of the dataset"),
        ("/etc/passwd", "b", "does not lie in"),
    ],
)
def test_what_is_refused_leaves_everything_as_it_was(tmp_path: Path, path: str, class_name: str, why: str) -> None:
    data = dataset_of(tmp_path / "D", {"Unsure": {"x.jpg": b"1"}, "Clases": {"a": {"r.jpg": b"r"}}})
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    data.path("Unsure/link.jpg").symlink_to(tmp_path / "secret.jpg")
    data.path("Unsure/out").symlink_to(tmp_path)
    before = contents(data.root)
    (found,) = file(data, Wish(path, class_name))
    assert found.target is None
    assert found.reason
    assert why in found.reason
    assert contents(data.root) == before
    assert not data.path("Dataset").exists()
    assert (tmp_path / "secret.jpg").read_bytes() == b"secret"


def test_a_picture_that_is_not_the_one_that_was_shown_stays(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Unsure": {"x.jpg": b"1"}})
    shown = hash_file(data.path("Unsure/x.jpg"))
    data.path("Unsure/x.jpg").write_bytes(b"2")
    (found,) = file(data, Wish("Unsure/x.jpg", "a", shown))
    assert found.reason == "it is not the picture that was shown"
    assert read(data.path("Unsure")) == {"x.jpg": b"2"}


def test_it_works_while_somebody_holds_the_dataset(tmp_path: Path) -> None:
    data = dataset_of(tmp_path / "D", {"Unsure": {"x.jpg": b"1"}})
    with hold(data.state, "watch"):
        assert file(data, Wish("Unsure/x.jpg", "a"))[0].target == "Dataset/a/x.jpg"


WORKER = """
import os, sys
from pathlib import Path
from refsort.files.by_hand import Wish, begin, file_by_hand
from refsort.files.dataset import Dataset
from refsort.files.journal import Journal
from refsort.files.recovery import recover

root, class_name, mine = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
data = Dataset(root)
journal = Journal(data.state / "journal.db")
run = begin(journal)
for path in sorted(data.files("Unsure")):
    if path.rpartition("/")[2][0] in mine:
        recover(data, journal)
        file_by_hand(data, journal, run, [Wish(path, class_name)])
print("done", flush=True)
"""


def worker(root: Path, class_name: str, mine: str = "0123456789") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", WORKER, str(root), class_name, mine]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_three_processes_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    """Two want every picture, one settles and files what it finds; and each recovers before each move."""
    names = {f"{n}.jpg": str(n).encode() for n in range(60)}
    data = dataset_of(tmp_path / "D", {"Unsure": names})
    Journal(data.state / "journal.db").close()
    running = [worker(data.root, "a"), worker(data.root, "b"), worker(data.root, "c", "13579")]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    found = read(data.path("Dataset"))
    lying = [content for folder in found.values() for content in folder.values()]  # type: ignore[union-attr]
    assert Counter(lying) == Counter(names.values())
    journal = Journal(data.state / "journal.db")
    assert journal.open_groups() == []
    rows = journal.rows("SELECT count(*) FROM moves WHERE state='done'")
    assert rows[0][0] == 60, "no move was done twice, and none was rolled back by a bystander"
    journal.close()


def test_killed_at_any_time_every_picture_is_there_once(tmp_path: Path) -> None:
    names = {f"{n}.jpg": str(n).encode() for n in range(400)}
    data = dataset_of(tmp_path / "D", {"Unsure": names, "Dataset": {}})
    Journal(data.state / "journal.db").close()
    killed = 0
    for _ in range(6):
        process = worker(data.root, "a")
        begun = len(list(data.files("Dataset")))
        while len(list(data.files("Dataset"))) == begun and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.003 * killed)
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed
    journal = Journal(data.state / "journal.db")
    recover(data, journal)
    journal.close()
    lying = [c for folder in ("Unsure", "Dataset/a") for c in read(data.path(folder)).values()]
    assert Counter(lying) == Counter(names.values())  # type: ignore[arg-type]


STOPPED = """
import os, signal, sys
from refsort.files.moving import Mover
take = Mover._take_names
def stopped(self, filing):
    print("in the middle", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
    take(self, filing)
Mover._take_names = stopped
"""


def test_nobody_settles_what_somebody_is_just_doing(tmp_path: Path) -> None:
    """One process stands still between its intent and its move; another one that settles waits for it."""
    data = dataset_of(tmp_path / "D", {"Unsure": {"1.jpg": b"1"}})
    Journal(data.state / "journal.db").close()
    command = [sys.executable, "-c", STOPPED + WORKER, str(data.root), "a", "1"]
    mover = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert mover.stdout is not None
    assert mover.stdout.readline() == "in the middle\n"
    settled: list[int] = []

    def settle() -> None:
        journal = Journal(data.state / "journal.db")
        settled.append(recover(data, journal).total)
        journal.close()

    other = threading.Thread(target=settle)
    other.start()
    other.join(0.5)
    mover.send_signal(signal.SIGCONT)
    assert mover.wait(60) == 0
    other.join(60)
    assert settled == [0]
    assert read(data.path("Dataset")) == {"a": {"1.jpg": b"1"}}
