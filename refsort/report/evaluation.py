"""What `refsort evaluate` leaves behind: a self-contained page, its numbers as JSON, and PNG charts."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from refsort.config import Config
from refsort.decide.evaluate import Evaluation
from refsort.files.journal import now
from refsort.names import show
from refsort.report.evaluation_charts import reliability_svg, risk_coverage_svg
from refsort.report.evaluation_plots import write_plots
from refsort.report.evaluation_words import between, by_corruption, headline, honesty, judgement, percent
from refsort.report.thumbnails import thumbnail
from refsort.sorting.evaluating import Evaluated

PAGE, NUMBERS = "evaluation.html", "evaluation.json"
THUMBNAIL_SIDE = 144
"""Pixels of a thumbnail's height."""
MATRIX = 40
"""Classes up to which the whole confusion matrix is shown."""
WORST = 40
"""Pairs of classes that are listed where there are more."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where everything lies; `plots` is None where matplotlib is not installed."""

    page: Path
    numbers: Path
    plots: list[Path] | None

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {"report": str(self.page), "plots": [str(path) for path in self.plots or ()]}


class Cell(NamedTuple):
    """A cell of the confusion matrix."""

    number: int
    share: float
    """Of its row."""
    kind: str
    """own, wrong or aside."""
    title: str


class Pair(NamedTuple):
    """So many pictures of one class, or of none, went to another."""

    own: str
    decided: str
    number: int
    share: float


def write_evaluation(found: Evaluated, config: Config, folder: Path) -> Written:
    """Write everything into `folder`; an earlier evaluation there is replaced. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    page, numbers = folder / PAGE, folder / NUMBERS
    plots = write_plots(found, folder)
    page.write_text(render(found, config), encoding="utf-8", errors="backslashreplace")
    numbers.write_text(json.dumps(found.as_dict(), indent=1) + "\n", encoding="utf-8")
    return Written(page, numbers, plots)


def render(found: Evaluated, config: Config) -> str:
    """The page as one HTML text."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    result = found.evaluation
    environment = Environment(
        loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters.update(show=show, percent=percent, between=between)
    moved = result.wrong.total / found.pictures
    stand = None if result.wrong.value is None else (moved, result.wrong.value)
    return environment.get_template("evaluation.html.j2").render(
        found=found,
        result=result,
        written=now(),
        headline=headline(found),
        judgement=judgement(found),
        honesty=honesty(found),
        reliability=reliability_svg(result.calibration) if result.calibration else "",
        risk=risk_coverage_svg(result.risk_coverage, stand, found.max_wrong),
        matrix=_matrix(result) if len(result.classes) <= MATRIX else [],
        pairs=_pairs(result),
        corruptions=by_corruption(found.corruptions),
        clean=found.corruptions[0] if found.corruptions else None,
        mistakes=list(zip(found.mistakes, _thumbnails(found, config), strict=True)),
        wrong=result.wrong.count,
    )


def _rows_and_columns(result: Evaluation) -> tuple[list[str], list[str]]:
    return [*result.classes, "no class"], [*result.classes, "unsure", "unknown"]


def _matrix(result: Evaluation) -> list[tuple[str, list[Cell]]]:
    """(name, cells) a row; the row of the strays only if there are any."""
    rows, columns = _rows_and_columns(result)
    matrix = []
    for own, (name, counts) in enumerate(zip(rows, result.confusion.tolist(), strict=True)):
        if own == len(result.classes) and not any(counts):
            continue
        cells = []
        for other, count in enumerate(counts):
            kind = "aside" if other >= len(result.classes) else "own" if other == own else "wrong"
            title = f"{count} of {show(name)}: {show(columns[other])}"
            cells.append(Cell(count, count / max(sum(counts), 1), kind, title))
        matrix.append((name, cells))
    return matrix


def _pairs(result: Evaluation) -> list[Pair]:
    """The most frequent wrong moves."""
    rows, columns = _rows_and_columns(result)
    found = [
        Pair(rows[own], columns[other], count, count / sum(counts))
        for own, counts in enumerate(result.confusion.tolist())
        for other, count in enumerate(counts[: len(result.classes)])
        if count and own != other
    ]
    return sorted(found, key=lambda pair: (-pair.number, -pair.share))[:WORST]


def _thumbnails(found: Evaluated, config: Config) -> list[str]:
    with ThreadPoolExecutor() as pool:
        paths = [Path(mistake.path) for mistake in found.mistakes]
        return list(pool.map(lambda path: thumbnail(path, THUMBNAIL_SIDE, config.max_pixels), paths))
