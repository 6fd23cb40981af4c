"""Making a demo dataset, or setting an earlier one back to its start."""

from pathlib import Path

from refsort.demo.marks import Truth
from refsort.demo.split import split_folder
from refsort.errors import DatasetError, JournalError
from refsort.files.dataset import Dataset
from refsort.names import show
from refsort.sorting import Sorter


def prepare(sorter: Sorter, photos: Path | None, references: int, seed: int) -> Truth:
    """A demo dataset with everything in the drop folder, and its answers.

    One that was made before is set back by undoing its runs. Raises DatasetError if a dataset of that name is there
    that no demo has made: a person's own pictures are never played with.
    """
    dataset = sorter.dataset
    truth = Truth.load(dataset)
    if truth is not None:
        _set_back(sorter)
        return truth
    if dataset.root.exists() and any(dataset.root.iterdir()):
        raise DatasetError(
            f"{show(str(dataset.root))} exists and was not made by the demo; name another one with --dataset"
        )
    sorter.reporter.message(f"making the demo dataset {show(str(dataset.root))} ...")
    truth = split_folder(photos, dataset, references, seed) if photos else _render(dataset, seed)
    truth.save(dataset)
    return truth


def _render(dataset: Dataset, seed: int) -> Truth:
    from refsort.demo.render import render_demo

    truth = Truth(rendered=True)
    answers = render_demo(dataset.root, seed)
    for made, wanted in (("Clases", dataset.names.references), ("Images", dataset.names.arrivals)):
        if made != wanted:
            dataset.path(made).rename(dataset.path(wanted))
    for name, class_name in answers.items():
        truth.add(dataset.path(f"{dataset.names.arrivals}/{name}"), class_name)
    return truth


def _set_back(sorter: Sorter) -> None:
    try:
        while True:
            if sorter.undo().restored == 0:
                return
    except JournalError:
        return
