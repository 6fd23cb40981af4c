"""Does `max_wrong` hold, and how much is moved? On sets that the shipped models have not seen.

    python benchmarks/abstain.py --photos PHOTOS [--features FEATURES] [--more VECTORS...] [--draws 20] [--png FILE]

PHOTOS holds labelled sets of photographs (set/class/picture), embedded with `builtin` and `builtin-large`; FEATURES the
true CLIP vectors food10_clip_vitb32.npz and fashion_clip.npz; VECTORS further sets as tools/learn_confidence.py takes
them: they are learned from, and reported apart. For each set the models are learned anew from all the others. Then
references are drawn, a fifth of the classes is left out so that their pictures are strays, and these are weighted so
that they make up the share that is asked for.

"oracle" is the largest share that any cut on our own order could move with no more wrong than the target, knowing the
answers. The rivals get a cut on the largest cosine, or on the lead of the best class, tuned on the same references by
leaving folds and classes out.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1] / "tools"), str(Path(__file__).parent)]

import learn_confidence as learning  # noqa: E402
from accuracy import embed_set  # noqa: E402

from refsort.decide.base import Floats, Labels, Wide  # noqa: E402
from refsort.decide.trust.cut import cut, raised_share  # noqa: E402

TARGETS = (0.01, 0.02, 0.05, 0.10)
REFERENCES = (5, 10, 20)
SHARES = ((0.0, 0.1), (0.1, 0.1), (0.2, 0.2), (0.2, 0.1), (0.4, 0.4), (0.4, 0.1))
"""True and stated share of strays."""
NEAREST, LEAD = 2, 7
"""Columns of the standardised evidence on which the rivals cut."""
SAMPLE = 400
"""Arrivals drawn with their weights, from which the share of strays is estimated."""


class Outcome(NamedTuple):
    """Of one task, in shares of all arrivals."""

    moved: float
    wrong: float
    oracle: float


def feature_sets(folder: Path) -> list[tuple[str, Floats, Labels]]:
    """The CLIP vectors, at most 60 pictures a class as in the photo sets."""
    rng = np.random.default_rng(0)
    sets = []
    for name, file, vectors, label in (
        ("food10.clip", "food10_clip_vitb32.npz", "train", "train_label"),
        ("fashion.clip", "fashion_clip.npz", "image", "label"),
    ):
        stored = np.load(folder / file)
        names, counts = np.unique(stored[label], return_counts=True)
        rows, labels = [], []
        for number, kept in enumerate(names[counts >= 25]):
            members = np.flatnonzero(stored[label] == kept)
            members = rng.choice(members, min(60, len(members)), replace=False)
            rows.append(stored[vectors][members])
            labels += [number] * len(members)
        sets.append((name, learning.unit(np.concatenate(rows).astype(np.float64)), np.asarray(labels, dtype=np.intp)))
    return sets


def ours(task: learning.Task, weights: Wide, target: float, stated: float) -> tuple[Wide, float]:
    """Our order and our cut."""
    calibration = task.calibration
    answers = calibration.answer(task.standard)
    drawn = np.random.default_rng(0).choice(len(weights), SAMPLE, p=weights / weights.sum())
    share = raised_share(answers.known[drawn], stated)
    return calibration.probability(answers, share), cut(calibration, target, share)


def rival(task: learning.Task, column: int, target: float, stated: float) -> tuple[Wide, float]:
    """A cut on one figure, the lowest that keeps the target on the dataset's own trials."""
    calibration = task.calibration
    known, strays = calibration.trial_evidence
    figure = np.concatenate([known[:, column], strays[:, column]])
    bad = np.concatenate([1 - calibration.right, np.ones(len(strays))])
    weights = np.repeat([(1 - stated) / len(known), stated / len(strays)], [len(known), len(strays)])
    order = np.argsort(-figure, kind="stable")
    share = np.cumsum((bad * weights)[order]) / np.maximum(np.cumsum(weights[order]), 1e-12)
    enough = np.flatnonzero(share <= target)
    return task.standard[:, column], float(figure[order[enough[-1]]]) if len(enough) else np.inf


def outcome(task: learning.Task, order: Wide, least: float, weights: Wide, target: float) -> Outcome:
    """What a cut on an order moves, and what the best cut on it could have moved."""
    moved = order >= least
    bad = ~task.right
    down = np.argsort(-order, kind="stable")
    share = np.cumsum((bad * weights)[down]) / np.maximum(np.cumsum(weights[down]), 1e-12)
    enough = np.flatnonzero(share <= target)
    best = float(weights[down[: enough[-1] + 1]].sum()) if len(enough) else 0.0
    return Outcome(float(weights[moved].sum()), float((weights * bad)[moved].sum()), best)


def line(results: dict[str, list[Outcome]]) -> str:
    """Moved, of the oracle, wrong pooled, wrong as mean over the sets, worst set."""
    table = {name: np.asarray(rows) for name, rows in results.items()}
    moved = float(np.mean([rows[:, 0].mean() for rows in table.values()]))
    best = float(np.mean([rows[:, 2].mean() for rows in table.values()]))
    wrong = {name: rows[:, 1].sum() / max(rows[:, 0].sum(), 1e-12) for name, rows in table.items()}
    pooled = float(np.mean([rows[:, 1].mean() for rows in table.values()])) / max(moved, 1e-12)
    worst = max(wrong, key=lambda name: wrong[name])
    return (
        f"moved {100 * moved:5.1f} of {100 * best:5.1f} ({100 * moved / max(best, 1e-12):3.0f} %), "
        f"wrong {100 * pooled:5.2f} pooled, {100 * float(np.mean(list(wrong.values()))):5.2f} mean of sets, "
        f"worst {worst} {100 * wrong[worst]:.1f}"
    )


def report(title: str, tasks: list[learning.Task]) -> None:
    """All tables for a group of sets."""
    print(f"\n{title}: {len({task.name for task in tasks})} sets, in %")
    for true, stated in SHARES:
        for target in TARGETS:
            if target != 0.05 and (true, stated) != (0.1, 0.1):
                continue
            print(f"target {100 * target:g}, strays {100 * true:g}, stated {100 * stated:g}")
            for references in REFERENCES:
                found: dict[str, dict[str, list[Outcome]]] = defaultdict(lambda: defaultdict(list))
                for task in tasks:
                    if task.references != references or (true > 0 and task.known.all()):
                        continue
                    weights = (
                        task.weights(true) if not task.known.all() else np.full(len(task.known), 1 / len(task.known))
                    )
                    for name, (order, least) in {
                        "refsort": ours(task, weights, target, stated),
                        "nearest": rival(task, NEAREST, target, stated),
                        "lead": rival(task, LEAD, target, stated),
                    }.items():
                        found[name][task.name].append(outcome(task, order, least, weights, target))
                for name, results in found.items():
                    print(f"  {references:2} references, {name:8} {line(results)}", flush=True)


def draw_curves(tasks: list[learning.Task], file: Path) -> None:
    """Risk against coverage, mean over the sets, 20 references and a tenth of strays."""
    import matplotlib.pyplot as plt

    grid = np.linspace(0.02, 1, 50)
    curves: dict[str, list[Wide]] = defaultdict(list)
    for task in tasks:
        if task.references != 20 or task.known.all():
            continue
        weights = task.weights(0.1)
        probability, _ = ours(task, weights, 0.05, 0.1)
        for name, order in (
            ("refsort", probability),
            ("largest cosine", task.standard[:, NEAREST]),
            ("lead of the best class", task.standard[:, LEAD]),
        ):
            down = np.argsort(-order, kind="stable")
            risk = np.cumsum((~task.right * weights)[down]) / np.cumsum(weights[down])
            curves[name].append(np.interp(grid, np.cumsum(weights[down]), risk))
    figure, axes = plt.subplots(figsize=(7, 4.2))
    for (name, found), colour in zip(curves.items(), ("#2f7d5b", "#c77a12", "#5d6778"), strict=True):
        axes.plot(100 * grid, 100 * np.mean(found, axis=0), label=name, color=colour, linewidth=2)
    axes.axhline(5, color="#b3394a", linewidth=1, linestyle=":")
    axes.set(xlabel="share of the pictures moved, %", ylabel="wrong among these, %", xlim=(0, 100), ylim=(0, None))
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=130)


def main() -> None:
    """Learn without each set, then try it on that set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--png", type=Path)
    args = parser.parse_args()
    sets = [
        (f"{folder.name}.{encoder}", *embed_set(folder, encoder))
        for folder in sorted(path for path in args.photos.iterdir() if path.is_dir())
        for encoder in ("builtin", "builtin-large")
    ]
    sets += feature_sets(args.features) if args.features else []
    more = list(learning.load_sets(args.more))
    _, without = learning.learn(learning.draw_tasks([*sets, *more], 4))
    for title, group in (("held-out sets", sets), ("further sets, held out too", more)):
        if not group:
            continue
        tasks = learning.draw_plain(group, REFERENCES, args.draws)
        for task in tasks:
            task.calibration.learn(without[task.name])
        report(title, tasks)
        if args.png and group is sets:
            draw_curves(tasks, args.png)


if __name__ == "__main__":
    main()
