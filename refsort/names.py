"""Names of files and folders: which are litter, which are unsafe, which count as the same, and how to number them."""

import os
import unicodedata
from pathlib import PurePosixPath

from refsort.errors import UnsafeName

MAX_NAME_BYTES = 255
"""The longest name that ext4, xfs, btrfs, APFS and NTFS (counting its UTF-16 units) all take."""

PARTIAL_SUFFIXES = (".part", ".crdownload", ".tmp", "~", ".download", ".filepart", ".!ut", ".refsort-part")
LITTER_NAMES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"})
LITTER_FOLDERS = frozenset({"@eadir", "#recycle", "$recycle.bin", "system volume information", "__macosx"})
RESERVED_ON_WINDOWS = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{n}" for port in ("com", "lpt") for n in "0123456789¹²³"}
)
SEPARATORS = frozenset("/\\")


def is_litter(name: str) -> bool:
    """Whether a file of this name is hidden, half-downloaded or system litter, and so is never touched."""
    low = name.lower()
    return name.startswith((".", "~$")) or low.endswith(PARTIAL_SUFFIXES) or low in LITTER_NAMES


def is_litter_folder(name: str) -> bool:
    """Whether a sub-folder of this name is hidden or made by a system for itself."""
    return name.startswith(".") or name.lower() in LITTER_FOLDERS


def fold(name: str) -> str:
    """The form under which two names count as the same: NFC-equal and case-folded, as on APFS, NTFS and exFAT."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def unsafe_reason(name: str) -> str | None:
    """Why a folder of this name could leave its parent or not exist on every system; None if it is safe."""
    if name in ("", ".", ".."):
        return "it means another folder"
    if any(ord(c) < 32 or ord(c) == 127 for c in name):
        return "it holds a control character"
    if bad := sorted(SEPARATORS.intersection(name)):
        return f"it holds {' '.join(bad)}, which parts folders"
    if fold(name.split(".")[0].rstrip()) in RESERVED_ON_WINDOWS:
        return "Windows reserves that name for a device"
    if len(to_bytes(name)) > MAX_NAME_BYTES:
        return f"it is longer than {MAX_NAME_BYTES} bytes"
    return None


def check_class_name(name: str) -> None:
    """Raise UnsafeName unless a class folder may have this name."""
    if reason := unsafe_reason(name):
        raise UnsafeName(f"class folder {show(name)}: {reason}; rename the folder")


def check_new_class(name: str) -> None:
    """Raise UnsafeName unless a person may give this name to a class; a hidden folder would never be seen as one."""
    check_class_name(name)
    if is_litter_folder(name):
        raise UnsafeName(f"{show(name)} would be a hidden folder, which is no class; take another name")


def check_distinct(names: list[str]) -> None:
    """Raise UnsafeName if two class names would be one folder on some system."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(fold(name), name)
        if other != name:
            raise UnsafeName(
                f"class folders {show(other)} and {show(name)} are the same name to a file system that ignores "
                f"case or spelling; rename one"
            )


def numbered(name: str, number: int, stem: str | None = None) -> str:
    """`photo.jpg` → `photo_2.jpg`, cut so that it keeps within MAX_NAME_BYTES; number 1 is the name itself.

    `stem` is the beginning that gets the number where it isn't the name up to its last dot: members of a group
    (photo.jpg, photo.jpg.xmp) are numbered behind the same stem.
    """
    if number <= 1:
        return name
    if stem is None or not name.startswith(stem):
        stem = PurePosixPath(name).stem or name
    rest = name[len(stem) :]
    mark = f"_{number}"
    room = MAX_NAME_BYTES - len(to_bytes(mark + rest))
    return cut(stem, max(room, 1)) + mark + rest


def cut(text: str, max_bytes: int) -> str:
    """The longest beginning of a text that takes at most so many bytes."""
    while len(to_bytes(text)) > max_bytes:
        text = text[: -max(1, (len(to_bytes(text)) - max_bytes) // 4)]
    return text


def to_bytes(text: str) -> bytes:
    """A path's text as bytes; names that are no valid UTF-8 survive the way there and back."""
    return text.encode("utf-8", "surrogateescape") if os.name != "nt" else text.encode("utf-8", "surrogatepass")


def from_bytes(data: bytes) -> str:
    """The inverse of `to_bytes`."""
    return data.decode("utf-8", "surrogateescape") if os.name != "nt" else data.decode("utf-8", "surrogatepass")


def show(text: str) -> str:
    """A name or path fit for a terminal or a page: control characters and stray bytes escaped, nothing executed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
