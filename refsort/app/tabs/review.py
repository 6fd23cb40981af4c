"""Review: what is unsure, unknown or doubtful, one by one, to be put right by a key."""

from typing import TYPE_CHECKING

from refsort.app.desk import Desk
from refsort.app.page import place
from refsort.app.texts import Words

if TYPE_CHECKING:
    import gradio as gr


def build(desk: Desk, say: Words, chosen: "gr.Dropdown") -> None:
    """The tab's components."""
    place("review")
