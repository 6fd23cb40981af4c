"""Learn the coefficients in refsort/decide/trust/learned.py from labelled pictures.

    python tools/learn_confidence.py VECTORS... [--draws 6] [--write]

Each of VECTORS is an .npz file, named SET.ENCODER.npz, with `v` float[n, d] (vectors of pictures by one encoder) and
`l` int[n] (their classes). From each many small sorting tasks are drawn: so many references a class, a fifth of the
classes left out so that their pictures are strays. Variants make the sets more different than they are: noise on the
vectors, pairs of classes merged into one, a few classes only. The models learn from the arrivals of all tasks, each set
counting alike. benchmarks/abstain.py shows what they do on sets that they have not seen.
"""

import argparse
import json
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from refsort.decide.base import Floats, Labels, Wide
from refsort.decide.trust.confidence import Calibration, fit_confidence
from refsort.decide.trust.learned import Learned
from refsort.decide.trust.logistic import fit_logistic

REFERENCES = (3, 5, 10, 20)
VARIANTS = ("plain", "noise", "merged", "few")
SHARES = (0.1, 0.2, 0.35)
"""Shares of strays under which the last model learns."""
ACCEPTABLE = 0.85
"""Among pictures at least this likely every set counts alike in the last model: there the decisions are made."""
LIKELY_AT_ALL = 0.5
"""Less likely pictures are far from any decision and teach the last model nothing about those that are near."""
CAP = 6.0
"""But none counts more than so many times another."""
RIDGE = 3e-3
BLANK = Learned(np.eye(19)[0], np.eye(19)[0], np.eye(11)[0])
Flags = NDArray[np.bool_]


@dataclass
class Task:
    """One small sorting problem and what came of it."""

    name: str
    variant: str
    references: int
    calibration: Calibration
    right: Flags
    known: Flags
    standard: Wide

    def weights(self, share: float) -> Wide:
        """float64[m], sum 1, so that strays make up this share."""
        count = max(int(self.known.sum()), 1)
        strays = max(int((~self.known).sum()), 1)
        return np.where(self.known, (1 - share) / count, share / strays)


def unit(vectors: Wide) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def load_sets(paths: list[Path]) -> Iterator[tuple[str, Floats, Labels]]:
    """(SET.ENCODER, vectors, labels) of each file."""
    for path in paths:
        stored = np.load(path)
        yield path.stem, unit(stored["v"].astype(np.float64)), stored["l"].astype(np.intp)


def vary(variant: str, vectors: Floats, labels: Labels, rng: np.random.Generator) -> tuple[Floats, Labels]:
    """A variant of a set."""
    classes = int(labels.max()) + 1
    if variant == "noise":
        centred = vectors - vectors.mean(axis=0)
        _, size, axes = np.linalg.svd(centred, full_matrices=False)
        amount = rng.uniform(0.3, 1.5) * np.sqrt((centred**2).sum(axis=1).mean())
        noise = (rng.normal(size=(len(vectors), len(size))) * np.sqrt(size / size.sum())) @ axes
        return unit(vectors + amount * noise), labels
    if variant == "merged" and classes >= 4:
        place = np.empty(classes, dtype=np.intp)
        place[rng.permutation(classes)] = np.minimum(np.arange(classes) // 2, classes // 2 - 1)
        return vectors, place[labels]
    if variant == "few" and classes >= 5:
        count = int(rng.integers(3, min(classes, 8)))
        kept = rng.permutation(classes)[:count]
        if rng.random() < 0.5:  # those most alike
            means = np.stack([vectors[labels == c].mean(axis=0) for c in range(classes)])
            centred = unit((means - means.mean(axis=0)).astype(np.float64))
            kept = np.argsort(-(centred @ centred[rng.integers(classes)]))[:count]
        mine = np.isin(labels, kept)
        return vectors[mine], np.searchsorted(np.sort(kept), labels[mine]).astype(np.intp)
    return vectors, labels


def draw_task(
    name: str,
    variant: str,
    vectors: Floats,
    labels: Labels,
    references: int,
    rng: np.random.Generator,
    *,
    unequal: bool,
) -> Task | None:
    """Draw references and strays; None where the set is too small."""
    classes = int(labels.max()) + 1
    strays = max(1, round(0.2 * classes)) if classes >= 3 else 0
    kept = np.sort(rng.permutation(classes)[strays:])
    chosen = np.zeros(len(labels), dtype=bool)
    for label in kept:
        members = np.flatnonzero(labels == label)
        count = int(rng.integers(max(2, references // 2), references * 3 // 2 + 1)) if unequal else references
        chosen[rng.choice(members, min(count, len(members) - 5), replace=False)] = True
    place = np.full(classes, -1)
    place[kept] = np.arange(len(kept))
    own, arrivals = place[labels[chosen]].astype(np.intp), place[labels[~chosen]]
    confidence = fit_confidence(vectors[chosen], own, len(kept), BLANK)
    if confidence is None:
        return None
    evidence = confidence.examine(vectors[~chosen])
    return Task(
        *(name.split(".")[0], variant, references, confidence.calibration),
        right=evidence.winner == arrivals,
        known=arrivals >= 0,
        standard=confidence.calibration.standard.apply(evidence),
    )


def draw_tasks(sets: list[tuple[str, Floats, Labels]], draws: int) -> list[Task]:
    """All tasks of all sets."""
    tasks = []
    for name, vectors, labels in sets:
        for number, variant in enumerate(VARIANTS):
            for references in REFERENCES:
                for draw in range(draws * (2 if variant == "plain" else 1)):
                    rng = np.random.default_rng([draw, references, number])
                    varied = vary(variant, vectors, labels, rng)
                    if np.median(np.bincount(varied[1])) < references + 6:
                        continue
                    task = draw_task(name, variant, *varied, references, rng, unequal=draw % 3 == 2)
                    if task is not None:
                        tasks.append(task)
        print(f"{name}: {len(tasks)} tasks", flush=True)
    return tasks


def draw_plain(sets: list[tuple[str, Floats, Labels]], references: tuple[int, ...], draws: int) -> list[Task]:
    """Tasks of the sets as they are, other draws than those that were learned from."""
    tasks = []
    for name, vectors, labels in sets:
        for count in references:
            for draw in range(draws):
                rng = np.random.default_rng([1000 + draw, count])
                task = draw_task(name, "plain", vectors, labels, count, rng, unequal=False)
                if task is not None:
                    tasks.append(task)
    return tasks


def ridge(design: list[Wide], outcome: list[Wide], weights: list[Wide]) -> Wide:
    """A logistic model whose first coefficient is pulled toward 1 and the others toward 0, the last one not at all."""
    rows, total = np.concatenate(design), np.concatenate(weights)
    mean = np.eye(rows.shape[1])[0]
    precision = np.full(rows.shape[1], RIDGE)
    precision[-1] = 1e-6
    return fit_logistic(rows, np.concatenate(outcome).astype(np.float64), total / total.sum(), mean, precision)


def learn_shared(tasks: list[Task]) -> tuple[Wide, Wide]:
    """The two models that all datasets share; each set counts alike."""
    number = {name: sum(task.name == name for task in tasks) for name in {task.name for task in tasks}}
    designs = [task.calibration.traits.design(task.standard) for task in tasks]
    known = [task.known for task in tasks]
    right = ridge(
        [design[k] for design, k in zip(designs, known, strict=True)],
        [task.right[task.known] for task in tasks],
        [np.full(int(task.known.sum()), 1 / task.known.sum() / number[task.name]) for task in tasks],
    )
    mixed = [(task, design) for task, design in zip(tasks, designs, strict=True) if not task.known.all()]
    is_known = ridge(
        [design for _, design in mixed],
        [task.known for task, _ in mixed],
        [task.weights(0.5) / number[task.name] for task, _ in mixed],
    )
    return right, is_known


def learn_final(tasks: list[Task]) -> Wide:
    """The last model, from tasks whose confidence was fitted with shared models that had not seen their set."""
    groups = {key: i for i, key in enumerate(sorted({(task.name, task.references) for task in tasks}))}
    designs, outcomes, weights, owner, likely = [], [], [], [], []
    for task in tasks:
        answers = task.calibration.answer(task.standard)
        for share in SHARES:
            both = answers.both(share)
            mine = both > LIKELY_AT_ALL
            designs.append(task.calibration.final_design(answers, share)[mine])
            outcomes.append(task.right[mine])
            weights.append(task.weights(share)[mine])
            owner.append(np.full(int(mine.sum()), groups[task.name, task.references]))
            likely.append(both[mine] > ACCEPTABLE)
    group, weight = np.concatenate(owner), np.concatenate(weights)
    total = np.bincount(group, weight * np.concatenate(likely), len(groups))
    weight = weight / np.maximum(total, total.max() / CAP)[group]
    return ridge(designs, outcomes, [weight])


def learn(tasks: list[Task]) -> tuple[Learned, dict[str, Learned]]:
    """Coefficients from all sets, and for each set those that have not seen it."""
    names = sorted({task.name for task in tasks})
    shared = {name: learn_shared([task for task in tasks if task.name != name]) for name in names}
    for task in tasks:
        task.calibration.learn(Learned(*shared[task.name], final=BLANK.final))
    without = {
        name: Learned(*shared[name], final=learn_final([task for task in tasks if task.name != name])) for name in names
    }
    final = learn_final(tasks)
    return Learned(*learn_shared(tasks), final=final), without


def write(learned: Learned, sets: list[str]) -> None:
    """Put the coefficients into the module that ships them."""
    path = Path(__file__).parents[1] / "refsort" / "decide" / "trust" / "learned.py"
    head = path.read_text(encoding="utf-8").partition("# From ")[0].partition("LEARNED = ")[0]
    about = textwrap.wrap(
        f"From {len(sets)} sets: {', '.join(sets)}.", 116, initial_indent="# ", subsequent_indent="# "
    )
    lines = [*about, "LEARNED = Learned("]
    for field in ("right", "known", "final"):
        lines.append(f"    {field}=np.array({json.dumps([round(float(x), 5) for x in getattr(learned, field)])}),")
    path.write_text(head + "\n".join([*lines, ")"]) + "\n", encoding="utf-8")


def main() -> None:
    """Learn, show, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("vectors", type=Path, nargs="+")
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--write", action="store_true", help="write refsort/decide/trust/learned.py")
    args = parser.parse_args()
    tasks = draw_tasks(list(load_sets(args.vectors)), args.draws)
    learned, _ = learn(tasks)
    names = sorted({task.name for task in tasks})
    for field in ("right", "known", "final"):
        print(field, np.round(getattr(learned, field), 2).tolist())
    if args.write:
        write(learned, names)


if __name__ == "__main__":
    main()
