"""Captions that lie beside pictures: captions.txt in the layout of Flickr8k, or a text file of the picture's name.

captions.txt            image,caption             (this first line may be missing)
                        1000268201.jpg,A child in a pink dress is climbing up a set of stairs, alone .
holiday/beach.txt       two lines beside holiday/beach.jpg are two captions of it
"""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from refsort.errors import DatasetError
from refsort.files.identity import FileStat, look
from refsort.names import show

CAPTIONS_FILE = "captions.txt"
NOT_CAPTIONS = frozenset({CAPTIONS_FILE, "phrases.txt", "readme.txt", "labels.txt", "license.txt", "requirements.txt"})
"""Text files that are no caption of a picture, even if one has their name."""
MAX_BYTES = 64_000_000
"""A larger file is not taken for captions."""
MAX_SIDECAR_BYTES = 16_384
MAX_CAPTION = 2000
"""Characters of a caption that are kept; no encoder reads more."""


def captions_file(root: Path, named: Path | None = None) -> Path | None:
    """The captions file of a folder, if there is one. Raises DatasetError if one is named that isn't there."""
    if named is not None:
        path = named.expanduser()
        if not path.is_file():
            raise DatasetError(f"{show(str(named))} is no file; captions are lines 'image,caption'")
        return path.resolve()
    return next((p for p in (root / CAPTIONS_FILE, root.parent / CAPTIONS_FILE) if p.is_file()), None)


def parse(text: str) -> list[tuple[str, str]]:
    """(name of a picture, caption) of each line; a caption may hold commas. Also the older `name#0<TAB>caption`."""
    found = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines()):
        name, mark, caption = (
            line.partition("\t") if "\t" in line and "," not in line.split("\t")[0] else line.partition(",")
        )
        name, caption = name.strip().strip('"'), caption.strip()
        if caption[:1] == '"' == caption[-1:] and len(caption) > 1:
            caption = caption[1:-1].replace('""', '"')
        if not mark or not name or not caption or (number == 0 and _is_header(name, caption)):
            continue
        base, hash_mark, digits = name.rpartition("#")
        found.append((base if hash_mark and digits.isdigit() else name, caption[:MAX_CAPTION]))
    return found


def _is_header(name: str, caption: str) -> bool:
    """Whether these are the names of the columns."""
    return name.lower() in ("image", "image_name", "file", "filename") and caption.lower().split(",")[0] in (
        "caption",
        "captions",
        "comment",
        "text",
    )


def read(path: Path) -> str:
    """A text file, whatever its bytes. Raises OSError."""
    return path.read_bytes()[:MAX_BYTES].decode("utf-8", "replace")


def match(entries: Iterable[tuple[str, str]], pictures: Iterable[str], below: str = "") -> Iterator[tuple[str, str]]:
    """(path, caption) of the entries whose picture is there: by its path, or by its name where only one has it.

    `below`: the folder of the captions file, relative, in which paths are looked for first.
    """
    paths = set(pictures)
    by_name: dict[str, list[str]] = {}
    for path in paths:
        by_name.setdefault(PurePosixPath(path).name, []).append(path)
    for name, caption in entries:
        plain = name.replace("\\", "/").removeprefix("./")
        near = f"{below}/{plain}" if below else plain
        same = by_name.get(PurePosixPath(plain).name, [])
        if near in paths:
            yield near, caption
        elif plain in paths:
            yield plain, caption
        elif len(same) == 1:
            yield same[0], caption


def sidecar(root: Path, path: str) -> tuple[Path, FileStat] | None:
    """The text file beside a picture, `photo.txt` or `photo.jpg.txt`, if there is one."""
    picture = PurePosixPath(path)
    for name in (picture.stem + ".txt", picture.name + ".txt"):
        if name.lower() in NOT_CAPTIONS:
            continue
        text = root / str(picture.parent) / name
        stat = look(text)
        if stat is not None and 0 < stat.size <= MAX_SIDECAR_BYTES:
            return text, stat
    return None


def sidecar_captions(text: str) -> list[str]:
    """Its lines, without empty ones and repetitions."""
    lines = (line.strip()[:MAX_CAPTION] for line in text.removeprefix("\ufeff").splitlines())
    return list(dict.fromkeys(line for line in lines if line))
