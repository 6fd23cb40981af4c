"""A training: students on folds of the examples, each tested on its own fold, and the mean of their weights.

Every example is left out by one student, and so each has a vector from a network that has not learned from it. With
them it is chosen how far to go from the base, and they stand for the references afterwards: the final network's own
vectors of what it learned from are tighter than those of new pictures, and whatever is calibrated on them is too sure.

Imports torch; only imported where something is trained.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy, normalize, one_hot

from refsort.decide import Floats, Labels, fit
from refsort.encoders.base import unit
from refsort.learn.augment import MOST_KEPT, Changes, Pictures, cut_mix
from refsort.learn.averaging import ALPHAS, between
from refsort.learn.backbones import Backbone
from refsort.learn.recipes import Recipe
from refsort.learn.training_checkpoint import Checkpoint
from refsort.learn.training_student import SCALE, Student, all_epochs, first_step

LOOK = 32
"""Pictures whose tensors are computed at once where nothing is learned."""
MOST_BALANCE = 3.0
"""Highest weight of an example for being of a small class."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learned from."""

    pictures: Pictures
    labels: Labels
    weights: Floats
    classes: int
    folds: Labels
    """The fold of each example, whose student leaves it out; -1: all students are shown it."""
    students: int
    seed: int
    batch: int
    accumulate: int
    changes: Changes


@dataclass(slots=True)
class Result:
    """What came of it."""

    weights: dict[str, Any]
    """Of the steps, by name."""
    head: tuple[Floats, Floats]
    """float32[c, d] and float32[c]: logits over unit vectors."""
    alpha: float
    joined: bool
    """Whether the base's own vectors stay beside the new ones, each half of what pictures are compared by."""
    honest: Floats
    """float32[n, d], or 2d: each example's vector by a network that has not learned from it."""
    accuracies: dict[str, float]
    """Out of fold, by alpha."""
    history: list[dict[str, float]] = field(default_factory=list)


class Run:
    """`of_views` and `plain` give the tensors before the first step that learns, from memory where they fit."""

    def __init__(self, base: Backbone, recipe: Recipe, task: Task) -> None:
        self.base, self.recipe, self.task = base, recipe, task
        self.first = first_step(base, recipe)
        self.device = next(base.module.parameters()).device
        self.kept: dict[int, list[Any]] = {}
        everyone = np.arange(len(task.labels))
        with torch.inference_mode():
            probe = base.until(self.first, self._tensor(task.pictures.plain(everyone[:1])))
        size = sum(t.numel() * 4 for t in probe) * len(everyone)
        self.keeps = self.first > 0 and recipe.views > 0 and size * (recipe.views + 1) <= MOST_KEPT
        self.plain = [t.cpu() for t in self._all(task.pictures.plain, everyone)] if self.keeps else None
        vectors = [normalize(base.features(*s, first=self.first)) for s in self._in_blocks(everyone)]
        self.vectors = torch.cat(vectors).cpu()
        """float32[n, d] of the base."""

    def student(self, fold: int) -> Student:
        """A student at its start, whose head begins with the means of the classes it is shown."""
        own = torch.from_numpy(self.shown(fold))
        labels, vectors = torch.from_numpy(self.task.labels)[own], self.vectors[own]
        everywhere = vectors.mean(dim=0)
        means = [
            vectors[labels == c].mean(dim=0) if (labels == c).any() else everywhere for c in range(self.task.classes)
        ]
        table = torch.stack(means).to(self.device)
        batches = -(-len(own) // (self.task.batch * self.task.accumulate))
        return Student(self.base, self.recipe, table, table.mean(dim=0), batches, self.task.seed + fold)

    def shown(self, fold: int) -> Labels:
        """The examples that a student learns from."""
        return np.flatnonzero(self.task.folds != fold)

    def left_out(self, fold: int) -> Labels:
        """The others."""
        return np.setdiff1d(np.arange(len(self.task.labels)), self.shown(fold))

    def epoch(self, student: Student, fold: int, epoch: int) -> dict[str, float]:
        """One pass over the examples: the mean loss, and loss and accuracy of those left out (NaN without any)."""
        rng = np.random.default_rng((self.task.seed, fold, epoch))
        order = rng.permutation(self.shown(fold))
        alone = student.alone(epoch)
        losses = []
        whole = self.task.batch * self.task.accumulate
        for number, start in enumerate(range(0, len(order), whole)):
            batch = order[start : start + whole]
            for part in range(0, len(batch), self.task.batch):
                chosen = batch[part : part + self.task.batch]
                states, targets = self._shown_at(chosen, epoch, rng)
                weights = self._tensor(self._balance(fold)[chosen])
                share = len(chosen) / len(batch)
                losses.append(student.learn(states, targets, weights, share, alone) * len(chosen))
            student.step(epoch * student.batches + number)
        loss, accuracy = self._left_out(student, fold)
        return {"loss": sum(losses) / len(order), "left_out": loss, "accuracy": accuracy}

    def _shown_at(self, chosen: Labels, epoch: int, rng: np.random.Generator) -> tuple[Sequence[Any], Any]:
        """The tensors of a batch in an epoch, and float32[n, c] what it should be taken for."""
        targets = one_hot(torch.from_numpy(self.task.labels[chosen]), self.task.classes).float()
        if self.keeps:
            number = epoch % self.recipe.views
            if number not in self.kept:
                made = self._all(lambda rows: self._views(rows, number), np.arange(len(self.task.labels)))
                self.kept[number] = [t.cpu() for t in made]
            rows = torch.from_numpy(chosen)
            return [t[rows].to(self.device) for t in self.kept[number]], targets.to(self.device)
        pixels = self._views(chosen, epoch % self.recipe.views if self.recipe.views else epoch)
        if self.recipe.mix and rng.random() < self.recipe.mix:
            pixels, other, own = cut_mix(pixels, rng)
            targets = own * targets + (1 - own) * targets[torch.from_numpy(other)]
        with torch.no_grad():
            return self.base.until(self.first, self._tensor(pixels)), targets.to(self.device)

    def _views(self, chosen: Labels, number: int) -> Floats:
        return self.task.pictures.views(chosen, number, self.task.seed, self.task.changes)

    def _balance(self, fold: int) -> Floats:
        """float32[n]: the examples' weights, times more for small classes; 1 on the mean over what is shown."""
        shown = self.shown(fold)
        counts = np.bincount(self.task.labels[shown], minlength=self.task.classes).clip(1)
        factor = np.sqrt(counts.mean() / counts).clip(max=MOST_BALANCE)
        weights = self.task.weights * factor[self.task.labels]
        return np.asarray(weights / weights[shown].mean(), np.float32)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def _left_out(self, student: Student, fold: int) -> tuple[float, float]:
        """Loss and accuracy of the head on the examples left out."""
        rows = self.left_out(fold)
        if not len(rows):
            return float("nan"), float("nan")
        logits = torch.cat([student.logits(states) for states in self._in_blocks(rows)])
        truth = torch.from_numpy(self.task.labels[rows]).to(self.device)
        return float(cross_entropy(logits, truth)), float((logits.argmax(dim=1) == truth).float().mean())

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def embed(self, weights: dict[str, Any], rows: Labels) -> Floats:
        """float32[n, d]: unit vectors of examples by the network with these weights."""
        before = {name: t.clone() for name, t in self.base.module.state_dict().items()}
        try:
            self.base.module.load_state_dict(weights)
            found = [self.base.features(*states, first=self.first).float().cpu() for states in self._in_blocks(rows)]
        finally:
            self.base.module.load_state_dict(before)
        return unit(torch.cat(found).numpy())

    def _in_blocks(self, rows: Labels) -> Iterator[Sequence[Any]]:
        """The tensors of examples as they are, without gradients, a few at a time."""
        for start in range(0, len(rows), LOOK):
            some = rows[start : start + LOOK]
            with torch.inference_mode():
                if self.plain is not None:
                    yield [t[torch.from_numpy(some)].to(self.device) for t in self.plain]
                else:
                    yield self.base.until(self.first, self._tensor(self.task.pictures.plain(some)))

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _all(self, make: Callable[[Labels], Floats], rows: Labels) -> list[Any]:
        parts = [self.base.until(self.first, self._tensor(make(rows[i : i + LOOK]))) for i in range(0, len(rows), LOOK)]
        return [torch.cat(column) for column in zip(*parts, strict=True)]

    def _tensor(self, array: Floats) -> Any:
        return torch.from_numpy(array).to(self.device)


def run(
    base: Backbone, recipe: Recipe, task: Task, checkpoint: Checkpoint, step: Callable[[], None], until: float
) -> Result:
    """Train all students, or those that a checkpoint still lacks. `step` is called after each epoch.

    `until`: the moment (time.monotonic) after which no further epoch begins.
    """
    work = Run(base, recipe, task)
    state = checkpoint.load() or {"done": [], "now": None, "history": []}
    done, history = state["done"], state["history"]
    for _ in history:
        step()
    for fold in range(len(done), task.students):
        student, begin = work.student(fold), 0
        if (now := state["now"]) is not None:
            student.load(now["learning"])
            student.optimiser.load_state_dict(now["optimiser"])
            student.ema.weights, student.ema.steps, begin = now["ema"], now["steps"], now["epoch"]
            state["now"] = None
        for epoch in range(begin, all_epochs(recipe)):
            if time.monotonic() > until:
                break
            history.append({"fold": fold, "epoch": epoch, **work.epoch(student, fold, epoch)})
            step()
            if checkpoint.due():
                now = {"learning": student.state(), "optimiser": student.optimiser.state_dict(), "epoch": epoch + 1}
                now |= {"ema": student.ema.weights, "steps": student.ema.steps}
                checkpoint.save({"done": done, "now": now, "history": history})
        weights = student.merged()
        head = [SCALE * student.weight.detach().cpu(), student.bias.detach().cpu()]
        done.append({"weights": changed(base, weights), "head": head})
        checkpoint.save({"done": done, "now": None, "history": history})
    return _put_together(work, done, history)


def changed(base: Backbone, weights: dict[str, Any]) -> dict[str, Any]:
    """The tensors that are not those of the base: a checkpoint needs no more."""
    start = base.module.state_dict()
    return {name: tensor.cpu() for name, tensor in weights.items() if not torch.equal(tensor, start[name])}


def _put_together(work: Run, done: list[dict[str, Any]], history: list[dict[str, float]]) -> Result:
    """The mean of the students, as far from the base as does well on pictures that were left out."""
    start = {name: t.detach().clone() for name, t in work.base.module.state_dict().items()}
    students = [{**start, **{name: t.to(work.device) for name, t in one["weights"].items()}} for one in done]
    learned = set().union(*(one["weights"] for one in done))
    stacks = {name: torch.stack([one[name].float() for one in students]) for name in learned}
    # The others stay to the last bit: what both halves of a vector have in common is then computed once.
    mean = {**start, **{name: stack.mean(dim=0).to(start[name].dtype) for name, stack in stacks.items()}}
    head = [sum(parts).numpy() / len(done) for parts in zip(*(one["head"] for one in done), strict=True)]
    tried = {alpha: _left_out(work, start, students, mean, alpha) for alpha in (ALPHAS if learned else ALPHAS[:1])}
    alpha = farthest({a: share for a, (_, share) in tried.items()}, len(work.task.labels))
    accuracies = {str(a): share for a, (_, share) in tried.items()}
    weights, joined = between(start, mean, alpha), alpha > 0
    if joined:  # The head was made for the second half, which has become shorter.
        head[0] = np.concatenate([np.zeros_like(head[0]), np.sqrt(2) * head[0]], axis=1, dtype=np.float32)
    return Result(weights, (head[0], head[1]), alpha, joined, tried[alpha][0], accuracies, history)


def farthest(accuracies: dict[float, float], examples: int) -> float:
    """The largest share of the way whose accuracy on what was left out is within a standard error of the best.

    Not simply the best one: a student's references are pictures that it has learned from, and so this accuracy is
    somewhat too low the farther it went. Of hand signs, 0.25 was best so, with 88.0 % (all of the way 86.0); on
    pictures held out from everything it gave 84.3 %, all of the way 87.3.
    """
    best = max(accuracies.values())
    error = np.sqrt(best * (1 - best) / max(examples, 1))
    return max(share for share, accuracy in accuracies.items() if accuracy >= best - error)


def _left_out(
    work: Run, start: dict[str, Any], students: list[dict[str, Any]], mean: dict[str, Any], alpha: float
) -> tuple[Floats, float]:
    """At a share of the way: each example's vector by the student that has not learned from it, and accuracy.

    The vectors are the base's with the tuned ones beside them: where tuning alone loses, both together do not. Accuracy
    is the share that `lda` gets right with the student's vectors of the others as references. To pool the students'
    vectors for this would not do: their spaces are alike, but differences count against larger shares. Examples that no
    student left out have the vector of the mean student.
    """
    labels, everyone = work.task.labels, np.arange(len(work.task.labels))
    right = np.zeros(len(labels), bool)
    base = work.vectors.numpy()

    def embed(weights: dict[str, Any], rows: Labels) -> Floats:
        found = work.embed(weights, rows)
        return unit(np.concatenate([base[rows], found], axis=1)) if alpha else found

    vectors = np.zeros((len(labels), work.base.dim * (2 if alpha else 1)), np.float32)
    if len(always := np.flatnonzero(work.task.folds < 0)):
        vectors[always] = embed(between(start, mean, alpha), always)
    for fold, student in enumerate(students):
        out, shown = work.left_out(fold), work.shown(fold)
        if not len(out):
            continue
        found = embed(between(start, student, alpha), everyone)
        vectors[out] = found[out]
        scores = fit("lda", found[shown], labels[shown], work.task.classes).scores(found[out])
        right[out] = scores.argmax(axis=1) == labels[out]
    tested = work.task.folds >= 0
    return vectors, float(right[tested].mean()) if tested.any() else 0.0
