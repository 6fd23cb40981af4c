"""What the page's scripts ask for and send: one router a subject, all of them below /refsort/api/<dataset>/."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

SUBJECTS = ("pictures", "sorting", "review", "references", "asking", "searching", "mapping", "learning")


def everything() -> list["APIRouter"]:
    """All routers."""
    return [import_module(f"{__name__}.{subject}").router for subject in SUBJECTS]
