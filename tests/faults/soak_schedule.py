"""Schedules of the soak: small steps as plain data, drawn from a seed, written as JSON, shrunk when they fail."""

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

Step = dict[str, Any]
"""{"do": "arrive", "kind", "count", "first"} | {"do": "meddle", "how", "which", "number"}
| {"do": "sort" | "watch" | "undo", "kill": [kind, number] | None, "warm", "during": a step of arrivals or None}"""

KINDS = ("whole", "whole", "same name", "same name", "renamed in", "broken", "sidecar", "sub-folder")
STEPS = 80
"""Steps of one schedule; then its dataset has grown large enough."""


@dataclass
class Schedule:
    """What is done to one dataset. `across`: its Dataset/ lies on another file system."""

    seed: int
    across: bool = False
    steps: list[Step] = field(default_factory=list)

    @classmethod
    def draw(cls, seed: int, count: int = STEPS) -> Self:
        """The same seed gives the same schedule."""
        rng = random.Random(seed)
        schedule = cls(seed, across=rng.random() < 0.25)
        first = 100
        for _ in range(count):
            step = _draw_step(rng, first)
            schedule.steps.append(step)
            first += 100
        return schedule

    @classmethod
    def read(cls, path: Path) -> Self:
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))


def _draw_step(rng: random.Random, first: int) -> Step:
    what = rng.choices(["arrive", "sort", "watch", "undo", "meddle"], [24, 40, 14, 17, 5])[0]
    if what == "arrive":
        return _arrivals(rng, first, rng.randint(5, 25))
    if what == "meddle":
        how = rng.choice(["rename", "edit"])
        return {"do": what, "how": how, "which": round(rng.random(), 3), "number": first}
    to_its_end = what == "sort" and rng.random() < 0.15  # Else what waits grows and grows.
    step: Step = {"do": what, "kill": None if to_its_end else _draw_kill(rng), "warm": rng.random() < 0.9}
    if what == "watch" and rng.random() < 0.7:
        step["during"] = _arrivals(rng, first, rng.randint(1, 12))
    return step


def _arrivals(rng: random.Random, first: int, count: int) -> Step:
    return {"do": "arrive", "kind": rng.choice(KINDS), "count": count, "first": first}


def _draw_kill(rng: random.Random) -> list[Any]:
    """Wholly at random, so long after the first move has begun, at the k-th step from there on, or of a recovery."""
    kind = rng.choices(["time", "moving", "step", "recovery"], [15, 30, 35, 20])[0]
    if kind == "time":
        return [kind, round(rng.uniform(0.02, 0.9), 3)]
    if kind == "moving":
        return [kind, round(rng.uniform(0, 0.01), 4)]
    return [kind, int(math.exp(rng.uniform(0, math.log(60))))]


def shrink(schedule: Schedule, fails: Callable[[Schedule], bool], seconds: float) -> Schedule:
    """A shorter schedule that still fails: parts are left out, halves first (Zeller and Hildebrandt 2002, ddmin).

    `fails` is asked again and again until the time is over.
    """
    until = time.monotonic() + seconds
    steps, parts = list(schedule.steps), 2
    while len(steps) > 1 and parts <= len(steps):
        size = math.ceil(len(steps) / parts)
        for start in range(0, len(steps), size):
            if time.monotonic() > until:
                return Schedule(schedule.seed, schedule.across, steps)
            fewer = steps[:start] + steps[start + size :]
            if fewer and fails(Schedule(schedule.seed, schedule.across, fewer)):
                steps, parts = fewer, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(steps), 2 * parts)
    return Schedule(schedule.seed, schedule.across, _fewer_pictures(schedule, steps, fails, until))


def _fewer_pictures(
    schedule: Schedule, steps: list[Step], fails: Callable[[Schedule], bool], until: float
) -> list[Step]:
    """Half as many pictures in each step of arrivals, as often as it still fails."""
    for position, step in enumerate(steps):
        while step["do"] == "arrive" and step["count"] > 1 and time.monotonic() < until:
            step = {**step, "count": step["count"] // 2}
            fewer = [*steps[:position], step, *steps[position + 1 :]]
            if not fails(Schedule(schedule.seed, schedule.across, fewer)):
                break
            steps = fewer
    return steps
