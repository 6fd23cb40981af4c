"""The queues that a person looks through, one picture with its rivals, and taking a word back."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from refsort.errors import DatasetError, JournalError
from refsort.files.by_hand import SOURCE, Wish, begin, file_by_hand
from refsort.files.confirmed import confirmed
from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Request, member
from refsort.learn.reviewing import (
    Waiting,
    Which,
    counts,
    in_turns,
    likely_first,
    said_before,
    take_back,
    take_word_back,
    waiting,
    went,
)
from refsort.learn.rivals import Bench, look_at
from refsort.sorting.embedding import Embedded
from refsort.sorting.prepared import Prepared
from tests.learn.discs import COLOURS, disc, make_discs, prepared_of


@dataclass
class Room:
    dataset: Dataset
    journal: Journal
    prepared: Prepared

    def filed(self, path: str, target: str, probability: float | None, margin: float) -> None:
        """As a sort would have filed it."""
        decision: dict[str, object] = {
            "class": "rojo",
            "runner_up": "azul",
            "probability": probability,
            "margin": margin,
        }
        decision |= {"verdict": "unsure", "rivals": [["rojo", 0.6], ["azul", 0.4]]}
        run = self.journal.begin_run("sort", "move", {})
        request = Request((member(self.dataset, path, target),), "move", decision, stem=Path(path).stem)
        assert [o.status for o in Mover(self.dataset, self.journal).file(run, [request])] == ["done"]

    def embed(self, path: str) -> Embedded:
        return next(self.prepared.embedder.stream([path]))


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    dataset = make_discs(tmp_path / "Discos", references=3, arrivals=3)
    with prepared_of(dataset) as (journal, prepared):
        yield Room(dataset, journal, prepared)


def hand(room: Room, path: str, class_name: str) -> int | None:
    (found,) = file_by_hand(room.dataset, room.journal, begin(room.journal), [Wish(path, class_name)])
    assert found.target is not None, found.reason
    return found.move


def queue(room: Room, which: Which) -> list[str]:
    return [one.path for one in waiting(room.dataset, room.journal, which)]


def test_every_pair_has_its_turn_before_a_second_of_any() -> None:
    found = [
        Waiting("a", "x", "y", 0.5, 0.01),
        Waiting("b", "y", "x", 0.5, 0.02),
        Waiting("by hand"),
        Waiting("c", "x", "z", 0.5, 0.30),
        Waiting("d", "z", "x", 0.5, 0.05),
    ]
    assert [one.path for one in in_turns(found)] == ["a", "d", "b", "c", "by hand"]


def test_of_the_unknown_the_likely_come_first() -> None:
    found = [Waiting("none"), Waiting("low", "x", "y", 0.1, 0.9), Waiting("high", "x", "y", 0.7, 0.1)]
    assert [one.path for one in likely_first(found)] == ["high", "low", "none"]


def test_queues_hold_what_lies_there_and_what_was_decided(room: Room) -> None:
    room.filed("Images/rojo0.jpg", "Unsure/rojo0.jpg", 0.5, 0.2)
    room.filed("Images/rojo1.jpg", "Unsure/rojo1.jpg", 0.5, 0.1)
    room.filed("Images/azul0.jpg", "Dataset/azul/azul0.jpg", 0.9, 0.5)
    room.filed("Images/azul1.jpg", "Dataset/azul/azul1.jpg", 0.6, 0.5)
    room.filed("Images/azul2.jpg", "Dataset/azul/azul2.jpg", 0.99, 0.5)
    disc(room.dataset.path("Unsure/mine.jpg"), COLOURS["rojo"], 9)
    room.dataset.path("Unsure/mine.xmp").write_text("a sidecar is no picture")
    disc(room.dataset.path("Unknown/stray.jpg"), (90, 90, 90), 9)
    assert queue(room, "unsure") == ["Unsure/rojo1.jpg", "Unsure/rojo0.jpg", "Unsure/mine.jpg"]
    assert queue(room, "unknown") == ["Unknown/stray.jpg"]
    assert queue(room, "doubtful") == ["Dataset/azul/azul1.jpg", "Dataset/azul/azul0.jpg"]
    assert counts(room.dataset, room.journal) == {"unsure": 3, "unknown": 1, "doubtful": 2}
    assert [one.path for one in waiting(room.dataset, None, "unsure")] == [
        f"Unsure/{name}.jpg" for name in ("mine", "rojo0", "rojo1")
    ]


def test_what_a_person_has_spoken_about_is_not_doubtful(room: Room) -> None:
    for number in range(3):
        room.filed(f"Images/rojo{number}.jpg", f"Dataset/rojo/rojo{number}.jpg", 0.6 + number / 100, 0.1)
    hand(room, "Dataset/rojo/rojo0.jpg", "rojo")
    hand(room, "Dataset/rojo/rojo1.jpg", "azul")
    assert queue(room, "doubtful") == ["Dataset/rojo/rojo2.jpg"]
    room.dataset.path("Dataset/rojo/rojo2.jpg").unlink()
    assert queue(room, "doubtful") == []


def test_rivals_are_those_of_the_decision_with_the_nearest_references(room: Room) -> None:
    room.filed("Images/verde0.jpg", "Unsure/verde0.jpg", 0.5, 0.2)
    found = look_at(room.dataset, room.journal, Bench.of(room.prepared), "Unsure/verde0.jpg", room.embed)
    assert found.run is not None and found.decision is not None and found.decision["class"] == "rojo"
    assert [(rival.class_name, rival.score) for rival in found.rivals] == [
        *(("rojo", 0.6), ("azul", 0.4)),
        ("verde", None),
    ]
    for rival in found.rivals:
        cosines = [near.cosine for near in rival.near]
        assert len(cosines) == 3 and cosines == sorted(cosines, reverse=True)
        assert all(near.path.startswith(f"Clases/{rival.class_name}/") for near in rival.near)
    assert found.rivals[2].near[0].cosine > max(found.rivals[0].near[0].cosine, found.rivals[1].near[0].cosine)


def test_a_picture_that_nobody_decided_about_is_judged_now(room: Room) -> None:
    disc(room.dataset.path("Unsure/mine.jpg"), COLOURS["verde"], 9)
    found = look_at(room.dataset, room.journal, Bench.of(room.prepared), "Unsure/mine.jpg", room.embed)
    assert (found.run, found.rivals[0].class_name) == (None, "verde")
    assert found.sha256 == hash_file(room.dataset.path("Unsure/mine.jpg"))
    room.dataset.path("Unsure/mine.jpg").write_bytes(b"no picture")
    found = look_at(room.dataset, room.journal, Bench.of(room.prepared), "Unsure/mine.jpg", room.embed)
    assert (found.decision, found.rivals) == (None, [])
    room.dataset.path("Unsure/mine.jpg").unlink()
    with pytest.raises(FileNotFoundError):
        look_at(room.dataset, room.journal, Bench.of(room.prepared), "Unsure/mine.jpg", room.embed)


def test_a_decision_about_another_picture_of_that_name_is_not_taken(room: Room) -> None:
    room.filed("Images/verde0.jpg", "Unsure/verde0.jpg", 0.5, 0.2)
    disc(room.dataset.path("Unsure/verde0.jpg"), COLOURS["azul"], 77)
    found = look_at(room.dataset, room.journal, Bench.of(room.prepared), "Unsure/verde0.jpg", room.embed)
    assert (found.run, found.rivals[0].class_name) == (None, "azul")


def test_the_class_that_it_lies_in_comes_first_and_no_picture_is_its_own_reference(room: Room) -> None:
    room.filed("Images/verde0.jpg", "Dataset/verde/verde0.jpg", 0.5, 0.2)
    reference = room.dataset.path("Clases/verde/r0.jpg").read_bytes()
    room.dataset.path("Dataset/verde/same.jpg").write_bytes(reference)
    bench = Bench.of(room.prepared)
    found = look_at(room.dataset, room.journal, bench, "Dataset/verde/verde0.jpg", room.embed)
    assert (found.lies_in, found.rivals[0].class_name) == ("verde", "verde")
    found = look_at(room.dataset, room.journal, bench, "Dataset/verde/same.jpg", room.embed)
    assert [near.path for near in found.rivals[0].near] != []
    assert "Clases/verde/r0.jpg" not in [near.path for near in found.rivals[0].near]


def test_a_move_is_taken_back_once(room: Room) -> None:
    room.filed("Images/verde0.jpg", "Unsure/verde0.jpg", 0.5, 0.2)
    before = room.dataset.path("Unsure/verde0.jpg").read_bytes()
    move = hand(room, "Unsure/verde0.jpg", "verde")
    assert move is not None and went(room.dataset, room.journal, "Unsure/verde0.jpg") == "verde"
    take_back(room.dataset, room.journal, move)
    assert room.dataset.path("Unsure/verde0.jpg").read_bytes() == before
    assert went(room.dataset, room.journal, "Unsure/verde0.jpg") is None
    with pytest.raises(JournalError):
        take_back(room.dataset, room.journal, move)


def test_only_moves_of_a_person_are_taken_back(room: Room) -> None:
    room.filed("Images/verde0.jpg", "Unsure/verde0.jpg", 0.5, 0.2)
    sorted_by = room.journal.rows("SELECT max(id) AS id FROM moves")[0]["id"]
    with pytest.raises(JournalError):
        take_back(room.dataset, room.journal, sorted_by)


def test_a_picture_that_can_not_go_back_is_named(room: Room) -> None:
    room.filed("Images/verde0.jpg", "Unsure/verde0.jpg", 0.5, 0.2)
    move = hand(room, "Unsure/verde0.jpg", "verde")
    disc(room.dataset.path("Unsure/verde0.jpg"), COLOURS["rojo"], 3)
    assert move is not None
    with pytest.raises(DatasetError, match="verde0"):
        take_back(room.dataset, room.journal, move)
    assert room.dataset.path("Dataset/verde/verde0.jpg").exists()


def test_a_word_is_taken_back_to_what_was_said_before(room: Room) -> None:
    room.filed("Images/verde0.jpg", "Dataset/verde/verde0.jpg", 0.5, 0.2)
    sha256 = hash_file(room.dataset.path("Dataset/verde/verde0.jpg"))
    assert said_before(room.journal, sha256) is None
    assert hand(room, "Dataset/verde/verde0.jpg", "verde") is None
    assert said_before(room.journal, sha256) == "verde"
    take_word_back(room.journal, sha256, "rojo", SOURCE)
    assert confirmed(room.journal)[sha256].class_name == "rojo"
    take_word_back(room.journal, sha256, None, SOURCE)
    assert confirmed(room.journal) == {}
