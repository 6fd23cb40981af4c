"""A drawing board for explanatory pictures: flat shapes, text that fits its room, arrows, photographs."""

import math
from functools import cache
from itertools import pairwise
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

Point = tuple[float, float]
INK, MUTED, LINE, PANEL, WHITE = "#1e293b", "#64748b", "#cbd5e1", "#f1f5f9", "#ffffff"
BLUE, AMBER, TEAL, ROSE = "#2563eb", "#d97706", "#0d9488", "#e11d48"
PALE = {BLUE: "#dbeafe", AMBER: "#fef3c7", TEAL: "#ccfbf1", ROSE: "#ffe4e6", INK: "#e2e8f0"}
FINE = 2
"""Everything is drawn this many times larger and reduced at the end."""


@cache
def font(size: float, bold: bool) -> ImageFont.FreeTypeFont:
    """DejaVu Sans as matplotlib carries it."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size * FINE)


class Canvas:
    """All coordinates and sizes are in pixels of the finished picture."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.image = Image.new("RGB", (width * FINE, height * FINE), WHITE)
        self.draw = ImageDraw.Draw(self.image)

    def text(self, at: Point, words: str, size: float = 21, colour: str = INK, bold: bool = False,
             anchor: str = "la", room: float = math.inf) -> None:  # fmt: skip
        """Writes one or more lines; the letters shrink until the longest line fits into `room`."""
        lines = words.split("\n")
        while max(font(size, bold).getlength(line) for line in lines) / FINE > room:
            size -= 0.5
        for i, line in enumerate(lines):
            where = (at[0] * FINE, (at[1] + i * size * 1.42) * FINE)
            self.draw.text(where, line, colour, font(size, bold), anchor)

    def heading(self, title: str, subtitle: str) -> None:
        """Title and subtitle at the top left."""
        self.text((60, 46), title, 38, bold=True, room=self.size[0] - 120)
        self.text((60, 104), subtitle, 22, MUTED, room=self.size[0] - 120)

    def card(self, box: tuple[float, float, float, float], fill: str = PANEL, edge: str | None = None,
             radius: float = 16, width: float = 2.5) -> None:  # fmt: skip
        """A box with round corners: left, upper, right, lower."""
        scaled = [v * FINE for v in box]
        self.draw.rounded_rectangle(scaled, radius * FINE, fill, edge, round(width * FINE) if edge else 0)

    def line(self, points: list[Point], colour: str = MUTED, width: float = 3, dashed: bool = False) -> None:
        """A chain of straight lines."""
        for a, b in pairwise(points):
            length = math.dist(a, b)
            pieces = max(round(length / 12), 1) if dashed else 1
            for i in range(pieces):
                start, end = i / pieces, (i + (0.55 if dashed else 1.0)) / pieces
                ends = [(a[k] + (b[k] - a[k]) * t) * FINE for t in (start, end) for k in (0, 1)]
                self.draw.line(ends, colour, round(width * FINE))
        if not dashed:
            for x, y in points[1:-1]:
                self.dot((x, y), width / 2, colour)

    def arrow(self, points: list[Point], colour: str = MUTED, width: float = 3.5, dashed: bool = False) -> None:
        """A chain of lines that ends in a head."""
        (ax, ay), (bx, by) = points[-2], points[-1]
        angle, long = math.atan2(by - ay, bx - ax), 15.0
        neck = (bx - 0.8 * long * math.cos(angle), by - 0.8 * long * math.sin(angle))
        self.line([*points[:-1], neck], colour, width, dashed)
        wings = [(bx - long * math.cos(angle + s), by - long * math.sin(angle + s)) for s in (0.48, -0.48)]
        self.draw.polygon([(x * FINE, y * FINE) for x, y in ((bx, by), *wings)], colour)

    def dot(self, at: Point, radius: float, colour: str, edge: str | None = None, width: float = 2) -> None:
        """A filled circle."""
        box = [
            (at[0] - radius) * FINE,
            (at[1] - radius) * FINE,
            (at[0] + radius) * FINE,
            (at[1] + radius) * FINE,
        ]
        self.draw.ellipse(box, colour, edge, round(width * FINE) if edge else 0)

    def star(self, at: Point, radius: float, colour: str) -> None:
        """A five-pointed star with a white rim, the sign of a prototype."""
        for size, paint in ((radius + 4.5, WHITE), (radius, colour)):
            corners = []
            for i in range(10):
                r, a = size * (1.0 if i % 2 == 0 else 0.45), math.pi * (i / 5 - 0.5)
                corners.append(((at[0] + r * math.cos(a)) * FINE, (at[1] + r * math.sin(a)) * FINE))
            self.draw.polygon(corners, paint)

    def diamond(self, at: Point, half: tuple[float, float], fill: str, edge: str | None = None) -> None:
        """A square on its tip, the sign of a decision or of a new picture."""
        x, y = at
        corners = [(x, y - half[1]), (x + half[0], y), (x, y + half[1]), (x - half[0], y)]
        scaled = [(a * FINE, b * FINE) for a, b in corners]
        self.draw.polygon(scaled, fill)
        if edge:
            self.draw.line([*scaled, scaled[0], scaled[1]], edge, round(2.5 * FINE), joint="curve")

    def photo(self, picture: Image.Image, at: Point, width: float, edge: str | None = None) -> None:
        """A photograph with round corners; its height follows from its shape."""
        height = width * picture.height / picture.width
        size = (round(width * FINE), round(height * FINE))
        mask = Image.new("L", size, 0)
        ImageDraw.Draw(mask).rounded_rectangle([0, 0, size[0] - 1, size[1] - 1], 8 * FINE, 255)
        small = picture.resize(size, Image.Resampling.LANCZOS)
        self.image.paste(small, (round(at[0] * FINE), round(at[1] * FINE)), mask)
        if edge:
            box = [at[0] * FINE, at[1] * FINE, (at[0] + width) * FINE, (at[1] + height) * FINE]
            self.draw.rounded_rectangle(box, 8 * FINE, None, edge, round(3 * FINE))

    def folder(self, at: Point, width: float, colour: str) -> None:
        """A folder, drawn as an icon."""
        x, y, high = at[0], at[1], width * 0.74
        self.card((x, y, x + width * 0.5, y + high * 0.5), colour, radius=width * 0.07)
        self.card((x, y + high * 0.14, x + width, y + high), colour, radius=width * 0.07)
        self.card((x + width * 0.08, y + high * 0.3, x + width * 0.92, y + high * 0.4), WHITE, radius=2)

    def vector(self, at: Point, size: tuple[float, float], colour: str, seed: int, cells: int = 8) -> None:
        """A row of cells of different strength: the numbers of a vector."""
        base, wide = Image.new("RGB", (1, 1), colour).getpixel((0, 0)), size[0] / cells
        for i in range(cells):
            share = (0.12, 0.35, 0.6, 1.0)[(seed * 37 + i * i * 11 + i * 29 + seed * i * 7) % 17 % 4]
            tint = tuple(round(255 - (255 - c) * share) for c in base)
            x = at[0] + i * wide
            box = [x * FINE, at[1] * FINE, (x + wide - 1.5) * FINE, (at[1] + size[1]) * FINE]
            self.draw.rectangle(box, tint)

    def save(self, path: Path) -> None:
        """Reduces the drawing and writes it as PNG with a palette of its own, which keeps the file small."""
        small = self.image.resize(self.size, Image.Resampling.LANCZOS)
        small.quantize(256, Image.Quantize.MEDIANCUT, kmeans=1).save(path, optimize=True)
