"""Ask: a picture and some phrases, and how much of each phrase there is in it; then the same for many pictures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from refsort.app.desk import Desk
from refsort.app.page import place
from refsort.app.texts import Words
from refsort.app.words_room import words_of
from refsort.errors import BadPicture, RefsortError
from refsort.names import show

if TYPE_CHECKING:
    import gradio as gr

TELL = "(told) => { document.dispatchEvent(new CustomEvent('refsort:dropped', { detail: told })); }"


def build(desk: Desk, say: Words, chosen: "gr.Dropdown") -> None:
    """The tab's components."""
    import gradio as gr

    file = gr.File(label=say("ask.drop"), type="filepath", height=130, elem_id="refsort-ask-file")
    told = gr.JSON(visible="hidden")

    def take(path: str | None, dataset: str) -> tuple[None, dict[str, Any]]:
        return None, taken(desk, path, dataset)

    # The place for files is empty again at once: the picture is shown below, as we have read it.
    file.upload(take, [file, chosen], [file, told], show_progress="hidden").then(None, told, None, js=TELL)
    place("ask")


def taken(desk: Desk, path: str | None, dataset: str) -> dict[str, Any]:
    """Remember an uploaded picture and remove its file: {token, name, picture}, or {error} with a sentence."""
    from refsort.app.routes.asking import shown

    if not path:
        return {}
    file = Path(path)
    try:
        room = desk.room(dataset)
        with file.open("rb") as reader:
            data = reader.read(room.config.max_bytes + 1)
        return shown(words_of(room).hold(room, file.name, data))
    except (BadPicture, RefsortError) as error:
        return {"error": show(str(error))}
    except OSError as error:
        return {"error": show(f"{file.name} can't be read: {(error.strerror or str(error)).lower()}")}
    finally:
        file.unlink(missing_ok=True)
