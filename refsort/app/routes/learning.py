"""The Learn tab: labels, fine-tuned models, training, comparing, and groups that make new classes."""

import json
import math
from typing import Any, get_args

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from refsort.app.jobs import Job
from refsort.app.routes.common import API, picture, room_of
from refsort.app.routes.sorting import refuse_beside_daemon
from refsort.errors import EncoderError, ModelError
from refsort.files.models import ModelStore
from refsort.learn.backbones import require_torch
from refsort.learn.comparing import BASE, compare_models
from refsort.learn.finetune import finetune
from refsort.learn.new_class import REFERENCES, make_references, move_group
from refsort.learn.proposing import Group, Proposal, keep_proposal, kept_group, propose
from refsort.learn.recipes import RecipeName
from refsort.learn.training import Options
from refsort.learn.truth import SOURCES, find_truth
from refsort.names import show
from refsort.report.hints import command
from refsort.sorting.models import model_store
from refsort.sorting.sorter import journal_to_write

router = APIRouter(prefix=f"{API}/learning")
LABELS, TRAIN, COMPARE, PROPOSE, MAKE = (
    f"learn.{what}" for what in ("labels", "finetune", "compare", "propose", "make")
)
MOST_TOLD = 100
"""Contradictions and reasons that the page is told of."""
MOST_SHOWN = 24
"""Pictures of a group that the page is told of, the most typical ones."""


class Training(BaseModel):
    """A fine-tuning as the page asks for it."""

    recipe: RecipeName = "auto"
    epochs: int | None = Field(None, ge=1, le=1000)
    promote: bool = True


class Two(BaseModel):
    """Runs to compare, or `base`."""

    first: str
    second: str


class One(BaseModel):
    """A run."""

    run: str


class Looking(BaseModel):
    """Where groups are looked for."""

    unsure: bool = False


class Named(BaseModel):
    """A group with the name that a person gave it."""

    group: int
    written: str
    """When the groups that the person saw were made."""
    class_name: str
    move: bool = True


@router.get("")
def overview(request: Request, name: str) -> dict[str, Any]:
    """Models, what is needed to train, and the commands that a person can copy."""
    room = room_of(request, name)
    store = model_store(room.dataset)
    trouble = None
    try:
        promotion = store.promotion()
    except ModelError as error:
        promotion, trouble = None, show(str(error))
    current = promotion.run if promotion else None
    before = promotion.before if promotion else ()
    missing = None
    try:
        require_torch(room.config.encoder)
    except EncoderError as error:
        missing = str(error)
    return {
        "models": [_model(store, run, current) for run in reversed(store.runs())],
        "current": current,
        "before": (before[-1] if before else "") or BASE,
        "trouble": trouble,
        "unfinished": any(True for _ in store.unfinished()),
        "recipes": list(get_args(RecipeName)),
        "missing": missing,
        "watch": command(room.config, "watch"),
        "unit": command(room.config, "watch", "--install"),
        "timer": command(room.config, "finetune", "--install"),
    }


@router.post("/labels")
def begin_labels(request: Request, name: str) -> dict[str, Any]:
    """Begin to gather the labels; `result` gives their counts."""
    room = room_of(request, name)

    def work(job: Job) -> dict[str, Any]:
        with room.looking() as journal, room.prepared() as prepared:
            truth = find_truth(room.dataset, journal, prepared, job)
            classes = prepared.references.classes
        counts = {class_name: dict.fromkeys(SOURCES, 0) for class_name in classes}
        for label in truth.labels:
            counts[label.class_name][label.source] += 1
        reasons: dict[str, int] = {}
        for _, reason in truth.left_out:
            reasons[reason] = reasons.get(reason, 0) + 1
        return {
            "classes": [{"name": show(class_name), **found} for class_name, found in counts.items()],
            "contradictions": [show(text) for text in truth.contradictions[:MOST_TOLD]],
            "more": max(0, len(truth.contradictions) - MOST_TOLD),
            "left_out": [{"reason": show(reason), "count": n} for reason, n in list(reasons.items())[:MOST_TOLD]],
        }

    return room.jobs.start(LABELS, work).as_dict()


@router.post("/train")
def train(request: Request, name: str, asked: Training) -> dict[str, Any]:
    """Begin a fine-tuning. Raises EncoderError where what it needs is not installed."""
    room = room_of(request, name)
    require_torch(room.config.encoder)
    options = Options(recipe=asked.recipe, epochs=asked.epochs, threads=room.config.threads)

    def work(job: Job) -> dict[str, Any]:
        done = finetune(room.config, options, job, promote=asked.promote)
        return {"run": done.run, "promoted": done.promoted, "words": show(done.words)}

    return room.jobs.start(TRAIN, work).as_dict()


@router.post("/compare")
def compare(request: Request, name: str, two: Two) -> dict[str, Any]:
    """Begin to compare two models, or one with the base, on what people have confirmed. Raises ModelError."""
    room = room_of(request, name)
    for run in {two.first, two.second} - {BASE}:
        model_store(room.dataset).path(run)

    def work(job: Job) -> dict[str, Any]:
        found = compare_models(room.config, two.first, two.second, job).as_dict()
        changes = [{"name": show(key), **change} for key, change in found["class_changes"].items() if change["gain"]]
        found["class_changes"] = sorted(changes, key=lambda change: change["gain"])
        return {"first": two.first, "second": two.second, **found}

    return room.jobs.start(COMPARE, work).as_dict()


@router.post("/promote")
def promote(request: Request, name: str, one: One) -> dict[str, Any]:
    """Put a model into use; a running daemon takes it up. Raises ModelError."""
    return {"current": model_store(room_of(request, name).dataset).promote(one.run).run}


@router.post("/rollback")
def rollback(request: Request, name: str) -> dict[str, Any]:
    """Put what was in use before into use again. Raises ModelError."""
    promotion = model_store(room_of(request, name).dataset).rollback()
    return {"current": promotion.run if promotion else None}


@router.post("/propose")
def begin_propose(request: Request, name: str, looking: Looking) -> dict[str, Any]:
    """Begin to look for groups; `result` gives them."""
    room = room_of(request, name)

    def work(job: Job) -> dict[str, Any]:
        with room.looking() as journal, room.prepared() as prepared:
            found = propose(room.dataset, journal, prepared, job, unsure=looking.unsure)
        keep_proposal(room.dataset, found)
        return _proposal(found)

    return room.jobs.start(PROPOSE, work).as_dict()


@router.post("/make")
def make(request: Request, name: str, named: Named) -> dict[str, Any]:
    """Begin to make a class of a group: copies of its most typical pictures as references, and the group moved in.

    Raises DatasetError if other groups were shown since, DatasetHeld if a daemon holds the dataset and it would move.
    """
    room = room_of(request, name)
    shown = room.jobs.done(PROPOSE)
    if shown is None or shown.result["written"] != named.written:
        raise ModelError("other groups have been looked for since; look again")
    group = kept_group(room.dataset, named.group)
    if named.move:
        refuse_beside_daemon(room)

    def work(job: Job) -> dict[str, Any]:
        if not named.move:
            return _made(make_references(room.dataset, group, named.class_name, REFERENCES))
        with journal_to_write(room.dataset, "app", job) as journal:
            made = make_references(room.dataset, group, named.class_name, REFERENCES)
            move_group(room.dataset, journal, group, made)
        return _made(made)

    return room.jobs.start(MAKE, work).as_dict()


@router.get("/result")
def result(request: Request, name: str, kind: str) -> dict[str, Any]:
    """The last job of a kind, and what it came to."""
    job = room_of(request, name).jobs.kept.get(kind if kind.startswith("learn.") else "")
    return {"job": None, "result": None} if job is None else {"job": job.as_dict(), "result": job.result}


def _made(made: Any) -> dict[str, Any]:
    return {
        "class": show(made.class_name),
        "references": len(made.references),
        "moved": len(made.moved),
        "run": made.run,
        "left": [picture(path, reason=show(reason)) for path, reason in made.left],
    }


def _proposal(found: Proposal) -> dict[str, Any]:
    return {"written": found.written, "looked_at": found.looked_at, "groups": [_group(one) for one in found.groups]}


def _group(group: Group) -> dict[str, Any]:
    return {
        "group": group.number,
        "count": len(group.pictures),
        "pictures": [picture(path) for path, _ in group.pictures[:MOST_SHOWN]],
        "nearest": show(group.nearest),
        "share": group.share,
    }


def _model(store: ModelStore, run: str, current: str | None) -> dict[str, Any]:
    """One model as the page shows it; one whose account can't be read says so."""
    try:
        about = store.about(run)
    except ModelError as error:
        return {"run": run, "current": run == current, "error": str(error)}
    figures = about.get("figures") or {}
    return {
        "run": run,
        "current": run == current,
        "made": about.get("made"),
        "base": show(str(about.get("base", ""))),
        "recipe": about.get("recipe"),
        "counts": about.get("counts") or {},
        "seconds": about.get("seconds"),
        "examples": figures.get("examples"),
        "comparison": _numbers(about.get("comparison")),
        "objections": [show(str(text)) for text in about.get("objections") or []],
        "curves": _curves(store, run),
    }


def _numbers(comparison: dict[str, Any] | None) -> dict[str, Any] | None:
    return comparison and {key: value for key, value in comparison.items() if key != "class_changes"}


def _curves(store: ModelStore, run: str) -> dict[str, list[float | None]]:
    """By epoch, mean over the folds: loss of what was learned from and of what was left out, and its accuracy."""
    try:
        rows = json.loads((store.path(run) / "training.json").read_bytes())["epochs"]
        by_epoch: dict[int, list[dict[str, float]]] = {}
        for row in rows:
            by_epoch.setdefault(int(row["epoch"]), []).append(row)
        ordered = [by_epoch[epoch] for epoch in sorted(by_epoch)]
        return {key: [_mean([row[key] for row in at]) for at in ordered] for key in ("loss", "left_out", "accuracy")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _mean(values: list[float]) -> float | None:
    finite = [value for value in values if math.isfinite(value)]
    return round(sum(finite) / len(finite), 5) if finite else None
