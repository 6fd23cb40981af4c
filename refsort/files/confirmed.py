"""What a person has confirmed: the class of a picture, by its content, in the journal's table `labels`."""

from collections.abc import Iterable
from dataclasses import dataclass

from refsort.files.journal import Journal, now
from refsort.names import from_bytes, to_bytes


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A person's word about one content."""

    sha256: bytes
    class_name: str
    time: str
    """UTC, ISO-8601."""
    source: str
    """Where it was said: labels | app."""


def confirm(journal: Journal, words: Iterable[tuple[bytes, str]], source: str) -> None:
    """Remember (hash, class) each; a later word about the same content takes the place of the earlier one."""
    time = now()
    with journal.transaction() as db:
        db.executemany(
            "INSERT OR REPLACE INTO labels VALUES (?,?,?,?)",
            [(sha256, to_bytes(name), time, source) for sha256, name in words],
        )


def forget(journal: Journal, hashes: Iterable[bytes]) -> int:
    """Take words back; how many there were."""
    with journal.transaction() as db:
        before = db.total_changes
        db.executemany("DELETE FROM labels WHERE sha256=?", [(sha256,) for sha256 in hashes])
        return db.total_changes - before


def confirmed(journal: Journal) -> dict[bytes, Confirmed]:
    """Every word, by content."""
    rows = journal.rows("SELECT * FROM labels ORDER BY sha256")
    return {r["sha256"]: Confirmed(r["sha256"], from_bytes(r["class"]), r["time"], r["source"]) for r in rows}


def confirmed_stamp(journal: Journal) -> tuple[int, str]:
    """Changes when a word is said or taken back: how many there are, and the newest time."""
    row = journal.rows("SELECT count(*), coalesce(max(time), '') FROM labels")[0]
    return int(row[0]), str(row[1])
