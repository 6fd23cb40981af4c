"""The Sort tab: a dry run to look at, then the moves that were chosen, and taking runs back."""

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from refsort.app.desk import Room
from refsort.app.jobs import Job
from refsort.app.routes.common import API, id_of, path_of, room_of
from refsort.errors import DatasetError, JournalError
from refsort.files.journal import RunRecord
from refsort.files.lock import hold
from refsort.names import show
from refsort.sorting.events import Item
from refsort.sorting.planned import Plan, carry_out, make_plan
from refsort.sorting.sorter import Sorter

router = APIRouter(prefix=f"{API}/sort")
RUNS = 20
"""Runs shown, the newest ones."""


class Chosen(BaseModel):
    """Which pictures of the plan are meant: by their ids, or all that it would sort."""

    job: int
    """The plan that the person looked at."""
    ids: list[str] | None = None


class Back(BaseModel):
    """What is to be taken back."""

    run: int


@router.post("/plan")
def plan(request: Request, name: str) -> dict[str, Any]:
    """Begin a dry run; GET gives its outcome."""
    room = room_of(request, name)

    def work(job: Job) -> Plan:
        with room.prepared() as prepared:
            return make_plan(room.config, room.dataset, prepared, job)

    return room.jobs.start("plan", work).as_dict()


@router.get("/plan")
def planned(request: Request, name: str) -> dict[str, Any]:
    """The last dry run: columns of equal length, one entry a picture."""
    job = room_of(request, name).jobs.done("plan")
    if job is None:
        return {"job": None}
    found: Plan = job.result
    items = found.items
    return {
        "job": job.id,
        "run": found.run.as_dict(),
        "ids": [id_of(item.path) for item in items],
        "names": [show(item.path.partition("/")[2]) for item in items],
        "kinds": [item.kind for item in items],
        "classes": [_class(item) for item in items],
        "rivals": [None if item.decision is None else item.decision.runner_up for item in items],
        "probabilities": [_probability(item) for item in items],
        "reasons": [item.reason for item in items],
    }


@router.post("/move")
def move(request: Request, name: str, chosen: Chosen) -> dict[str, Any]:
    """Begin to file what was chosen of the plan."""
    room = room_of(request, name)
    job = room.jobs.done("plan", chosen.job)
    if job is None:
        raise DatasetError("this dry run is no longer the last one; look again before you move")
    found: Plan = job.result
    paths = set(found.requests) if chosen.ids is None else {path_of(text) for text in chosen.ids}
    refuse_beside_daemon(room)

    def work(job: Job) -> dict[str, Any]:
        with room.prepared() as prepared:
            done = carry_out(room.config, room.dataset, prepared, found, paths, job).as_dict()
        room.jobs.kept.pop("plan", None)
        return done

    return room.jobs.start("move", work).as_dict()


@router.get("/runs")
def runs(request: Request, name: str) -> list[dict[str, Any]]:
    """The newest runs, newest first."""
    room = room_of(request, name)
    with room.looking() as journal:
        if journal is None:
            return []
        return [_record(record, journal.count_standing(record.id)) for record in journal.runs(RUNS)]


@router.post("/undo")
def undo(request: Request, name: str, back: Back) -> dict[str, Any]:
    """Begin to take a run back."""
    room = room_of(request, name)
    refuse_beside_daemon(room)

    def work(job: Job) -> dict[str, Any]:
        done = Sorter(room.config, job).undo(back.run)
        left = [{"id": id_of(path), "name": show(path), "reason": reason} for path, reason in done.left]
        return {"run": done.run, "restored": done.restored, "left": left}

    return room.jobs.start("undo", work).as_dict()


@router.get("/result")
def result(request: Request, name: str, job: int) -> Any:
    """What a job came to. Raises JournalError if there is none of that number."""
    for kept in room_of(request, name).jobs.kept.values():
        if kept.id == job and kept.kind != "plan":
            return kept.as_dict() | {"result": kept.result}
    raise JournalError(f"job {job} is not remembered any more")


def refuse_beside_daemon(room: Room) -> None:
    """Whole runs are the daemon's while it watches; asked at once, before a job begins. Raises DatasetHeld."""
    with hold(room.dataset.state, "app"):
        pass


def _class(item: Item) -> str | None:
    return None if item.decision is None else item.decision.class_name


def _probability(item: Item) -> float | None:
    if item.decision is None:
        return None
    value = item.decision.probability if item.decision.probability is not None else item.decision.score
    return round(float(value), 4)


def _record(record: RunRecord, standing: int) -> dict[str, Any]:
    summary = record.summary or {}
    return {
        "run": record.id,
        "kind": record.kind,
        "started": record.started,
        "ended": record.ended,
        "undoes": record.undoes,
        "files": standing,
        "summary": {key: value for key, value in summary.items() if isinstance(value, int | float | str)},
    }
