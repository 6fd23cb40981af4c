"""Showing people what happened: the console and the run's page."""

from refsort.report.console import Console, history_table
from refsort.report.hints import command
from refsort.report.page import Page

__all__ = ["Console", "Page", "command", "history_table"]
