"""The end of a worker costs one picture at most; and nothing is left of any worker."""

import gc
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from refsort.images import isolated_worker, read_picture
from refsort.images.isolated import IsolatedReader
from tests.images.broken import CRASH, SEGFAULT, SLEEP, Decoder, on_linux, posix, told, wait_for, workers

ROOT = Path(__file__).resolve().parents[2]
pytestmark = posix


@contextmanager
def being_read(reader: IsolatedReader, data: bytes) -> Iterator[Future[str | tuple[object, ...]]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(told, reader.read, data)


def test_a_crash_costs_one_picture(decoder: Decoder, good: bytes) -> None:
    crashing = decoder.does(SEGFAULT)
    with IsolatedReader(1) as reader:
        for data in (crashing, good, good, crashing, good):
            assert told(reader.read, data) == (CRASH if data is crashing else told(read_picture, good))


def test_a_killed_worker_costs_one_picture(decoder: Decoder, good: bytes) -> None:
    hanging = decoder.does(SLEEP)
    with IsolatedReader(1) as reader:
        with being_read(reader, hanging) as outcome:
            decoder.wait()
            workers()[0].kill()
            assert outcome.result() == CRASH
        assert told(reader.read, good) == told(read_picture, good)
        workers()[0].kill()  # while it has nothing to do
        assert told(reader.read, good) == told(read_picture, good)


def test_no_picture_is_blamed_for_what_another_did_to_the_worker(decoder: Decoder) -> None:
    # a refusal looks twice at a file: it asks for its size as well
    third_look_crashes = decoder.does(
        f"seen.append(1)\n    if len(seen) > 2: {SEGFAULT}\n    raise ValueError('broken')"
    )
    with IsolatedReader(1) as reader:
        for _ in range(3):
            assert told(reader.read, third_look_crashes) == "HEIF: the file is damaged"


@on_linux
def test_a_worker_that_keeps_memory_makes_way(decoder: Decoder) -> None:
    leaking = decoder.does("seen.append(bytearray(20_000_000))\n    raise ValueError('broken')")
    found = set()
    with IsolatedReader(1, megabytes=64) as reader:
        for _ in range(3):
            assert told(reader.read, leaking) == "HEIF: the file is damaged"
            found.add(workers()[0].pid)
    assert len(found) == 3


def test_closing_waits_for_pictures_and_turns_callers_away(decoder: Decoder, good: bytes) -> None:
    hanging = decoder.does("import time; time.sleep(0.5); raise ValueError('broken')")
    with IsolatedReader(1) as reader, ThreadPoolExecutor(5) as pool:
        first = pool.submit(told, reader.read, hanging)
        decoder.wait()
        others = [pool.submit(told, reader.read, good) for _ in range(4)]
        wait_for(lambda: threading.active_count() > 5)
        reader.close()
        assert first.result() == "HEIF: the file is damaged"
        assert all(isinstance(other.exception(), RuntimeError) for other in others)
        with pytest.raises(RuntimeError):
            reader.read(good)
        assert workers() == []


@pytest.mark.parametrize("decoding", [True, False])
def test_workers_do_not_outlive_their_parent(decoder: Decoder, good: bytes, decoding: bool) -> None:
    (decoder.folder / "picture").write_bytes(decoder.does(SLEEP) if decoding else good)
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom refsort.images.isolated import IsolatedReader\n"
        "IsolatedReader(2, seconds=60).read(Path(sys.argv[1]).read_bytes())\nprint('done', flush=True)\ntime.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(decoder.folder / "picture")],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": f"{decoder.folder}{os.pathsep}{ROOT}"},
    )
    with parent:
        if decoding:
            decoder.wait()
        else:
            assert parent.stdout is not None
            parent.stdout.readline()
        (worker,) = psutil.Process(parent.pid).children()
        parent.kill()
    wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, 3)


@contextmanager
def started(megabytes: int, cpu_seconds: float) -> "Iterator[subprocess.Popen[bytes]]":
    """A worker, ready for pictures, whose parent does nothing about its end."""
    limits = str(megabytes), str(cpu_seconds)
    command = [sys.executable, "-I", "-S", isolated_worker.__file__, *limits, *filter(None, sys.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.read(isolated_worker.REPLY.size)[0] == isolated_worker.READY
            yield worker
        finally:
            worker.kill()


def test_a_worker_that_only_computes_ends_without_its_parent(decoder: Decoder) -> None:
    spinning = decoder.does("while True: pass")
    with started(2048, 0.5) as worker:
        assert worker.stdin is not None
        worker.stdin.write(isolated_worker.REQUEST.pack(len(spinning), 0, 10**8) + spinning)
        assert worker.wait(20) == -signal.SIGXCPU


@on_linux
def test_a_worker_that_can_not_hold_the_file_ends_without_its_parent() -> None:
    with started(16, 10) as worker:
        assert worker.stdin is not None
        worker.stdin.write(isolated_worker.REQUEST.pack(10**9, 0, 10**8))
        assert worker.wait(20) == 0


@on_linux
def test_a_worker_dumps_no_core_writes_no_file_and_is_killed_first(good: bytes) -> None:
    with IsolatedReader(1, megabytes=500) as reader:
        reader.read(good)
        worker = workers()[0]
        assert worker.rlimit(psutil.RLIMIT_CORE) == worker.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
        assert 0 < worker.rlimit(psutil.RLIMIT_AS)[1] - worker.memory_info().vms <= 500 * 2**20
        assert int(Path(f"/proc/{worker.pid}/oom_score_adj").read_text()) >= 500
        assert "NoNewPrivs:\t1" in Path(f"/proc/{worker.pid}/status").read_text()


def test_nothing_is_left_of_many_pictures_and_deaths(decoder: Decoder, good: bytes) -> None:
    crashing = decoder.does(SEGFAULT)
    me = psutil.Process()

    def held() -> tuple[int, int, int]:
        gc.collect()
        watchdogs = sum(thread.name == "decode-watchdog" for thread in threading.enumerate())
        return me.num_fds(), len(me.children()), watchdogs

    before = held()
    with IsolatedReader(2) as reader:
        reader.read(good)
        begun = held()
        for number in range(200):
            told(reader.read, good)
            if number % 20 == 19:
                assert told(reader.read, crashing) == CRASH  # twice: it gets a second worker
        reader.read(good)
        assert held() == begun
    wait_for(lambda: held() == before)
