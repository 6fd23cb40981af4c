"""refsort: sorts pictures into folders by a few reference pictures of each class, and can take it all back.

from refsort import Config, Sorter

run = Sorter(Config(data_dir="Data", dataset="Tornillos", mode="max")).sort(dry_run=True)
print(run.sorted, run.per_class)
"""

from refsort.config import Config
from refsort.decide import Decision
from refsort.sorting import Run, Sorter

__version__ = "0.1.0"
__all__ = ["Config", "Decision", "Run", "Sorter", "__version__"]
