"""The engine `ray`: the same vectors, and no death of a process costs more than an attempt. One cluster for all."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from refsort.errors import EncoderError
from refsort.scale.embedding import Result, embed
from refsort.scale.vectors import About
from refsort.sorting.events import Item, Run
from tests.scale.helpers import (
    CONFIG,
    bad_decoder,
    by_embedder,
    command,
    local,
    picture,
    poisoned,
    rows,
    stats,
    tar_of,
    vectors,
    write,
)

pytest.importorskip("ray")
from refsort.scale.ray_engine import RayEngine

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the tests send signals")


class Listener:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.steps = 0

    def message(self, text: str) -> None:
        self.texts.append(text)

    def stage(self, name: str, total: int) -> None:
        pass

    def step(self) -> None:
        self.steps += 1

    def item(self, item: Item) -> None:
        pass

    def end(self, run: Run) -> None:
        pass


@pytest.fixture(scope="module", autouse=True)
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Of this machine, with four processes at most, and a decoder of HEIC files that crashes or hangs when told to."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{bad_decoder(tmp_path_factory.mktemp('bad') / 'd')}{os.pathsep}{Path.cwd()}")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=2**27)
        yield
        ray.shutdown()


def with_ray(
    source: Path, target: Path, files_a_part: int = 8, listener: Listener | None = None, **options: float | None
) -> Result:
    """A run on the cluster."""
    told = listener or Listener()
    chosen = {"workers": 2} | options
    return embed(
        CONFIG,
        str(source),
        str(target),
        lambda job: RayEngine(job, told.message, **chosen),  # type: ignore[arg-type]
        told,
        files_a_part,
    )


def encoding() -> list[psutil.Process]:
    """Workers that do parts at this moment."""
    found = []
    for process in psutil.Process().children(recursive=True):
        try:
            if "Encoding.do" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("decoders", [None, 1], ids=["fused", "decoders apart"])
def test_vectors_are_those_of_a_sort(tmp_path: Path, decoders: int | None) -> None:
    source = tmp_path / "source"
    write(source, 40)
    (source / "broken.png").write_bytes(picture(1)[:60])
    Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9\xff.png")).write_bytes(picture(78))
    listener = Listener()
    result = with_ray(source, tmp_path / "v", listener=listener, decoders=decoders, workers=1 if decoders else 2)
    assert (result.new, result.errors, result.parts_done, result.failed) == (41, 1, 6, {})
    assert vectors(tmp_path / "v") == by_embedder(source, tmp_path)
    (source / "s.tar").write_bytes(tar_of({f"{n}.png": picture(n) for n in range(20)}))
    assert with_ray(source, tmp_path / "v", decoders=decoders, workers=1).new == 20
    found = vectors(tmp_path / "v")
    assert found[b"s.tar/12.png"] == found[b"a/0012.png"] and len(found) == 62


def test_a_killed_worker_costs_an_attempt(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 160)
    listener, killed = Listener(), list[int]()

    def kill_one() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not killed:
            for process in encoding() if len(stats(target)) > 1 else ():
                process.send_signal(signal.SIGKILL)
                killed.append(process.pid)
                break

    killer = threading.Thread(target=kill_one)
    killer.start()
    result = with_ray(source, target, listener=listener)
    killer.join()
    assert killed and result.failed == {} and result.parts_done == 20
    assert vectors(target) == by_embedder(source, tmp_path)
    assert sum("attempt 1" in text for text in listener.texts) >= 1
    assert not list(target.glob(".part*")) or local(source, target).new == 0


def test_a_picture_that_ends_its_worker_costs_one_row(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 20)
    (source / "a/crash.heic").write_bytes(poisoned("crash"))
    listener = Listener()
    result = with_ray(source, target, files_a_part=11, listener=listener)
    assert (result.new, result.errors, result.parts_done, result.failed) == (20, 1, 2, {})
    assert {row["path"]: row["error"] for row in rows(target) if row["error"]} == {
        b"a/crash.heic": "HEIF: the decoder crashed on it"
    }
    assert sum("it is tried again" in text for text in listener.texts) == 2, listener.texts


@pytest.mark.slow
def test_a_picture_that_holds_its_worker_costs_one_row(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 20)
    (source / "b/sleep.heic").write_bytes(poisoned("sleep"))
    listener = Listener()
    result = with_ray(source, target, files_a_part=11, listener=listener, patience=15)
    assert (result.new, result.errors, result.parts_done, result.failed) == (20, 1, 2, {})
    assert [row["path"] for row in rows(target) if "to decode" in row["error"]] == [b"b/sleep.heic"]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["crash", "sleep"])
def test_the_same_with_decoders_apart(tmp_path: Path, what: str) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 20)
    (source / "a/poison.heic").write_bytes(poisoned(what))
    result = with_ray(source, target, workers=1, decoders=1, patience=6)
    assert (result.new, result.errors, result.failed) == (20, 1, {})


def test_an_encoder_that_can_not_be_had_is_said_in_a_line(tmp_path: Path) -> None:
    write(tmp_path / "source", 1)
    missing = CONFIG.model_copy(update={"encoder": f"onnx:{tmp_path}/none.onnx"})
    with pytest.raises(EncoderError, match="there is no file"):
        embed(
            missing,
            str(tmp_path / "source"),
            str(tmp_path / "v"),
            lambda job: RayEngine(job, lambda _: None, workers=1),
            Listener(),
        )


def test_workers_of_other_versions_are_refused() -> None:
    """What a worker says when it is ready is compared with what the first one said."""
    import ray

    from refsort.scale.ray_actors import Outcome
    from refsort.scale.ray_engine import _Seat
    from refsort.scale.work import Job

    engine = RayEngine(Job("/", "/", CONFIG), lambda _: None, workers=1)
    for fingerprint in ("one", "other"):
        answer = ray.put(Outcome("ok", "somewhere", about=About(1, "builtin", fingerprint, 3, "/")))
        seat = _Seat(None, answer)
        if fingerprint == "one":
            assert engine._look_after(seat) is None and seat.ready is None
            continue
        with pytest.raises(EncoderError, match="the workers' encoders differ: other on somewhere, one elsewhere"):
            engine._look_after(seat)


@pytest.mark.slow
def test_kill_9_of_the_driver_and_again(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 400)
    arguments = (
        source,
        "--to",
        target,
        "--encoder",
        "builtin",
        "--engine",
        "ray",
        "--workers",
        "2",
        "--part-files",
        "8",
    )
    running = command(*arguments)
    until = time.monotonic() + 120
    while len(stats(target)) < 5:
        assert running.poll() is None and time.monotonic() < until, running.communicate()
        time.sleep(0.005)
    children = [c for c in psutil.Process(running.pid).children(recursive=True) if c.name().startswith("ray::Enc")]
    assert children
    running.send_signal(signal.SIGKILL)
    running.communicate()
    _, alive = psutil.wait_procs(children, timeout=30)  # they end without their driver, within seconds
    assert not alive
    before = stats(target)
    assert 5 <= len(before) < 50, "killed too late to mean anything"
    running = command(*arguments, "--json")
    out, err = running.communicate()
    assert running.returncode == 0, err
    result = json.loads(out.splitlines()[-1])
    assert result["parts_done"] == 50 and result["new"] == 400 - 8 * len(before)
    assert stats(target).items() >= before.items(), "what is done is not touched"
    assert vectors(target) == by_embedder(source, tmp_path)
    assert not [p.name for p in target.iterdir() if p.name.startswith(".part")]
