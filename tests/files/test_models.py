"""The store of fine-tuned models: names, promotion, going back, and what a kill leaves."""

import os
import random
import signal
import time
from pathlib import Path

import pytest

from refsort.errors import ModelError
from refsort.files.models import ABOUT, NETWORK, ModelStore


def train(store: ModelStore, key: str = "k") -> str:
    """A model of a few bytes."""
    part = store.begin(key)
    (part / NETWORK).write_bytes(b"network")
    (part / ABOUT).write_text('{"base": "builtin"}')
    return store.finish(part)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "Models")


def test_runs_in_the_order_in_which_they_were_made(store: ModelStore) -> None:
    made = [train(store) for _ in range(11)]
    assert store.runs() == made
    assert made[0].endswith("-1")
    assert made[10].endswith("-11")
    assert store.about(made[3]) == {"base": "builtin"}


def test_promote_and_roll_back(store: ModelStore) -> None:
    one, two = train(store), train(store)
    assert store.promotion() is None
    nothing = store.stamp()
    store.promote(one)
    first = store.stamp()
    store.promote(two)
    assert len({nothing, first, store.stamp()}) == 3
    assert store.promotion().run == two  # type: ignore[union-attr]
    assert store.promote(two).before == ("", one), "promoting it twice is one step back"
    assert store.rollback().run == one  # type: ignore[union-attr]
    assert store.rollback() is None
    assert store.promotion() is None
    with pytest.raises(ModelError, match="nothing to go back from"):
        store.rollback()


def test_a_model_that_was_deleted_is_passed_over_on_the_way_back(store: ModelStore) -> None:
    one, two, three = train(store), train(store), train(store)
    for run in (one, two, three):
        store.promote(run)
    (store.folder / two / NETWORK).unlink()
    assert store.rollback().run == one  # type: ignore[union-attr]


@pytest.mark.parametrize("run", ["", "..", "../x", "a/b", "nothing", "current", ".part-k"])
def test_what_is_no_model_is_not_promoted(store: ModelStore, run: str) -> None:
    train(store)
    store.begin("k")
    with pytest.raises(ModelError, match="there is no model"):
        store.promote(run)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"run": 3}', b"\xff\xfe", b'"run"'])
def test_a_damaged_name_of_the_model_in_use_is_said_and_can_be_mended(store: ModelStore, content: bytes) -> None:
    run = train(store)
    (store.folder / "current").write_bytes(content)
    with pytest.raises(ModelError, match="does not name a model"):
        store.promotion()
    store.promote(run)
    assert store.promotion().run == run  # type: ignore[union-attr]


def test_training_goes_on_where_it_is_the_same_and_begins_anew_where_not(store: ModelStore) -> None:
    (store.begin("one") / "checkpoint").write_bytes(b"half")
    assert (store.begin("one") / "checkpoint").read_bytes() == b"half"
    assert list(store.begin("two").iterdir()) == []
    assert [path.name for path in store.unfinished()] == [".part-two"]
    assert store.runs() == []


def test_killed_at_any_time_current_names_a_whole_model(store: ModelStore) -> None:
    """A process finishes, promotes and rolls back as fast as it can; it is killed sixty times."""
    rng = random.Random(5)
    ready = store.folder / "ready"
    for _ in range(60):
        ready.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            try:
                ready.parent.mkdir(exist_ok=True)
                ready.touch()
                while True:
                    store.promote(train(store))
                    store.promote(train(store))
                    store.rollback()
            finally:
                os._exit(1)
        while not ready.exists():
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.03))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        promotion = store.promotion()
        if promotion is not None:
            assert (store.path(promotion.run) / NETWORK).read_bytes() == b"network"
            assert store.about(promotion.run) == {"base": "builtin"}
    assert len(store.runs()) > 10
