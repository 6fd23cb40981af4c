"""Where pictures, vectors, decisions and files meet."""

from refsort.sorting.events import Item, Reporter, Reporters, Run
from refsort.sorting.sorter import Sorter

__all__ = ["Item", "Reporter", "Reporters", "Run", "Sorter"]
