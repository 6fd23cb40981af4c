"""Which file is a picture's sidecar, and what the journal says of it.

A new sidecar beside photo.jpg is photo.jpg.xmp: darktable, digiKam, Immich and PhotoPrism write or read that name, and
it tells photo.jpg's keywords from photo.png's. Where photo.xmp (Adobe's way, made for RAW files) is there already and
belongs to the picture, the keywords go into that one.
"""

import hashlib
from typing import Any

from refsort.files.dataset import Dataset
from refsort.files.groups import Group, split
from refsort.files.identity import FileStat
from refsort.files.journal import Journal, Move
from refsort.files.requests import Member, Request
from refsort.names import MAX_NAME_BYTES, to_bytes

TAG = "tag"
"""The action of an entry in the journal: source is the picture, target its sidecar."""


def sidecar_of(group: Group) -> str:
    """Path of the picture's sidecar: the one that is there, photo.jpg.xmp before photo.xmp, else a new photo.jpg.xmp.

    A name too long for that gets the short form.
    """
    there = [name for name in group.others if split(name)[1] == ".xmp"]
    there.sort(key=lambda name: split(name)[0] != group.main)
    full = f"{group.main}.xmp"
    name = there[0] if there else full if len(to_bytes(full)) <= MAX_NAME_BYTES else f"{group.stem}.xmp"
    return f"{group.folder}/{name}"


def tag_request(
    group: Group, stat: FileStat, sha256: bytes, keywords: list[str], decision: dict[str, Any] | None
) -> Request:
    """A picture that is to get keywords."""
    said = {**(decision or {}), "tags": keywords}
    return Request((Member(group.path, sidecar_of(group), stat, sha256),), TAG, said, exact=True)


def is_tagged(dataset: Dataset, journal: Journal, path: str, stat: FileStat | None) -> bool:
    """Whether this very picture has its tags, and the sidecar with them is there still."""
    if stat is None:
        return False
    return any(
        move.reverses is None and move.stat.same_file(stat) and dataset.path(move.target).exists()
        for move in journal.placed(path, TAG)
    )


def digest(data: bytes | None) -> str | None:
    """SHA-256 of a version, as it stands in the journal; None for none."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def taking_back(move: Move, sidecar: str) -> Request:
    """The request that takes a tag back; `sidecar`: where it lies now."""
    said = dict(move.decision or {})
    was = said["sidecar"]
    said["sidecar"] = {"before": was["after"], "after": was["before"], "mtime_ns": was["former_mtime_ns"]}
    return Request((Member(move.source, sidecar, move.stat, move.sha256, move.id),), TAG, said, exact=True)
