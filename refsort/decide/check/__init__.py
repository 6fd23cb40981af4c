"""A look at the references before anything moves."""

from refsort.decide.check.references import check

__all__ = ["check"]
