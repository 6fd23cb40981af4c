"""Files that belong together by name: a photo with its sidecars, a RAW with its JPEG, a live photo with its film.

They move as one, decided by the picture.
"""

from collections import defaultdict
from dataclasses import dataclass

SIDECAR_SUFFIXES = frozenset({".xmp", ".aae", ".json", ".thm", ".wav", ".pp3", ".dop", ".mov", ".mp4", ".txt"})
RAW_SUFFIXES = frozenset(
    {
        ".cr2",
        ".cr3",
        ".nef",
        ".nrw",
        ".arw",
        ".srf",
        ".sr2",
        ".raf",
        ".orf",
        ".rw2",
        ".pef",
        ".dng",
        ".raw",
        ".srw",
        ".3fr",
    }
    | {".iiq", ".rwl", ".x3f", ".erf", ".kdc", ".mrw"}
)


@dataclass(frozen=True, slots=True)
class Group:
    """One picture and what goes with it."""

    folder: str
    """Relative to the dataset."""
    main: str
    """File name of the picture that decides."""
    others: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.main}"

    @property
    def stem(self) -> str:
        """What the members' names begin with."""
        return split(self.main)[0]

    def paths(self) -> list[str]:
        """The picture first, then its companions."""
        return [self.path, *(f"{self.folder}/{name}" for name in self.others)]


def split(name: str) -> tuple[str, str]:
    """(stem, suffix in lower case with its dot); a leading dot begins no suffix."""
    dot = name.rfind(".")
    return (name[:dot], name[dot:].lower()) if dot > 0 else (name, "")


def gather(folder: str, names: list[str]) -> list[Group]:
    """Group the files of one folder; `names` are sorted and so are the groups.

    A companion belongs to the picture it names in full (photo.jpg.xmp), else to the first picture of its stem
    (photo.xmp). One without a picture stands alone: it will be found to be no picture and stay.
    """
    mains: list[str] = []
    companions: list[str] = []
    for name in names:
        suffix = split(name)[1]
        (companions if suffix in SIDECAR_SUFFIXES or suffix in RAW_SUFFIXES else mains).append(name)
    if not companions:
        return [Group(folder, name) for name in mains]
    wanted = {split(name)[0] for name in companions}
    picture_of: dict[str, str] = {}
    for name in mains:
        if name in wanted:
            picture_of[name] = name
        if (stem := split(name)[0]) in wanted:
            picture_of.setdefault(stem, name)
    owned: dict[str, list[str]] = defaultdict(list)
    for name in companions:
        picture = picture_of.get(split(name)[0])
        owned[picture or name] += [name] if picture else []
    return [Group(folder, name, tuple(owned.get(name, ()))) for name in sorted({*mains, *owned})]
