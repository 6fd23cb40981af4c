"""References: the classes with their pictures, adding some, and what a look at them finds, each with a remedy."""

from typing import TYPE_CHECKING

from refsort.app.desk import Desk
from refsort.app.page import place
from refsort.app.texts import Words

if TYPE_CHECKING:
    import gradio as gr


def build(desk: Desk, say: Words, chosen: "gr.Dropdown") -> None:
    """The tab's components."""
    place("references")
