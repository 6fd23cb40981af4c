"""Tags and moves of the same files in one history: where a sidecar lies now, and what was tagged after it was moved."""

from refsort.files.dataset import Dataset
from refsort.files.identity import hash_file, look
from refsort.files.journal import Journal, Move
from refsort.files.requests import Member, member
from refsort.files.sidecars import TAG
from refsort.names import from_bytes, to_bytes


def lies_now(journal: Journal, path: str, after: int) -> str:
    """Where a file lies that was at `path` when the journal's entry `after` was made, by what refsort moved since."""
    while rows := journal.rows(
        "SELECT id, target FROM moves WHERE source=? AND action='move' AND state='done' AND id>? ORDER BY id LIMIT 1",
        (to_bytes(path), after),
    ):
        after, path = rows[0]["id"], from_bytes(rows[0]["target"])
    return path


def is_retagged(dataset: Dataset, journal: Journal, move: Move) -> bool:
    """Whether a moved sidecar lies where it was put, changed by nothing but the tags that it got since."""
    expected = move.sha256.hex()
    tags = [m for m in journal.standing_at(move.target) if m.action == TAG and m.target == move.target]
    for tag in sorted((tag for tag in tags if tag.id > move.id), key=lambda m: m.id):
        said = (tag.decision or {})["sidecar"]
        if said["before"] == expected:
            expected = said["after"]
    path = dataset.path(move.target)
    return expected != move.sha256.hex() and look(path) is not None and hash_file(path).hex() == expected


def sidecars_since(dataset: Dataset, journal: Journal, move: Move, there: list[str]) -> list[Member]:
    """New sidecars that a moved picture got where it was put, to go back with it; `there`: what goes back anyway."""
    found = []
    stems = [path.rpartition("/")[2].rpartition(".")[0] for path in (move.target, move.source)]
    folder = move.source.rpartition("/")[0]
    for tag in journal.placed(move.target, TAG):
        if tag.reverses is not None or tag.id < move.id or tag.target in there:
            continue
        name = tag.target.rpartition("/")[2]
        if look(dataset.path(tag.target)) is None or not name.startswith(stems[0]):
            continue
        found.append(member(dataset, tag.target, f"{folder}/{stems[1]}{name[len(stems[0]) :]}"))
        there = [*there, tag.target]
    return found
