"""Taking away a source's name after its picture is safe elsewhere.

Between a last lstat and an unlink somebody may put a new file under the name, and the unlink would delete that one. So
the name is first changed to a private one, then looked at, and only the expected file is unlinked.
"""

import contextlib
import os
from pathlib import Path

from refsort.files import claim
from refsort.files.identity import FileStat, look
from refsort.files.taking import publish


def leaving_path(source: Path, move_id: int) -> Path:
    """The private name of a source on its way out."""
    return source.with_name(f".refsort-leaving-{move_id}")


def leave(source: Path, expected: FileStat, move_id: int) -> str | None:
    """Remove the file `expected` from its old name. Returns None, or why another file under that name stays there.

    Raises OSError if the folder doesn't let go of it, or if the very file was written to in between.
    """
    found = look(source)
    if found is None:
        return "it was already gone"
    if not expected.same_file(found):
        if (found.dev, found.ino) == (expected.dev, expected.ino):
            raise OSError("it was written to while it was being filed")
        return "a newer file has its name and stays"
    private = leaving_path(source, move_id)
    if look(private) is not None:
        raise OSError(f"{private} is in the way, left from an earlier crash; look at it and move it")
    if not claim.rename(source, private):
        os.rename(source, private)  # noqa: PTH104  (the name is ours by its number)
    if expected.same_file(look(private)):
        try:
            private.unlink()
        except OSError:
            bring_back(private, source)
            raise
        return None
    bring_back(private, source)
    return "a newer file took its name and stays"


def bring_back(private: Path, source: Path) -> None:
    """Give a file under its private name its own name again, or leave it where it is if that name is taken."""
    with contextlib.suppress(FileExistsError):
        publish(private, source)
