"""The console: progress and words on standard error, the result on standard output."""

import json as json_module
import sys
from collections import Counter
from typing import Never, TextIO

from tqdm import tqdm

from refsort.config import Config
from refsort.files.journal import RunRecord
from refsort.names import show
from refsort.report.hints import command
from refsort.sorting import Item, Run

SHOWN = 8
"""Failed and skipped files named on the console; the page has more."""


class Console:
    """Tells a person at a terminal. With `json` the last line of standard output is one object."""

    def __init__(self, config: Config, *, json: bool = False, out: TextIO | None = None) -> None:
        self.config = config
        self.json = json
        self.out = out or (sys.stderr if json else sys.stdout)
        self._bar: tqdm[Never] | None = None
        self._told: Counter[str] = Counter()

    def message(self, text: str) -> None:
        tqdm.write(text, file=sys.stderr)

    def stage(self, name: str, total: int) -> None:
        self.close()
        # disable=None: a bar only where standard error is a terminal.
        self._bar = tqdm(total=total, desc=name, unit="img", file=sys.stderr, disable=None, leave=False)

    def step(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def item(self, item: Item) -> None:
        if item.kind not in ("failed", "skipped", "bad"):
            return
        self._told[item.kind] += 1
        if self._told[item.kind] <= SHOWN:
            self.message(f"{item.kind}: {show(item.path)}: {item.reason}")
        elif self._told[item.kind] == SHOWN + 1:
            self.message(f"{item.kind}: and more, see the report")

    def end(self, run: Run) -> None:
        self.close()
        print(run_table(run, self.config), file=self.out)
        if self.json:
            print(json_module.dumps(run.as_dict()))

    def close(self) -> None:
        """Clear the progress bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def run_table(run: Run, config: Config) -> str:
    """The result of a run as a short table."""
    would = "would be " if run.dry_run else ""
    rows = [(show(name), count) for name, count in run.per_class.items()]
    rows += [(kind, getattr(run, kind)) for kind in ("unsure", "unknown", "bad", "failed", "skipped")]
    width = max(len(name) for name, _ in rows)
    head = f"{show(run.dataset)}: {run.handled} pictures in {run.seconds:.1f} s ({run.images_per_second:.0f}/s)"
    lines = [f"{head}, encoder {show(run.encoder)}, mode {run.mode}", ""]
    lines += [f"  {name:<{width}}  {count:>7}" for name, count in rows[: len(run.per_class)]]
    lines.append(f"  {'':-<{width}}  {'':->7}")
    lines.append(f"  {would + _verb(run.action):<{width}}  {run.sorted:>7}")
    lines += [f"  {name:<{width}}  {count:>7}" for name, count in rows[len(run.per_class) :] if count]
    if run.unchanged:
        count = sum(run.unchanged.values())
        lines.append(f"  of these an earlier run left {count}, and nothing has changed since")
    lines.append("")
    if run.references:
        lines.append(f"checked: {_references(run, config)}")
    if run.terms:
        label = "tagged: " if run.action == "tag" else "moved:  "
        lines.append(f"{label} {run.terms}{_expected(run)}")
    if run.report:
        lines.append(f"report:  {show(run.report)}")
    if run.report_problem:
        lines.append(f"report:  {run.report_problem}")
    if run.run is not None and run.looked_at:
        lines.append(f"undo:    {show(command(config, 'undo', str(run.run)))}")
    return "\n".join(lines)


def _references(run: Run, config: Config) -> str:
    """What a look at the references gave, in a line."""
    faults = [
        f"{run.references[kind]:.0f} {kind if run.references[kind] != 1 else kind[:-1]}"
        for kind in ("errors", "warnings")
        if run.references[kind]
    ]
    words = "nothing wrong with the references"
    if faults:
        words = f"{' and '.join(faults)} about the references; {show(command(config, 'check'))} tells more"
    accuracy = run.references["expected_accuracy"]
    return words if accuracy is None else f"{words}; accuracy to expect {100 * accuracy:.0f} %"


def _expected(run: Run) -> str:
    if run.expected_wrong is None:
        return ""
    done = "tagged" if run.action == "tag" else "moved"
    return f"; of the {run.sorted} {done} ones {100 * run.expected_wrong:.1f} % are expected to be wrong"


def _verb(action: str) -> str:
    return {"move": "sorted", "copy": "copied", "hardlink": "linked", "symlink": "linked", "tag": "tagged"}[action]


def history_table(records: list[RunRecord]) -> str:
    """Runs as a table, newest first."""
    if not records:
        return "no runs yet"
    lines = [f"{'run':>4}  {'started (UTC)':20}  {'what':9}  result"]
    for record in records:
        what = record.action if record.kind == "sort" else record.kind
        lines.append(f"{record.id:>4}  {record.started:20}  {what:9}  {_result(record)}")
    return "\n".join(lines)


def _result(record: RunRecord) -> str:
    if record.summary is None:
        return "interrupted"
    if record.kind == "undo":
        return f"{record.summary['restored']} files of {show(record.undoes or '')} back, {record.summary['left']} left"
    kinds = ("sorted", "unsure", "unknown", "bad", "failed", "skipped")
    counts = [f"{record.summary.get(key, 0)} {key}" for key in kinds]
    return ", ".join(c for c in counts if not c.startswith("0 ")) or "nothing to do"
