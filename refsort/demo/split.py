"""A person's own labelled photographs as a demo: a few become references, the rest arrivals. Only copies are made."""

import random
import shutil
from collections import Counter
from pathlib import Path

from refsort.demo.marks import Truth
from refsort.errors import DatasetError
from refsort.files.dataset import Dataset
from refsort.images import PICTURE_SUFFIXES
from refsort.names import check_class_name, check_distinct, is_litter, show


def split_folder(folder: Path, dataset: Dataset, references: int, seed: int) -> Truth:
    """Copy pictures of each sub-folder of `folder`: so many into Clases/, the others into Images/ without their label.

    Raises DatasetError unless there are two sub-folders with more pictures than references are drawn.
    """
    classes = _labelled(folder)
    usable = {name: paths for name, paths in classes.items() if len(paths) > references}
    if len(usable) < 2:
        raise DatasetError(
            f"{show(str(folder))} needs two or more sub-folders, one for each class, "
            f"with more than {references} pictures in each"
        )
    check_distinct(sorted(usable))
    rng = random.Random(seed)
    truth = Truth(rendered=False)
    arrivals: list[tuple[Path, str]] = []
    for name in sorted(usable):
        check_class_name(name)
        paths = rng.sample(usable[name], len(usable[name]))
        target = dataset.path(f"{dataset.names.references}/{name}")
        target.mkdir(parents=True)
        for path in paths[:references]:
            shutil.copy2(path, target / path.name)
        arrivals += [(path, name) for path in paths[references:]]
    rng.shuffle(arrivals)
    target = dataset.path(dataset.names.arrivals)
    target.mkdir(parents=True)
    used: Counter[str] = Counter()
    for path, name in arrivals:
        used[path.name] += 1
        mark = f"_{used[path.name]}" if used[path.name] > 1 else ""
        shutil.copy2(path, target / f"{path.stem}{mark}{path.suffix}")
        truth.add(path, name)
    return truth


def _labelled(folder: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise DatasetError(f"{show(str(folder))} is no folder")
    return {
        sub.name: sorted(
            path
            for path in sub.iterdir()
            if path.is_file() and path.suffix.lower() in PICTURE_SUFFIXES and not is_litter(path.name)
        )
        for sub in sorted(folder.iterdir())
        if sub.is_dir() and not sub.name.startswith(".")
    }
