"""A small dataset and requests to move its files."""

from pathlib import Path

from refsort.files.dataset import Dataset
from refsort.files.groups import gather, split
from refsort.files.journal import Journal
from refsort.files.moving import Mover
from refsort.files.requests import Outcome, Request, member
from tests.trees import Tree, make


def dataset_of(root: Path, tree: Tree) -> Dataset:
    """A dataset with these files; the folders of the contract exist."""
    make(root, {"Clases": {}, "Images": {}, **tree})
    return Dataset(root)


def requests_for(dataset: Dataset, folder: str = "Dataset/a", action: str = "move") -> list[Request]:
    """A request for each group in Images/, in order, all into one folder."""
    found = []
    for group in dataset.arrivals().groups():
        names = [group.main, *group.others]
        members = tuple(member(dataset, f"{group.folder}/{name}", f"{folder}/{name}") for name in names)
        found.append(Request(members, action, {"class": "a"}, stem=split(group.main)[0]))
    return found


def move_all(dataset: Dataset, folder: str = "Dataset/a", action: str = "move") -> list[Outcome]:
    """Journal a run that files everything in Images/ into one folder."""
    journal = Journal(dataset.state / "journal.db")
    try:
        run = journal.begin_run("sort", action, {})
        outcomes = Mover(dataset, journal).file(run, requests_for(dataset, folder, action))
        journal.end_run(run, {"sorted": len(outcomes)})
        return outcomes
    finally:
        journal.close()


__all__ = ["dataset_of", "gather", "move_all", "requests_for"]
