"""Which files go with one that already lies somewhere in the dataset."""

from refsort.files.dataset import Dataset
from refsort.files.groups import Group, gather, split
from refsort.files.journal import Journal


def group_of(dataset: Dataset, path: str) -> Group:
    """The group of the picture at a path relative to the dataset, by the names beside it. Raises OSError."""
    folder, _, name = path.rpartition("/")
    listed = dataset.path(folder) if folder else dataset.root
    stem = split(name)[0]
    names = sorted(p.name for p in listed.iterdir() if p.name.startswith(stem) and p.is_file() and not p.is_symlink())
    for group in gather(folder, names):
        if group.main == name:
            return group
    return Group(folder, name)


def companions(dataset: Dataset, journal: Journal, group: Group, moved_by: int | None) -> tuple[str, ...]:
    """What was sorted with the picture and lies there still, and what has come since and bears its name.

    `moved_by`: id of the move that brought the picture; None if refsort did not bring it.
    """
    with_it = [] if moved_by is None else journal.targets_with(moved_by)
    since = [path for path in group.paths()[1:] if journal.main_at(path) in (None, moved_by)]
    here = [path for path in with_it if path.rpartition("/")[0] == group.folder]
    return tuple(p for p in dict.fromkeys([*here, *since]) if dataset.path(p).is_file())
