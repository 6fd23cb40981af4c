"""More files at once than the system's queue of events holds: all of them are sorted, in bounded memory."""

import io
import os
import signal
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.watching import COLOURS, Daemon, make_dataset, watched
from tests.faults.test_daemon_broken import means
from tests.trees import contents

QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
LONGEST_QUEUE = 50_000
"""With a longer one the burst would have to be too large for a test."""
SMOKE, BURST = 2_000, 100_000
PEAK_MIB = {SMOKE: 250, BURST: 400}
"""What the daemon may hold at its peak, by the number of files."""
SECONDS_EACH = 0.02
"""Far more than a file takes."""
COUNTER = b"0000000000"

pytestmark = pytest.mark.skipif(not QUEUE.is_file(), reason="this system has no inotify")


def coded(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), COLOURS[colour]).save(buffer, "JPEG", comment=COUNTER)
    return buffer.getvalue()


def drop(images: Path, numbers: range, expected: Counter[str]) -> None:
    """Tiny JPEGs with bytes of their own, a hundredth of them in each sub-folder, every second one red."""
    plain = {"rojo": coded("rojo"), "azul": coded("azul")}
    for number in numbers:
        colour = "azul" if number % 2 else "rojo"
        data = plain[colour].replace(COUNTER, b"%010d" % number)
        folder = images / str(number % 100)
        folder.mkdir(exist_ok=True)
        (folder / f"{colour}{number}.jpg").write_bytes(data)
        expected[sha256(data).hexdigest()] += 1


def more_events(images: Path, count: int) -> None:
    """Open files for writing and close them again, until the system has had to tell of so many events."""
    files = sorted(images.rglob("*.jpg"))
    for _ in range(count // len(files) + 1):
        for path in files:
            path.open("ab").close()


def peak_mib(daemon: Daemon) -> float:
    """The largest resident set of its process so far (proc_pid_status(5), VmHWM)."""
    lines = Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


@pytest.mark.parametrize("count", [SMOKE, pytest.param(BURST, marks=pytest.mark.slow)])
def test_a_real_burst(tmp_path: Path, count: int) -> None:
    """Half of the files come while the daemon can't listen, half while it works. Only a lost event makes it scan."""
    queue = int(QUEUE.read_text(encoding="ascii"))
    if queue > LONGEST_QUEUE:
        pytest.skip(f"the system's queue holds {queue} events")
    dataset = make_dataset(tmp_path / "Data" / "Discos")
    images, expected = dataset / "Images", contents(dataset)
    for folder in range(100):
        (images / str(folder)).mkdir()
    flags = ("--encoder", f"onnx:{means(tmp_path / 'model.onnx')}", "--unsure", "off", "--rescan", "3600")
    begun = time.monotonic()
    with watched(dataset, *flags) as daemon:
        os.kill(daemon.process.pid, signal.SIGSTOP)
        drop(images, range(count // 2), expected)
        more_events(images, queue)
        os.kill(daemon.process.pid, signal.SIGCONT)
        drop(images, range(count // 2, count), expected)
        daemon.says("events were lost")
        deadline = time.monotonic() + 60 + count * SECONDS_EACH
        while daemon.status["counts"].get("sorted") != count:
            assert time.monotonic() < deadline, daemon.status
            time.sleep(0.2)
        peak = peak_mib(daemon)
        print(f"{count} files in {time.monotonic() - begun:.0f} s, peak {peak:.0f} MiB")  # noqa: T201
        assert daemon.status["counts"] == {"sorted": count}
    assert contents(dataset) == expected
    assert not [name for _, _, names in os.walk(images) for name in names]
    for colour in ("rojo", "azul"):
        names = [path.name for path in os.scandir(dataset / "Dataset" / colour)]
        assert len(names) == count // 2
        assert all(name.startswith(colour) for name in names)
    assert peak < PEAK_MIB[count]
