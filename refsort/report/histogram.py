"""How alike the pictures were to their best class: a histogram drawn as SVG."""

from collections import Counter

STEP = 0.02
"""Width of a bar, in cosine or probability."""
WIDTH, HEIGHT, BASE = 640, 150, 22
LEAST_BARS = 12


class Histogram:
    """Counts best scores, sure and unsure apart."""

    def __init__(self) -> None:
        self.sure: Counter[int] = Counter()
        self.unsure: Counter[int] = Counter()

    def add(self, score: float, *, sure: bool) -> None:
        """Count one best score."""
        (self.sure if sure else self.unsure)[int(score // STEP)] += 1

    def svg(self) -> str:
        """An inline SVG picture; empty if nothing was counted."""
        bins = [*self.sure, *self.unsure]
        if not bins:
            return ""
        first, last = min(bins), max(bins)
        while last - first + 1 < LEAST_BARS:
            first, last = first - 1, last + 1
        top = max(self.sure[b] + self.unsure[b] for b in range(first, last + 1))
        step = WIDTH / (last - first + 1)
        parts = [
            f'<svg class="histogram" viewBox="0 0 {WIDTH} {HEIGHT + BASE}" role="img" '
            f'aria-label="Histogram of best scores, {first * STEP:.2f} to {(last + 1) * STEP:.2f}">'
        ]
        for position, b in enumerate(range(first, last + 1)):
            x, y = position * step, float(HEIGHT)
            for kind, number in (("sure", self.sure[b]), ("unsure", self.unsure[b])):
                height = number / top * (HEIGHT - 14)
                y -= height
                if number:
                    parts.append(
                        f'<rect class="{kind}" x="{x + 1:.1f}" y="{y:.1f}" width="{step - 2:.1f}" '
                        f'height="{height:.1f}"><title>{b * STEP:.2f} to {(b + 1) * STEP:.2f}: {number} {kind}'
                        "</title></rect>"
                    )
            if position % max(1, round((last - first + 1) / 8)) == 0:
                parts.append(f'<text x="{x:.1f}" y="{HEIGHT + 16}">{b * STEP:.2f}</text>')
        parts.append(f'<line x1="0" y1="{HEIGHT}" x2="{WIDTH}" y2="{HEIGHT}"/></svg>')
        return "".join(parts)
