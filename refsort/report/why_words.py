"""The explanation of one decision, as text and as a page."""

from pathlib import Path

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.names import show
from refsort.report.thumbnails import thumbnail
from refsort.sorting.why import Near, Why

SIDE = 160
"""Pixels of a thumbnail's height."""


def verdict(why: Why) -> str:
    """One sentence: where it would go now, and how sure that is."""
    decision = why.decision
    sure = "" if decision.probability is None else f", {100 * decision.probability:.0f} % sure"
    if decision.verdict == "sure":
        return f"{show(decision.class_name)}{sure}"
    return f"{decision.verdict}: {show(decision.reason)}"


def why_text(why: Why) -> str:
    """For the console."""
    decision = why.decision
    lines = [show(why.path), "", f"  now:      {verdict(why)}"]
    if why.terms.cut is not None:
        lines.append(f"  cut:      {_cut(why.terms.cut)}")
    lines.append(f"  moved is  {why.terms.words}")
    unit = "probability, if it belongs to any class" if decision.probability is not None else "score"
    lines += ["", f"  classes ({unit})"]
    lines += [f"    {score:6.3f}  {show(name)}" for name, score in decision.rivals]
    lines += ["", "  nearest references (cosine)"]
    lines += [_near(near) for near in why.nearest]
    if {near.class_name for near in why.nearest} != {decision.class_name}:
        lines += ["", f"  nearest of {show(decision.class_name)}"]
        lines += [_near(near) for near in why.of_class]
    lines += ["", f"  encoder {show(why.encoder)}, mode {why.mode}"]
    if why.past is not None:
        past, decided = why.past, why.past.decision
        lines.append(
            f"  run {past.run} ({past.started}) put it from {show(past.source)} to {show(past.target)}: "
            f"{decided.get('verdict')}, best class {show(str(decided.get('class')))}"
        )
    return "\n".join(lines)


def _cut(cut: float) -> str:
    return f"{100 * cut:.1f} % sure" if cut <= 1 else "nothing is sure enough with these references"


def _near(near: Near) -> str:
    return f"    {near.cosine:6.3f}  {show(near.path)}"


def write_why_page(why: Why, dataset: Dataset, config: Config, path: Path) -> None:
    """One self-contained HTML page with the picture and its nearest references side by side. Raises OSError."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters["show"] = show
    pictures = {
        place: thumbnail(dataset.path(place), SIDE, config.max_pixels)
        for place in [why.path, *(near.path for near in [*why.nearest, *why.of_class])]
    }
    html = environment.get_template("why.html.j2").render(why=why, verdict=verdict(why), pictures=pictures)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(html, encoding="utf-8", errors="backslashreplace")
