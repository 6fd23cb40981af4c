"""Paths that come from outside, such as a browser: only what lies in a dataset is meant by them."""

import os
from pathlib import Path

from refsort.errors import UnsafeName
from refsort.files.dataset import Dataset
from refsort.names import show


def below(path: str, tops: frozenset[str]) -> None:
    """Raise UnsafeName unless a path with forward slashes leads, by its text, to something below one of these folders.

    A backslash parts folders on Windows only; elsewhere it may stand in a name.
    """
    parts = path.split("/")
    barred = "\0" if os.sep == "/" else "\0" + os.sep
    plain = all(part not in ("", ".", "..") and not set(part) & set(barred) for part in parts)
    if not plain or len(parts) < 2 or parts[0] not in tops:
        raise UnsafeName(f"{show(path)} does not lie in {', '.join(sorted(tops))}")


def inside(dataset: Dataset, path: str, tops: frozenset[str]) -> Path:
    """Absolute path of a file below one of these folders of the dataset; it need not be there.

    `path` is relative to the dataset with forward slashes, and plain: no `..`, no empty part, no NUL, and no folder on
    the way that is a link out of the dataset. Raises UnsafeName.
    """
    if "\\" in path:
        raise UnsafeName(f"{show(path)} does not lie in {', '.join(sorted(tops))}")
    below(path, tops)
    found = dataset.path(path)
    try:
        real = found.parent.resolve()
    except (OSError, RuntimeError) as error:
        raise UnsafeName(f"{show(path)} can't be reached: {error}") from None
    if not real.is_relative_to(dataset.root.resolve()):
        raise UnsafeName(f"{show(path)} lies behind a link out of the dataset")
    return found
