"""A dataset whose answers are known, rendered or made from a person's own labelled photographs, sorted and marked."""

from refsort.demo.marks import Marks, Truth, mark
from refsort.demo.prepare import prepare

__all__ = ["Marks", "Truth", "mark", "prepare"]
