"""Reading in worker processes: the same pictures and refusals, limits on time and memory, and what a worker may say."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from refsort.errors import RefsortError
from refsort.images import isolated, isolated_worker, read_picture
from refsort.images.isolated import IsolatedReader
from tests.images.broken import Decoder, Program, on_linux, posix, told, workers
from tests.images.conftest import Battery
from tests.images.make import encoded
from tests.images.scene import SIDE

pytestmark = posix


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


def test_pictures_and_refusals_are_those_of_read_picture(battery: Battery) -> None:
    wrong = []
    with IsolatedReader(2) as reader, ThreadPoolExecutor(2) as pool:
        for number, row in enumerate(battery.rows):
            limits: dict[str, int] = ({}, {"side": SIDE}, {"max_pixels": 1000})[number % 3]
            there = pool.submit(told, reader.read, battery.read(row), **limits)
            if told(read_picture, battery.read(row), **limits) != there.result():
                wrong.append(f"{row.name} {limits}")
    assert not wrong


def test_a_worker_imports_little() -> None:
    code = (
        "import importlib.util, sys; sys.path[:] = sys.argv[2:]\n"
        "spec = importlib.util.spec_from_file_location('program', sys.argv[1])\n"
        "program = importlib.util.module_from_spec(spec); spec.loader.exec_module(program)\n"
        "program._import_reader(); print(*sys.modules)"
    )
    command = [sys.executable, "-I", "-S", "-c", code, isolated_worker.__file__, *filter(None, sys.path)]
    loaded = set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert "refsort.images.read" in loaded
    assert {name.split(".")[1] for name in loaded if name.startswith("refsort.")} == {"errors", "images"}
    assert {"PIL.AvifImagePlugin", "PIL.WebPImagePlugin", "PIL._imagingcms", "pillow_heif"} <= loaded  # libraries
    assert not loaded & {"onnxruntime", "onnx", "torch", "pydantic", "yaml", "sqlite3", "asyncio"}


def test_a_slow_picture_is_given_up(good: bytes) -> None:
    data = encoded(Image.new("L", (6000, 5000)), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    slow = data[:-2] + 90 * scan + data[-2:]  # 80 kB that take seconds
    with IsolatedReader(1, seconds=0.3) as reader:
        expected = told(reader.read, good)
        begun = time.monotonic()
        assert told(reader.read, slow) == "JPEG: takes longer than 0.3 s to decode"
        assert time.monotonic() - begun < 1.5
        assert told(reader.read, good) == expected == told(read_picture, good)


def test_a_worker_that_stands_still_is_given_up(good: bytes) -> None:
    with IsolatedReader(1, seconds=0.3) as reader:
        expected = told(reader.read, good)
        workers()[0].suspend()
        large = good + bytes(3_000_000)  # more than a pipe holds
        assert told(reader.read, large) == "JPEG: takes longer than 0.3 s to decode"
        assert told(reader.read, good) == expected


@on_linux
def test_a_picture_that_needs_much_memory_is_refused(good: bytes) -> None:
    blank = Image.new("RGB", (5000, 4000))
    with IsolatedReader(1, megabytes=64) as reader:
        for data in (encoded(blank, "PNG", compress_level=1), b"\x89PNG\r\n\x1a\n" + bytes(80_000_000)):
            assert told(reader.read, data) == "PNG: needs more than 64 MB to decode"
            assert told(reader.read, good) == told(read_picture, good)
        # libwebp only says that it could not begin
        doubtful = told(reader.read, encoded(blank, "WEBP", lossless=True, method=0, quality=0))
        assert doubtful == "WebP: the file is damaged, or needs more than 64 MB to decode"


def test_a_decoder_may_say_in_words_that_memory_is_short(decoder: Decoder) -> None:
    data = decoder.does("raise RuntimeError('Out of memory')")
    with IsolatedReader(1) as reader:
        assert told(reader.read, data) == "HEIF: needs more than 2048 MB to decode"


@pytest.mark.parametrize(
    "code",
    [
        "reply(PICTURE, 3000, 4000, bytes(36_000_000))",
        "reply(PICTURE, 2**40, 2**40)",
        "reply(PICTURE, 2**63, 2**63)",
        "reply(PICTURE, 0, 100)",
        "reply(PICTURE, 10, 10, bytes(299))",
        "reply(REFUSED, 10**12)",
        "reply(REFUSED, 20, 0, b'short')",
        "reply(READY)",
        "reply(99, 10, 10, bytes(300))",
        "os.write(1, b'x')",
        "pass",
    ],
)
def test_a_reply_that_makes_no_sense_is_a_crash(program: Program, good: bytes, code: str) -> None:
    program.does(code)
    with IsolatedReader(1, seconds=5) as reader:
        assert told(reader.read, good, max_pixels=11_999_999) == "JPEG: the decoder crashed on it"


def test_half_a_reply_is_waited_for_no_longer_than_a_picture(program: Program, good: bytes) -> None:
    program.does("reply(PICTURE, 10, 10, bytes(299)); time.sleep(60)")
    with IsolatedReader(1, seconds=0.3) as reader:
        assert told(reader.read, good) == "JPEG: takes longer than 0.3 s to decode"


def test_a_reason_can_not_write_to_the_terminal(program: Program, good: bytes) -> None:
    program.does(r"body = b'JPEG: \x1b[2J\n\xff gone'; reply(REFUSED, len(body), 0, body)")
    with IsolatedReader(1) as reader:
        assert told(reader.read, good) == "JPEG: ?[2J?\N{REPLACEMENT CHARACTER} gone"


def test_a_worker_gets_no_secrets_and_no_signals_of_the_terminal(
    program: Program, good: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "secret")
    program.does(
        "b = f'{\"SOME_TOKEN\" in os.environ} {os.getpgid(0) == os.getpid()}'.encode(); reply(REFUSED, len(b), 0, b)"
    )
    with IsolatedReader(1) as reader:
        assert told(reader.read, good) == "False True"


def test_what_a_library_prints_or_reads_stays_in_the_worker(
    decoder: Decoder, good: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = "print('noise' * 9999, flush=True); sys.stdin.read(); print('noise', file=sys.stderr, flush=True)"
    decoder.does("pass", on_import=noise)
    with IsolatedReader(1) as reader:
        assert told(reader.read, good) == told(read_picture, good)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("begin", "why", "seconds"),
    [
        ("reply(FAILED, 7, 0, b'no disk')", "no disk", 10),
        ("sys.exit(3)", "it ends without a word", 10),
        ("time.sleep(60)", "it ends without a word", 0.3),
    ],
)
def test_no_picture_is_bad_because_no_worker_starts(
    program: Program, good: bytes, begin: str, why: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    program.does("", begin)
    monkeypatch.setattr(isolated, "START_SECONDS", seconds)
    with IsolatedReader(1, seconds=1) as reader:
        for _ in range(2):
            with pytest.raises(RefsortError, match=f"can't be started: {why}"):
                reader.read(good)
        assert workers() == []


def test_what_a_worker_lacks_is_told(decoder: Decoder, good: bytes) -> None:
    decoder.does("pass", on_import="raise ImportError('no such library')")
    with IsolatedReader(1) as reader, pytest.raises(RefsortError, match="started: ImportError: no such library"):
        reader.read(good)


def test_a_worker_is_of_the_same_version_as_its_parent(decoder: Decoder, good: bytes) -> None:
    (decoder.folder / "refsort.py").write_text("raise ImportError('another refsort')")
    with IsolatedReader(1) as reader:
        assert told(reader.read, good) == told(read_picture, good)


def test_many_threads_share_few_workers(battery: Battery) -> None:
    files = [data for row in battery.good if len(data := battery.read(row)) < 60_000][:40]
    alone = [told(read_picture, data) for data in files]
    with IsolatedReader(2) as reader, ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda data: told(reader.read, data), files * 2)) == alone * 2
        assert len(workers()) == 2
    assert workers() == []
