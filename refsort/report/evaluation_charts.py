"""Charts of an evaluation as inline SVG: they need nothing installed and follow the page's colours."""

from refsort.decide.measures import Calibration, RiskCoverage

SIZE, LEFT, RIGHT, TOP, BOTTOM = (440, 330), 52, 14, 12, 46
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)
LEAST_RISK = 0.1
"""The risk axis reaches at least so far."""


class _Frame:
    """Axes from 0 to 1 across, 0 to `top` upward."""

    def __init__(self, label: str, across: str, upward: str, top: float = 1.0) -> None:
        width, height = SIZE
        self.top = top
        self.parts = [f'<svg class="plot" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">']
        for tick in TICKS:
            x, y = self.x(tick), self.y(tick * top)
            self.parts.append(
                f'<line class="grid" x1="{self.x(0):.1f}" y1="{y:.1f}" x2="{self.x(1):.1f}" y2="{y:.1f}"/>'
            )
            self.parts.append(f'<text class="end" x="{LEFT - 7}" y="{y + 4:.1f}">{100 * tick * top:g}</text>')
            self.parts.append(f'<text class="middle" x="{x:.1f}" y="{height - BOTTOM + 18}">{100 * tick:g}</text>')
        middle = (TOP + height - BOTTOM) / 2
        self.parts.append(f'<text class="middle" x="{self.x(0.5):.1f}" y="{height - 8}">{across}</text>')
        self.parts.append(
            f'<text class="middle" x="14" y="{middle:.0f}" transform="rotate(-90 14 {middle:.0f})">{upward}</text>'
        )

    def x(self, value: float) -> float:
        return LEFT + value * (SIZE[0] - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (1 - value / self.top) * (SIZE[1] - TOP - BOTTOM)

    def line(self, kind: str, points: list[tuple[float, float]]) -> None:
        path = " ".join(f"{self.x(across):.1f},{self.y(up):.1f}" for across, up in points)
        self.parts.append(f'<polyline class="{kind}" points="{path}"/>')

    def svg(self) -> str:
        return "".join([*self.parts, "</svg>"])


def reliability_svg(calibration: Calibration) -> str:
    """Share right over stated probability, a dot a bin with its 95 % interval; on the diagonal they agree."""
    frame = _Frame("Reliability diagram", "stated probability, %", "right, %")
    frame.line("ideal", [(0, 0), (1, 1)])
    for b in calibration.bins:
        low, high = b.right.interval
        frame.line("whisker", [(b.probability, low), (b.probability, high)])
    frame.line("curve", [(b.probability, b.right.value or 0.0) for b in calibration.bins])
    for b in calibration.bins:
        title = f"stated {b.probability:.1%}, {b.right.count} of {b.right.total} right"
        x, y = frame.x(b.probability), frame.y(b.right.value or 0.0)
        frame.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{title}</title></circle>')
    return frame.svg()


def risk_coverage_svg(curve: RiskCoverage, now: tuple[float, float] | None, max_wrong: float) -> str:
    """Share wrong over share moved; `now` is the point where the dataset's settings stand."""
    points = curve.points()
    frame = _Frame("Risk-coverage curve", "share moved, %", "wrong among the moved, %", risk_top(curve, max_wrong))
    frame.line("ideal", [(0, max_wrong), (1, max_wrong)])
    frame.line("curve", [(coverage, min(risk, frame.top)) for coverage, risk in points])
    if now is not None:
        title = f"now: {now[0]:.1%} moved, {now[1]:.1%} of these wrong"
        x, y = frame.x(now[0]), frame.y(min(now[1], frame.top))
        frame.parts.append(f'<circle class="now" cx="{x:.1f}" cy="{y:.1f}" r="7"><title>{title}</title></circle>')
    return frame.svg()


def risk_top(curve: RiskCoverage, max_wrong: float) -> float:
    """Where the risk axis ends: a round share above the whole curve, but for the jumps of its first few pictures."""
    highest = max([risk for coverage, risk in curve.points() if coverage >= 0.1] or [0.0])
    wanted = 1.1 * max(highest, max_wrong, LEAST_RISK / 1.1)
    return next((top for top in (0.1, 0.2, 0.4, 0.6, 0.8) if top >= wanted), 1.0)
