"""Accuracy by number of references, drawn as SVG."""

import math

from refsort.decide.check.findings import Curve

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 18, 16, 38


def svg(curve: Curve) -> str:
    """An inline SVG picture, references on a logarithmic axis; empty with fewer than two points."""
    if len(curve.steps) < 2:
        return ""
    first, last = curve.steps[0].references, curve.steps[-1].references
    floor = math.floor(10 * min(step.accuracy for step in curve.steps)) / 10
    floor = min(floor, 0.9)

    def x(references: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(references / first) / math.log(last / first)

    def y(accuracy: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - accuracy) / (1 - floor)

    ends = f"{curve.steps[0].accuracy:.0%} with {first:g}, {curve.steps[-1].accuracy:.0%} with {last:g} references"
    parts = [f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="Accuracy: {ends} a class">']
    lines = round((1 - floor) * 10)
    for number in range(0, lines + 1, 1 if lines <= 5 else 2):
        level = 1 - number / 10
        parts.append(f'<line x1="{LEFT}" y1="{y(level):.1f}" x2="{WIDTH - RIGHT}" y2="{y(level):.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 8}" y="{y(level) + 4:.1f}">{level:.0%}</text>')
    points = [(x(step.references), y(step.accuracy)) for step in curve.steps]
    path = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
    parts.append(f'<polyline points="{path}"/>')
    for step, (across, down) in zip(curve.steps, points, strict=True):
        title = f"{step.references:g} references a class: {step.accuracy:.1%}"
        parts.append(f'<circle cx="{across:.1f}" cy="{down:.1f}" r="5"><title>{title}</title></circle>')
        parts.append(f'<text class="middle" x="{across:.1f}" y="{HEIGHT - 12}">{step.references:g}</text>')
    return "".join([*parts, "</svg>"])
