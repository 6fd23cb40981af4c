"""The run's page: one self-contained HTML file that shows what happened and why."""

import contextlib
import heapq
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from refsort.config import Config
from refsort.files.dataset import Dataset
from refsort.files.journal import now
from refsort.files.requests import words
from refsort.names import show
from refsort.report.hints import command
from refsort.report.histogram import Histogram
from refsort.report.thumbnails import thumbnail
from refsort.sorting import Item, Run

THUMBNAIL_SIDE = 144
"""Pixels of a thumbnail's longer edge."""
PICTURES = 192
"""Thumbnails of sorted pictures on a page, shared out among the classes; at least PER_CLASS[0] each."""
PER_CLASS = (3, 18)
UNSURE = 60
NAMED = 300
"""Bad, failed and skipped files listed by name."""


@dataclass(slots=True)
class _Shown:
    """One picture on the page."""

    item: Item
    thumbnail: str = ""


@dataclass(slots=True)
class _Sample:
    """The pictures of one class that are worth a look: the closest calls."""

    size: int
    total: int = 0
    heap: list[tuple[float, int, _Shown]] = field(default_factory=list)

    def add(self, item: Item, order: int) -> None:
        self.total += 1
        heapq.heappush(self.heap, (-_closeness(item), -order, _Shown(item)))
        if len(self.heap) > self.size:
            heapq.heappop(self.heap)

    def pictures(self) -> list[_Shown]:
        """Closest call first."""
        return [shown for _, _, shown in sorted(self.heap, key=lambda entry: (-entry[0], -entry[1]))]


def _closeness(item: Item) -> float:
    """Small for a close call: the probability of a sorted picture, minus that of one left aside, or the lead."""
    decision = item.decision
    if decision is None:
        return 2.0
    if decision.probability is not None:
        return decision.probability if item.kind == "sorted" else -decision.probability
    return 2.0 if decision.margin is None else decision.margin


class Page:
    """A reporter that writes the run's page at the end. Holds a bounded sample, whatever the size of the run."""

    def __init__(self, dataset: Dataset, config: Config) -> None:
        self.dataset = dataset
        self.config = config
        self.messages: list[str] = []
        self.samples: dict[str, _Sample] = {}
        self.aside = {"unsure": _Sample(UNSURE), "unknown": _Sample(UNSURE)}
        self.named: dict[str, list[Item]] = defaultdict(list)
        self.histogram = Histogram()
        self._order = count()

    def message(self, text: str) -> None:
        if len(self.messages) < NAMED:
            self.messages.append(text)

    def stage(self, name: str, total: int) -> None:
        pass

    def step(self) -> None:
        pass

    def item(self, item: Item) -> None:
        if item.decision is not None:
            decision = item.decision
            shown = decision.score if decision.probability is None else decision.probability
            self.histogram.add(shown, sure=item.kind == "sorted")
        if item.kind == "sorted" and item.decision is not None:
            sample = self.samples.setdefault(item.decision.class_name, _Sample(PER_CLASS[1]))
            sample.add(item, next(self._order))
        elif item.kind in self.aside:
            self.aside[item.kind].add(item, next(self._order))
        elif len(self.named[item.kind]) < NAMED:
            self.named[item.kind].append(item)

    def end(self, run: Run) -> None:
        """Write the page and put its path into `run.report`; a full disk costs the page, not the run.

        Why there is no page stands in `run.report_problem`.
        """
        name = f"run-{run.run}" if run.run is not None else time.strftime("dry-run-%Y%m%d-%H%M%S", time.gmtime())
        path = self.dataset.state / "reports" / f"{name}.html"
        try:
            html = self._render(run)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(html, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()  # Half a page, or nothing.
            run.report_problem = f"{show(str(path))} could not be written: {words(error)}"
            return
        run.report = str(path)

    def _render(self, run: Run) -> str:
        from jinja2 import Environment, PackageLoader, StrictUndefined

        classes = self._classes(run)
        unsure, unknown = (self.aside[kind].pictures() for kind in ("unsure", "unknown"))
        pictures = [shown for _, _, sample in classes for shown in sample] + unsure + unknown
        with ThreadPoolExecutor() as pool:
            for shown, thumbnail in zip(pictures, pool.map(self._thumbnail, pictures), strict=True):
                shown.thumbnail = thumbnail
        environment = Environment(
            loader=PackageLoader("refsort.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        environment.filters["show"] = show
        return environment.get_template("run.html.j2").render(
            run=run,
            written=now(),
            classes=classes,
            aside=[
                ("Unsure", run.unsure, "Two classes are too close, or none is sure enough.", unsure),
                ("Unknown", run.unknown, "Unlike every class, as far as the references tell.", unknown),
            ],
            named={kind: self.named[kind] for kind in ("bad", "failed", "skipped")},
            histogram=self.histogram.svg(),
            messages=self.messages,
            settings=self._settings(),
            folders=self.dataset.names,
            undo=show(command(self.config, "undo", str(run.run))),
        )

    def _classes(self, run: Run) -> list[tuple[str, int, list[_Shown]]]:
        """(class, number of pictures, the sample that is shown), in the order of the run."""
        size = min(max(PICTURES // max(len(run.per_class), 1), PER_CLASS[0]), PER_CLASS[1])
        rows = []
        for name, total in run.per_class.items():
            sample = self.samples.get(name)
            rows.append((name, total, sample.pictures()[:size] if sample else []))
        return rows

    def _settings(self) -> dict[str, Any]:
        settings = self.config.model_dump(mode="json")
        settings.pop("folders")
        return {key: value for key, value in settings.items() if value is not None}

    def _thumbnail(self, shown: _Shown) -> str:
        """A data URL, or nothing if the picture has gone meanwhile."""
        for place in (shown.item.target, shown.item.path):
            path = self.dataset.path(place or shown.item.path)
            if found := thumbnail(path, THUMBNAIL_SIDE, self.config.max_pixels):
                return found
        return ""
