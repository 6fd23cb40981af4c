"""The engine `local`: the vectors of a sort, each picture once, whatever happens on the way."""

import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from refsort.encoders import load
from refsort.errors import DatasetError, DatasetHeld
from refsort.files.lock import hold
from refsort.images import READING
from refsort.scale import vectors as stored
from refsort.scale.embedding import embed
from refsort.scale.listing import Part, bring_up_to_date, parts_to_do
from refsort.scale.local import LocalEngine
from refsort.scale.places import LocalPlace, open_place, write_all
from refsort.scale.vectors import ABOUT, read_about, read_vectors
from refsort.scale.work import ISOLATED_FROM, Done, Failed, Job, Worker
from refsort.sorting.events import Reporters
from tests.conftest import SHARED
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
    table,
    tar_of,
    vectors,
    write,
)


def test_vectors_are_those_of_a_sort(tmp_path: Path) -> None:
    source = tmp_path / "source"
    sums = write(source, 40)
    (source / "notes.txt").write_text("no picture, and not meant to be one")
    (source / "broken.png").write_bytes(picture(1)[:60])
    (source / "no suffix").write_bytes(picture(77, kind="JPEG"))
    Path(os.fsdecode(os.fsencode(source) + b"/caf\xe9\xff.png")).write_bytes(picture(78))
    result = local(source, tmp_path / "v", files_a_part=16)
    assert (result.new, result.errors, result.others, result.parts, result.failed) == (42, 1, 1, 3, {})
    expected = by_embedder(source, tmp_path)
    assert expected.pop(b"notes.txt") is None
    assert vectors(tmp_path / "v") == expected
    found = {row["path"]: row for row in rows(tmp_path / "v")}
    assert {path: found[path]["sha256"] for path in sums} == sums
    assert found[b"broken.png"]["error"] == "PNG: the file is cut short" and not found[b"no suffix"]["error"]
    stat = (source / "no suffix").stat()
    assert (found[b"no suffix"]["size"], found[b"no suffix"]["mtime_ns"]) == (stat.st_size, stat.st_mtime_ns)
    about = read_about(LocalPlace(tmp_path / "v"))
    encoder = load("builtin")
    assert about is not None and about.fingerprint == f"{encoder.fingerprint}/{READING}" and about.dim == encoder.dim


def test_odd_and_bad_pictures_are_rows(tmp_path: Path) -> None:
    source = SHARED / "images"
    if not source.is_dir():
        pytest.skip("sample pictures are not here")
    for folder in ("odd", "bad"):
        shutil.copytree(source / folder, tmp_path / "source" / folder)
    local(tmp_path / "source", tmp_path / "v", files_a_part=64)
    expected = by_embedder(tmp_path / "source", tmp_path)
    assert vectors(tmp_path / "v") == {p: v for p, v in expected.items() if not p.rpartition(b"/")[2].startswith(b".")}


def test_a_second_run_does_only_what_is_new(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 10)
    assert local(source, target, files_a_part=4).new == 10
    before = stats(target)
    again = local(source, target, files_a_part=4)
    assert (again.new, again.parts_done, again.engine) == (0, 3, ""), "no encoder was needed"
    write(source, 1, start=50)
    (source / "a/0000.png").write_bytes(picture(1000))
    (source / "b/0001.png").unlink()
    assert local(source, target, files_a_part=4).new == 2
    assert stats(target).items() >= before.items() and len(stats(target)) == 4
    assert vectors(target) == by_embedder(source, tmp_path)


def test_tar_files_are_streamed(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    source.mkdir()
    members = {f"{n:03d}.png": picture(n) for n in range(70)}
    (source / "one.tar").write_bytes(tar_of(members | {"000.json": b"{}", "d/._000.png": b"litter"}))
    (source / "two.tar.gz").write_bytes(tar_of({"./d/x.png": picture(3), "caf\udce9.png": picture(4)}, "w:gz"))
    (source / "one.png").write_bytes(picture(3))
    result = local(source, target)
    assert (result.files, result.parts, result.new, result.others) == (3, 3, 73, 1)
    found = vectors(target)
    assert found[b"two.tar.gz/d/x.png"] == found[b"one.png"] == found[b"one.tar/003.png"] is not None
    assert b"two.tar.gz/caf\xe9.png" in found and len(found) == 73
    row = next(row for row in rows(target) if row["path"] == b"one.tar/005.png")
    assert row["sha256"] == hashlib.sha256(members["005.png"]).digest() and row["mtime_ns"] == 17 * 10**17


@pytest.mark.parametrize("damage", ["cut in a picture", "cut between", "overwritten", "no archive", "gzip cut"])
def test_of_a_damaged_tar_file_the_beginning_counts(tmp_path: Path, damage: str) -> None:
    source = tmp_path / "source"
    source.mkdir()
    members = {f"{n}.png": picture(n) for n in range(4)}
    data = bytearray(tar_of(members))
    third = bytes(data).index(b"2.png")
    name = "x.tar"
    if damage == "cut in a picture":
        del data[third + 600 :]
    elif damage == "cut between":
        del data[third:]
    elif damage == "overwritten":
        data[third : third + 512] = bytes(range(256)) * 2
    elif damage == "no archive":
        data, third = bytearray(b"nothing of the kind" * 100), 0
    else:
        name = "x.tar.gz"
        data = bytearray(tar_of(members, "w:gz"))[:-300]
    (source / name).write_bytes(data)
    result = local(source, tmp_path / "v")
    found = {row["path"]: row["error"] for row in rows(tmp_path / "v")}
    assert found.pop(name.encode()).startswith("the archive is damaged: ") and result.errors == 1
    if damage != "gzip cut":
        assert found == dict.fromkeys([b"x.tar/0.png", b"x.tar/1.png"] if third else [], "")


def test_kill_9_and_again(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 120)
    running = command(source, "--to", target, "--encoder", "builtin", "--part-files", "8")
    until = time.monotonic() + 60
    while len(stats(target)) < 3:
        assert running.poll() is None and time.monotonic() < until, running.communicate()
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    before = stats(target)
    (target / "begun.json").write_text('{"0": 1}')  # as a kill right after a part leaves it
    assert len(before) < 15, "killed too late to mean anything"
    result = local(source, target)
    assert result.parts_done == result.parts == 15 and result.new == 120 - 8 * len(before)
    assert stats(target).items() >= before.items(), "what is done is not touched"
    assert {p.name for p in target.iterdir()} == {ABOUT, "listing-1.parquet", ".refsort", *stats(target)}
    assert vectors(target) == by_embedder(source, tmp_path)


def test_a_picture_that_ends_the_program_costs_two_runs_and_one_row(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 3)
    (source / "crash.heic").write_bytes(poisoned("crash"))
    arguments = (source, "--to", target, "--encoder", "builtin")
    for _ in range(ISOLATED_FROM - 1):
        running = command(*arguments, path=bad_decoder(tmp_path / "bad"))
        running.communicate()
        assert running.returncode == -signal.SIGSEGV and not stats(target)
    running = command(*arguments, "--json", path=tmp_path / "bad")
    out, _ = running.communicate()
    assert running.returncode == 0, "bad pictures are no failure"
    assert (json.loads(out)["new"], json.loads(out)["errors"]) == (3, 1)
    assert rows(target)[-1]["error"] == "HEIF: the decoder crashed on it"
    assert not (target / "begun.json").exists()


def test_an_empty_folder_is_well(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    result = local(tmp_path / "source", tmp_path / "v")
    assert (result.files, result.parts, result.new) == (0, 0, 0)
    assert list(read_vectors(tmp_path / "v")) == []


def test_other_vectors_are_not_mixed_in(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 2)
    local(source, target)
    with pytest.raises(DatasetError, match="holds vectors of builtin, and builtin-large was asked for"):
        local(source, target, config=CONFIG.model_copy(update={"encoder": "builtin-large"}))
    assert local(source, target, config=CONFIG.model_copy(update={"encoder": "auto"})).encoder == "builtin"
    write(tmp_path / "elsewhere", 1)
    with pytest.raises(DatasetError, match=r"not of .*elsewhere"):
        local(tmp_path / "elsewhere", target)
    about = json.loads((target / ABOUT).read_text())
    (target / ABOUT).write_text(json.dumps(about | {"fingerprint": "an older one"}))
    write(source, 1, start=9)
    with pytest.raises(DatasetError, match="another version of builtin"):
        local(source, target)
    with pytest.raises(DatasetError, match=r"part-000000.parquet is of another encoder"):
        list(read_vectors(target))
    (target / ABOUT).write_text("{}")
    with pytest.raises(DatasetError, match="can't be read"):
        local(source, target)


def test_one_run_at_a_time(tmp_path: Path) -> None:
    write(tmp_path / "source", 1)
    with hold(tmp_path / "v/.refsort", "embed"), pytest.raises(DatasetHeld, match="is being filled by 'refsort embed'"):
        local(tmp_path / "source", tmp_path / "v")


def test_a_source_that_vanishes_stops_the_run_and_makes_no_rows(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 6)
    worker = begun(source, target)
    shutil.rmtree(source)
    with pytest.raises(DatasetError, match="is not there any more"):
        worker.do(next(parts_to_do(LocalPlace(target), set())))
    assert {p.name for p in target.iterdir()} == {ABOUT, "listing-1.parquet"}
    with pytest.raises(DatasetError, match="is no folder"):
        local(source, target)


def test_what_could_not_be_had_is_tried_again_and_the_rest_is_not(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 4)
    worker = begun(source, target)
    away = (source / "a/0002.png").rename(tmp_path / "away.png")  # on a disk that is not there for a while
    assert worker.do(next(parts_to_do(LocalPlace(target), set()))).errors == 1
    assert {row["path"]: row["error"] for row in rows(target)}[b"a/0002.png"] == "it is gone"
    away.rename(source / "a/0002.png")
    result = local(source, target)
    assert (result.new, result.parts) == (1, 2)
    assert vectors(target) == by_embedder(source, tmp_path)
    assert local(source, target).parts == 2


def begun(source: Path, target: Path) -> Worker:
    """The source is listed, and nothing is embedded yet."""
    worker = Worker(Job(str(source), str(target), CONFIG))
    write_all(LocalPlace(target), ABOUT, worker.about.to_json())
    bring_up_to_date(LocalPlace(source), LocalPlace(target), {})
    return worker


def test_a_part_that_fails_is_told_and_done_by_the_next_run(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "v"
    write(source, 6)

    class Unlucky(LocalEngine):
        """Loses its second part."""

        def run(self, parts: Iterator[Part], count: int, step: Callable[[int], None]) -> Iterator[Done | Failed]:
            for part in parts:
                yield Failed(1, "no luck") if part.number == 1 else self._ready().do(part)

    def make(job: Job) -> LocalEngine:
        return Unlucky(job, lambda _: None)

    result = embed(CONFIG, str(source), str(target), make, Reporters(), 2)
    assert (result.failed, result.parts_done, result.new) == ({1: "no luck"}, 2, 4)
    assert local(source, target).new == 2 and vectors(target) == by_embedder(source, tmp_path)


def test_the_columns_are_as_documented(tmp_path: Path) -> None:
    write(tmp_path / "source", 3)
    local(tmp_path / "source", tmp_path / "v")
    found = table(tmp_path / "v")
    assert tuple(found.column_names) == stored.COLUMNS
    assert str(found.schema.field("vector").type) == "fixed_size_list<element: halffloat>[1600]"
    numbers, there = stored.matrix(found.combine_chunks().to_batches()[0])
    assert there.all() and np.allclose(np.linalg.norm(numbers, axis=1), 1, atol=2e-3)
    documented = [line.split()[0] for line in (stored.__doc__ or "").splitlines() if line.startswith("    ")]
    assert [word for word in documented if word in stored.COLUMNS] == list(stored.COLUMNS)
    metadata = found.schema.metadata or {}
    assert metadata[stored.ENCODER_KEY] == b"builtin" and open_place(str(tmp_path / "v")).names()
