"""A disk that answers with errors: from any step on, in the journal, and under the whole command. The kernel itself
answers them (`seccomp.py`); nothing may be lost, and a healthy start afterwards finishes and takes all back.
"""

import errno
import os
import shutil
import sqlite3
import sys
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from refsort.cli import main as refsort
from refsort.errors import JournalError
from refsort.sorting import one_pass
from tests.e2e.helpers import Done, on
from tests.e2e.watching import disc, make_dataset
from tests.faults import worker
from tests.faults.seccomp import fail, unavailable
from tests.faults.stepping import chosen, some_or_every
from tests.faults.test_kill import fresh, settle_and_check
from tests.trees import contents, read

pytestmark = pytest.mark.skipif(bool(unavailable()), reason=unavailable() or "it works here")

Errors = dict[str, int]
EIO = errno.EIO
NO_RENAME = {"renameat2": errno.ENOSYS}
"""An older kernel: names are claimed by links then."""
PICTURES = {"a.jpg": "rojo", "b.jpg": "azul", "c.jpg": "rojo", "d.jpg": "azul"}


def forked(work: Callable[[], int]) -> int:
    """How a process that does `work` ended; errors of the kinds that refsort reports end it with 1."""
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            code = work()
        except (OSError, JournalError):
            code = 1
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 70
        except BaseException:  # noqa: BLE001  (a forked process must never return into pytest)
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


# -- the mover alone, from every step on

BROKEN_SETS = {
    "all": ("fsync", "fdatasync", "rename", "link", "unlink"),
    "names": ("rename", "link", "unlink"),
    "once": (),
}
"""Several at once; "once": the step alone fails and all after it work again."""
HERE = [("rename", "fsync"), ("rename", "fdatasync"), ("rename", "rename"), ("rename", "all")]
HERE += [("link", "link"), ("link", "unlink"), ("link", "once")]
"""(way of claiming a name, what fails): what each way needs on one file system."""
ACROSS = [("rename", "fsync"), ("rename", "unlink"), ("link", "unlink"), ("link", "names"), ("link", "once")]
SEVERAL_AT_ONCE = [("rename", "fsync"), ("rename", "all"), ("link", "once")]


def failing_from(k: int, root: Path, way: str, errors: Errors, threads: int) -> int:
    """File everything in Images/ in a process whose disk fails from step k on; without `errors` at step k alone."""

    class Failing(worker.Killer):
        def reached(self, event: str) -> None:
            self.armed = False
            if errors:
                fail(errors)
            elif event.startswith("os."):  # an audit hook that raises stops the call
                raise OSError(EIO, os.strerror(EIO))

    def work() -> int:
        worker.Killer = Failing  # type: ignore[misc]  # in this process only
        worker.work(root, k, way, "move", threads)
        return 0

    return forked(work)


@some_or_every
@pytest.mark.parametrize(("way", "broken"), HERE)
def test_a_disk_that_fails_from_any_step_on_loses_nothing(tmp_path: Path, way: str, broken: str, every: bool) -> None:
    every_step(tmp_path, None, way, broken, every=every)


@some_or_every
@pytest.mark.parametrize(("way", "broken"), ACROSS)
def test_nor_does_one_on_the_way_to_another(
    tmp_path: Path, elsewhere: Path, way: str, broken: str, every: bool
) -> None:
    every_step(
        elsewhere, tmp_path / "Dataset", way, broken, every=every
    )  # the journal in memory, as it is much faster there


@some_or_every
@pytest.mark.parametrize(("way", "broken"), SEVERAL_AT_ONCE)
def test_nor_does_one_while_several_copies_are_made(
    tmp_path: Path, elsewhere: Path, way: str, broken: str, every: bool
) -> None:
    every_step(elsewhere, tmp_path / "Dataset", way, broken, threads=3, every=every)


def every_step(folder: Path, other: Path | None, way: str, broken: str, *, threads: int = 1, every: bool) -> None:
    errors = dict.fromkeys(BROKEN_SETS.get(broken, (broken,)), EIO)
    _, steps = worker.in_a_process(fresh(folder / "count", other).root, 0, way, "move", threads)
    assert steps > 8
    for k in chosen(steps, (way, broken, other is None), every=every):
        data = fresh(folder / f"k{k}", other)
        roots = [data.root, *([other] if other else [])]
        before = contents(*roots)
        where = f"{way}, {broken}, step {k} of {steps}"
        assert failing_from(k, data.root, way, errors, threads) in (0, 1), where
        assert not before - contents(*roots), f"{where}: lost"
        if (way, broken) == ("rename", "unlink"):
            assert not list(data.root.rglob(".refsort-leaving-*")), f"{where}: a picture stays hidden"
        settle_and_check(data, roots, "move", where)
        shutil.rmtree(data.root)


# -- the whole command


def run(
    dataset: Path,
    *words: str,
    errors: Errors | None = None,
    at: tuple[str, Path] | None = None,
    first: Callable[[], object] | None = None,
) -> Done:
    """A command in a forked process, which does `first` before.

    Its disk fails with `errors` from its start on, or from an audit event on.
    """
    files = [dataset.parent / f"said.{number}" for number in (1, 2)]
    wanted = errors or {}

    def hook(event: str, args: tuple[object, ...]) -> None:
        if wanted and at is not None and event == at[0] and str(args[0]) == str(at[1]):
            now = dict(wanted)
            wanted.clear()
            fail(now)

    def work() -> int:
        for number, file in enumerate(files, 1):
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
        one_pass.FILE_BATCH = 1
        if first is not None:
            first()
        sys.addaudithook(hook)
        if at is None and wanted:
            fail(wanted)
        try:
            return refsort([words[0], *on(dataset), *words[1:]])
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    code = forked(work)
    return Done(code, *(file.read_text(encoding="utf-8") for file in files))


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """Four pictures and a sidecar have arrived."""
    root = make_dataset(tmp_path / "Data" / "Discos")
    for number, (name, colour) in enumerate(PICTURES.items()):
        (root / "Images" / name).write_bytes(disc(colour, 20 + number))
    (root / "Images" / "b.xmp").write_bytes(b"<x/>")
    return root


def places(dataset: Path) -> list[Path]:
    return [dataset, (dataset / "Dataset").resolve()] if (dataset / "Dataset").is_symlink() else [dataset]


def intended(dataset: Path) -> set[str]:
    """Sources that the journal knows of."""
    path = dataset / ".refsort" / "journal.db"
    with closing(sqlite3.connect(path)) as db, suppress(sqlite3.OperationalError):  # no table: no intent
        return {os.fsdecode(row[0]) for row in db.execute("SELECT source FROM moves")}
    return set()


def is_clear(done: Done) -> None:
    """Ended with an error in words, which name the fault and the place."""
    assert done.code in (1, 2), done
    assert "Traceback" not in done.err, done.err
    assert "input/output error" in done.err.lower() or "disk i/o error" in done.err.lower(), done
    assert any(place in done.err for place in ("Images", "Dataset", "journal.db")), done


def finishes_and_goes_back(dataset: Path, arrived: object, everything: object) -> None:
    """A healthy start sorts all that is left, without litter, and undo takes every run back."""
    healthy = run(dataset, "sort", "--encoder", "builtin")
    assert healthy.code == 0, healthy
    for name, colour in PICTURES.items():
        assert (dataset / "Dataset" / colour / name).is_file(), name
    assert (dataset / "Dataset" / "azul" / "b.xmp").is_file()
    assert contents(*places(dataset)) == everything
    hidden = [path for root in places(dataset) for path in root.rglob("*") if "refsort-" in path.name]
    assert [path for path in hidden if ".refsort" not in path.parts] == []
    while (undone := run(dataset, "undo")).code == 0:
        pass
    assert "nothing to undo" in undone.err, undone
    assert read(dataset / "Images") == arrived
    assert contents(*places(dataset)) == everything


BROKEN: dict[str, Errors] = {
    "fsync": {"fsync": EIO},
    "fdatasync": {"fdatasync": EIO},
    "rename": {"rename": EIO},
    "link": NO_RENAME | {"link": EIO},
    "unlink": NO_RENAME | {"unlink": EIO},
}


@pytest.mark.parametrize("since", ["the start", "the first move"])
@pytest.mark.parametrize("call", BROKEN)
def test_the_command_says_so_and_a_healthy_one_finishes(dataset: Path, call: str, since: str) -> None:
    command_meets(dataset, call, since)


@pytest.mark.parametrize(
    ("call", "since"), [("rename", "the start"), ("fsync", "the start"), ("unlink", "the first move")]
)
def test_so_does_one_that_sorts_to_another_file_system(dataset: Path, elsewhere: Path, call: str, since: str) -> None:
    (dataset / "Dataset").symlink_to(elsewhere)
    command_meets(dataset, call, since)


def command_meets(dataset: Path, call: str, since: str) -> None:
    everything, arrived = contents(*places(dataset)), read(dataset / "Images")
    at = ("open", dataset / "Images") if since == "the first move" else None
    done = run(dataset, "sort", "--encoder", "builtin", errors=BROKEN[call], at=at)
    is_clear(done)
    assert not everything - contents(*places(dataset)), "lost"
    if call != "unlink":  # where nothing can be removed, a copy or second name may stay until the next start
        assert contents(*places(dataset)) == everything
    gone = {f"Images/{name}" for name in arrived if not (dataset / "Images" / name).exists()}
    assert gone <= intended(dataset), "moved without an entry in the journal"
    assert gone or since == "the start"
    finishes_and_goes_back(dataset, arrived, everything)
