"""The page: Gradio's shell with a tab a subject. What Gradio has no component for, the scripts in static/ draw."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from refsort.app.desk import Desk
from refsort.app.texts import LANGUAGES, Words

if TYPE_CHECKING:
    import gradio as gr

TABS = ("sort", "review", "references", "ask", "search", "map", "learn")
HEAD = """<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="refsort-language" content="{language}">
<link rel="icon" href="/favicon.ico" type="image/svg+xml">
<link rel="stylesheet" href="/refsort/static/style.css">
{styles}
<script type="module" src="/refsort/static/start.js"></script>"""


def head(language: str) -> str:
    """What stands in the page's head."""
    styles = "".join(f'<link rel="stylesheet" href="/refsort/static/{tab}.css">' for tab in TABS)
    return HEAD.format(language=language, styles=styles)


def theme() -> Any:
    """Plain, with the fonts that the machine has: nothing is fetched."""
    import gradio as gr

    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    return gr.themes.Base(
        primary_hue="teal",
        neutral_hue="slate",
        radius_size="md",
        font=fonts,
        font_mono=["ui-monospace", "Consolas", "monospace"],
    ).set(
        button_primary_background_fill="#0f766e",
        button_primary_background_fill_hover="#115e59",
        button_primary_text_color="#ffffff",
        body_background_fill="#f6f7f9",
        body_background_fill_dark="#12161d",
    )


def make_page(desk: Desk, language: str) -> "gr.Blocks":
    """Gradio's part of the page in one language."""
    import gradio as gr

    say = Words(language)
    names = list(desk.rooms)
    with gr.Blocks(title="refsort", analytics_enabled=False, delete_cache=(600, 3600), fill_width=True) as page:
        with gr.Row(elem_id="refsort-head"):
            with gr.Column(scale=4, min_width=280):
                gr.HTML(_brand(say, language), elem_id="refsort-brand", apply_default_css=False)
            with gr.Column(scale=1, min_width=220):
                chosen = gr.Dropdown(
                    names,
                    value=names[0],
                    label=say("page.dataset"),
                    elem_id="refsort-dataset",
                    filterable=len(names) > 12,
                )
        chosen.change(None, chosen, None, js="(name) => { window.refsort.choose(name); }")
        with gr.Tabs(elem_id="refsort-tabs"):
            for tab in TABS:
                with gr.Tab(say(f"{tab}.tab"), id=tab, elem_id=f"refsort-tab-{tab}"):
                    import_module(f"refsort.app.tabs.{tab}").build(desk, say, chosen)
    page.queue(default_concurrency_limit=2, api_open=False)
    return page


def place(subject: str) -> "gr.HTML":
    """A component where static/<subject>.js draws."""
    import gradio as gr

    return gr.HTML(f'<div class="refsort-place" data-refsort="{subject}"></div>', apply_default_css=False)


def _brand(say: Words, language: str) -> str:
    others = [
        f'<a href="/{other}/" lang="{other}" hreflang="{other}">{Words(other)("page.language")}</a>'
        for other in LANGUAGES
        if other != language
    ]
    return (
        f'<h1>refsort</h1><span class="soft">{say("page.claim")}</span>'
        f'<span class="refsort-now" data-refsort="now" aria-live="polite"></span>'
        f'<nav aria-label="{say("page.languages")}">{" ".join(others)}</nav>'
    )
