"""Object stores: the same parts and the same vectors, through a server that speaks S3."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from refsort.errors import DatasetError, RefsortError
from refsort.scale.contents import read_listed
from refsort.scale.listing import Listed
from refsort.scale.places import open_place
from refsort.scale.stores import StorePlace
from refsort.scale.vectors import part_name
from tests.scale.helpers import by_embedder, local, picture, tar_of, vectors, write

moto = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Options of a URI that lead to a store of this machine, with the buckets `pictures` and `vectors`."""
    running = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for key, value in (("ACCESS_KEY_ID", "test"), ("SECRET_ACCESS_KEY", "test"), ("EC2_METADATA_DISABLED", "true")):
            patch.setenv(f"AWS_{key}", value)
        yield f"?endpoint_override={host}:{port}&scheme=http&region=us-east-1"
    running.stop()


@pytest.fixture
def bucket(server: str, request: pytest.FixtureRequest) -> tuple[str, fs.FileSystem, str]:
    """A prefix of its own, the store, and the options."""
    name = f"b{abs(hash(request.node.name))}"
    store, _ = fs.FileSystem.from_uri(f"s3://{name}{server}&allow_bucket_creation=true")
    store.create_dir(name)
    return name, store, server


def put(store: fs.FileSystem, path: str, data: bytes) -> None:
    with store.open_output_stream(path) as out:
        out.write(data)


def test_pictures_and_vectors_in_a_store(bucket: tuple[str, fs.FileSystem, str], tmp_path: Path) -> None:
    name, store, options = bucket
    write(tmp_path / "source", 20)
    (tmp_path / "source/notes.txt").write_text("no picture")
    (tmp_path / "source/broken.png").write_bytes(picture(1)[:50])
    for path in (p for p in (tmp_path / "source").rglob("*") if p.is_file()):
        put(store, f"{name}/in/{path.relative_to(tmp_path / 'source')}", path.read_bytes())
    put(store, f"{name}/in/.hidden/x.png", picture(5))
    source, target = f"s3://{name}/in{options}", f"s3://{name}/in/vectors{options}"
    result = local(source, target, files_a_part=8)
    assert (result.new, result.errors, result.others, result.parts) == (20, 1, 1, 3)
    expected = by_embedder(tmp_path / "source", tmp_path)
    assert expected.pop(b"notes.txt") is None
    assert vectors(target) == expected
    assert local(source, target, files_a_part=8).new == 0
    put(store, f"{name}/in/shard-0.tar", tar_of({f"{n}.png": picture(n) for n in range(30)}))
    put(store, f"{name}/in/a/0000.png", picture(999))
    store.delete_file(f"{name}/in/b/0001.png")
    assert local(source, target, files_a_part=8).new == 31
    found = vectors(target)
    assert found[b"shard-0.tar/4.png"] == expected[b"a/0004.png"] and b"b/0001.png" not in found
    assert found[b"a/0000.png"] != expected[b"a/0000.png"] and len(found) == 20 + 30


def test_what_breaks_off_leaves_nothing(bucket: tuple[str, fs.FileSystem, str]) -> None:
    name, _, options = bucket
    place = open_place(f"s3://{name}/v{options}")
    with pytest.raises(KeyboardInterrupt), place.publish(part_name(0)) as file:
        file.write(bytes(20_000_000))
        raise KeyboardInterrupt
    assert place.names() == set() and place.name == f"s3://{name}/v"
    with place.publish(part_name(0)) as file:
        file.write(b"whole")
    assert place.names() == {"part-000000.parquet"}


def test_parts_are_plain_parquet(bucket: tuple[str, fs.FileSystem, str], tmp_path: Path) -> None:
    name, store, options = bucket
    write(tmp_path / "source", 3)
    local(tmp_path / "source", f"s3://{name}/v{options}")
    assert pq.read_table(f"{name}/v/part-000000.parquet", filesystem=store).num_rows == 3


def test_a_store_that_fails_is_no_reason_to_give_a_picture_up(bucket: tuple[str, fs.FileSystem, str]) -> None:
    name, _, options = bucket
    place = StorePlace(f"s3://{name}-is-not-there/in{options}")
    row = Listed(0, b"x.png", 10, 1)
    assert read_listed(place, row, 100)[0].state == "gone"
    away = StorePlace("s3://bucket/in?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1")
    away.fs = fs.S3FileSystem(
        endpoint_override="127.0.0.1:9",
        scheme="http",
        region="us-east-1",
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )
    with pytest.raises(OSError, match=r"(?i)connect"):
        read_listed(away, row, 100)
    assert read_listed(away, row, 100, patient=False)[0].state == "unreadable"


def test_a_store_that_is_not_there_is_named(bucket: tuple[str, fs.FileSystem, str]) -> None:
    _, _, options = bucket
    with pytest.raises(DatasetError, match=r"s3://none-of-this-name/x can't be listed"):
        open_place(f"s3://none-of-this-name/x{options}").files()
    with pytest.raises(RefsortError, match=r"what://is/this can't be used"):
        open_place("what://is/this?key=secret")


def test_names_come_in_the_order_of_their_bytes(bucket: tuple[str, fs.FileSystem, str], tmp_path: Path) -> None:
    """As those of a folder do, whatever sorts before a slash: two listings are compared as they stream."""
    name, store, options = bucket
    paths = ["a-b.png", "a.png", "a/1.png", "a/b/2.png", "a/b-c.png", "a0.png", ".git/x.png", "z/@eaDir/y.png", "z.tar"]
    for path in paths:
        put(store, f"{name}/in/{path}", path.encode())
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(path.encode())
    put(store, f"{name}/in/out/part-000000.parquet", b"vectors")
    found = open_place(f"s3://{name}/in{options}").files(skip=open_place(f"s3://{name}/in/out{options}"))
    listed = [(one.path, one.size) for one in found]
    assert listed == [(one.path, one.size) for one in open_place(str(tmp_path)).files()]
    assert [path for path, _ in listed] == sorted(path for path, _ in listed) and len(listed) == 7
