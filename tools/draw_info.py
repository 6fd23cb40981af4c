"""Draws the pictures in Info/ that explain prototypes, decisions and fine-tuning, in English and in Spanish.

Run it from the repository: `python tools/draw_info.py`. The sample pictures are demo renders; the scores were
measured on these with prototypes of EfficientNet-Lite0 and -Lite2 vectors, both with their last stages.
"""

import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

from canvas import AMBER, BLUE, INK, LINE, MUTED, PALE, PANEL, ROSE, TEAL, WHITE, Canvas, Point
from info_texts import TEXTS
from PIL import Image

from refsort.demo.render import noise_of, orders, photograph

SEED = 7
INFO = Path(__file__).resolve().parents[1] / "Info"
Texts = dict[str, str]
Scores = tuple[tuple[str, float], ...]
SHOWN = (("tuerca", BLUE), ("arandela", AMBER), ("tornillo_phillips", TEAL))
NEW, TIED, FAR = "Images/IMG_0008.jpg", "Images/IMG_0002.jpg", "Images/IMG_0023.jpg"
SCORES = (
    ("tuerca", 0.89),
    ("arandela", 0.54),
    ("perno_hexagonal", 0.47),
    ("tuerca_mariposa", 0.44),
    ("taco", 0.39),
)


@cache
def picture(path: str) -> Image.Image:
    """One picture of the demo dataset."""
    order = next(order for order in orders(SEED) if order.path == path)
    return photograph(order, noise_of(SEED))


def number(value: float, t: Texts) -> str:
    """Two decimals, with the comma or point of the language."""
    return f"{value:.2f}".replace(".", t["decimal"])


def encoder(c: Canvas, box: tuple[float, float, float, float], t: Texts) -> None:
    """The network as a dark box with layers that get smaller."""
    c.card(box, INK)
    middle, top = (box[0] + box[2]) / 2, box[1] + 30
    for i, high in enumerate((56, 42, 30, 18)):
        x = middle - 47 + i * 26
        c.card((x, top + 28 - high / 2, x + 16, top + 28 + high / 2), "#60a5fa", radius=3)
    c.text((middle, top + 84), t["encoder"], 23, WHITE, True, "ma", box[2] - box[0] - 20)
    c.text((middle, top + 116), t["encoder_note"], 17, LINE, False, "ma", box[2] - box[0] - 16)


def prototypes(c: Canvas, t: Texts) -> None:
    """References → encoder → vectors → mean, and the three rules."""
    c.heading(t["p_title"], t["p_subtitle"])
    for row, (name, colour) in enumerate(SHOWN):
        y = 168 + row * 134
        c.dot((68, y + 11), 8, colour)
        c.text((86, y), name, 20, colour, True)
        for i in range(5):
            c.photo(picture(f"Clases/{name}/{name}_{i + 1}.jpg"), (60 + i * 89, y + 38), 84)
        c.arrow([(514, y + 71), (560, 350 + (row - 1) * 44)], LINE)
        c.arrow([(722, 350 + (row - 1) * 44), (768, y + 71)], LINE)
        for i in range(5):
            c.vector((780, y + 38 + i * 14), (120, 11), colour, row * 5 + i + 1)
    encoder(c, (566, 262, 716, 438), t)
    c.text((840, 168), t["vectors"], 20, MUTED, False, "ma", 160)
    c.arrow([(914, 365), (962, 365)], LINE)
    sphere(c, (1160, 365), 186)
    c.dot((998, 590), 7, MUTED)
    c.text((1014, 590), t["reference"], 18, MUTED, anchor="lm")
    c.star((1148, 589), 12, MUTED)
    c.text((1168, 590), t["prototype_is"], 18, MUTED, anchor="lm")
    for i, rule in enumerate(("avg", "max", "prototype")):
        rule_card(c, 60 + i * 434, 640, rule, t)


def sphere(c: Canvas, middle: Point, radius: float) -> None:
    """Unit vectors on a sphere, with the mean of each class."""
    c.dot(middle, radius, "#f8fafc", LINE, 2.5)
    x, y = middle
    for share in (0.30, 0.62):
        box = [(x - radius) * 2, (y - radius * share) * 2, (x + radius) * 2, (y + radius * share) * 2]
        c.draw.ellipse(box, None, "#e2e8f0", 3)
        box = [(x - radius * share) * 2, (y - radius) * 2, (x + radius * share) * 2, (y + radius) * 2]
        c.draw.ellipse(box, None, "#e2e8f0", 3)
    reach = (44, 34, 40, 46, 36)
    for (_, colour), (dx, dy) in zip(SHOWN, ((-0.36, -0.5), (0.5, -0.2), (-0.02, 0.52)), strict=True):
        px, py = x + dx * radius, y + dy * radius
        c.arrow([middle, (x + dx * radius * 0.82, y + dy * radius * 0.82)], colour, 3)
        # Evenly around the mean, with the arrow from the middle between two of them.
        angles = [math.atan2(-dy, -dx) + math.tau * (i + 0.5) / 5 for i in range(5)]
        around = [(px + r * math.cos(a), py + r * math.sin(a)) for r, a in zip(reach, angles, strict=True)]
        for spot in around:
            c.line([(px, py), spot], PALE[colour], 3)
        for spot in around:
            c.dot(spot, 7, colour, WHITE)
        c.star((px, py), 15, colour)
    c.dot(middle, 5, MUTED)


def rule_card(c: Canvas, x: float, y: float, rule: str, t: Texts) -> None:
    """One rule with a small drawing: a new picture (diamond) against the references of a class."""
    c.card((x, y, x + 412, y + 176))
    spots = [(x + 84, y + 44), (x + 124, y + 66), (x + 112, y + 112), (x + 72, y + 92)]
    centre = (x + 98, y + 79)
    new = (x + 40, y + 140)
    ends = {"avg": spots, "max": [spots[3]], "prototype": [centre]}[rule]
    for end in ends:
        c.line([new, end], INK, 2.5)
    for spot in spots:
        faint = rule == "prototype" or (rule == "max" and spot != spots[3])
        c.dot(spot, 8, "#93c5fd" if faint else BLUE, PANEL)
    if rule == "prototype":
        c.star(centre, 14, BLUE)
    c.diamond(new, (12, 12), INK)
    c.text((x + 160, y + 32), rule, 25, BLUE, True)
    c.text((x + 160, y + 76), t[f"p_{rule}"], 19, INK, room=238)


def decision(c: Canvas, t: Texts) -> None:
    """A new picture → cosines → one of three folders."""
    c.heading(t["d_title"], t["d_subtitle"])
    c.text((60, 172), t["new_picture"], 21, INK, True, room=240)
    c.photo(picture(NEW), (60, 212), 236, INK)
    c.arrow([(306, 300), (352, 300)])
    encoder(c, (360, 212, 510, 388), t)
    c.arrow([(520, 300), (556, 300)])
    bars(c, (566, 168, 924, 480), t)
    c.arrow([(932, 300), (960, 300), (960, 236), (984, 236)], TEAL)
    c.arrow([(932, 350), (960, 350), (960, 456), (984, 456)], AMBER)
    outcome(c, (992, 168, 1340, 304), "Dataset/tuerca/", t["d_sure"], TEAL)
    outcome(c, (992, 328, 1340, 604), "Unsure/, Unknown/", t["d_unsure"], AMBER)
    small(c, (1014, 478), TIED, (("tornillo_phillips", 0.75), ("taco", 0.74)), t["tie"], t)
    small(c, (1182, 478), FAR, (("arandela", 0.39), ("tuerca_mariposa", 0.31)), t["low"], t)
    outcome(c, (992, 628, 1340, 764), "Bad/", t["d_bad"], ROSE)
    c.arrow([(178, 398), (178, 696), (984, 696)], ROSE, dashed=True)
    c.text((206, 664), t["unreadable"], 20, ROSE, room=740)
    c.card((360, 548, 924, 638))
    c.text((384, 565), t["d_never"], 19, INK, room=516)


def bars(c: Canvas, box: tuple[float, float, float, float], t: Texts) -> None:
    """Cosine to each class, the best two marked, and the margin between them."""
    left, top, right, lower = box
    c.card(box)
    c.text((left + 22, top + 20), t["cosine_to"], 20, INK, True, room=right - left - 44)
    start, full = left + 22, right - left - 104
    for i, (name, score) in enumerate(SCORES):
        y = top + 62 + i * 47
        colour = (TEAL, AMBER)[i] if i < 2 else "#94a3b8"
        c.text((start, y), name, 17, INK if i < 2 else MUTED, i < 2)
        c.text((right - 22, y + 30), number(score, t), 18, INK if i < 2 else MUTED, i < 2, "rm")
        c.card((start, y + 25, start + full, y + 35), "#e2e8f0", radius=5)
        c.card((start, y + 25, start + full * score, y + 35), colour, radius=5)
    best, second = start + full * SCORES[0][1], start + full * SCORES[1][1]
    y = top + 77
    c.line([(second, y + 22), (second, y + 52)], INK, 1.5, dashed=True)
    c.line([(best, y + 22), (best, y + 52)], INK, 1.5, dashed=True)
    c.arrow([((best + second) / 2, y + 36), (best, y + 36)], INK, 2)
    c.arrow([((best + second) / 2, y + 36), (second, y + 36)], INK, 2)
    margin = t["margin"] + number(SCORES[0][1] - SCORES[1][1], t)
    c.text((right - 8, lower + 10), margin, 18, MUTED, False, "ra", right - left)


def outcome(c: Canvas, box: tuple[float, float, float, float], name: str, words: str, colour: str) -> None:
    """A folder that pictures go to, and when."""
    c.card(box, PALE[colour], colour)
    c.folder((box[0] + 22, box[1] + 24), 46, colour)
    c.text((box[0] + 84, box[1] + 26), name, 24, colour, True, room=box[2] - box[0] - 100)
    c.text((box[0] + 22, box[1] + 74), words, 18.5, INK, room=box[2] - box[0] - 40)


def small(c: Canvas, at: Point, path: str, scores: Scores, words: str, t: Texts) -> None:
    """An unsure picture with its two best scores."""
    c.photo(picture(path), at, 94)
    for i, (_, score) in enumerate(scores):
        y = at[1] + 8 + i * 32
        c.card(
            (at[0] + 102, y, at[0] + 102 + 46 * score / 0.85, y + 10),
            AMBER if i == 0 else "#fbbf24",
            radius=4,
        )
        c.text((at[0] + 102, y + 12), number(score, t), 13.5, INK)
    c.text((at[0], at[1] + 78), words, 17, INK, room=156)


def fine_tuning(c: Canvas, t: Texts) -> None:
    """The circle from sorting over corrections to a better model, with the gate."""
    c.heading(t["f_title"], t["f_subtitle"])
    boxes = [(60 + i * 450, 168, 440 + i * 450, 430) for i in range(3)]
    lower = [(60 + i * 450, 506, 440 + i * 450, 768) for i in range(3)]
    steps = [boxes[0], boxes[1], boxes[2], lower[2], lower[1], lower[0]]
    for i, (box, key) in enumerate(zip(steps, ("sort", "correct", "label", "train", "gate", "model"), strict=True)):
        colour = (BLUE, BLUE, BLUE, TEAL, AMBER, TEAL)[i]
        c.card(box, WHITE if i != 4 else PALE[AMBER], colour)
        c.dot((box[0] + 36, box[1] + 38), 19, colour)
        c.text((box[0] + 36, box[1] + 38), str(i + 1), 21, WHITE, True, "mm")
        c.text((box[0] + 68, box[1] + 24), t[f"f_{key}"], 23, INK, True, room=300)
        c.text((box[0] + 24, box[3] - 66), t[f"f_{key}_note"], 18.5, MUTED, room=336)
    for box in boxes[:2]:
        c.arrow([(box[2] + 8, 301), (box[2] + 62, 301)])
    c.arrow([(1150, 438), (1150, 498)])
    c.arrow([(952, 641), (898, 641)])
    c.arrow([(502, 641), (448, 641)], TEAL)
    c.text((475, 610), t["yes"], 19, TEAL, True, "ma")
    c.arrow([(250, 498), (250, 438)], TEAL)
    c.arrow([(700, 774), (700, 812)], ROSE)
    c.text((700, 820), t["no"], 20, ROSE, True, "ma", 1000)
    scenes(c, t)


def scenes(c: Canvas, t: Texts) -> None:
    """What is drawn inside the six boxes."""
    c.photo(picture(NEW), (86, 252), 110)
    c.arrow([(206, 293), (252, 293)], LINE)
    for i, colour in enumerate((BLUE, AMBER, TEAL)):
        c.folder((268 + i * 54, 274), 46, colour)
    c.folder((536, 272), 62, AMBER)
    c.folder((772, 272), 62, BLUE)
    c.arrow([(612, 296), (760, 296)], INK, dashed=True)
    c.photo(picture(TIED), (648, 254), 84, INK)
    for i, (name, colour) in enumerate(SHOWN):
        y = 240 + i * 39
        c.photo(picture(f"Clases/{name}/{name}_{i + 2}.jpg"), (990, y), 42)
        c.arrow([(1040, y + 16), (1070, y + 16)], LINE, 2.5)
        c.card((1078, y + 2, 1290, y + 30), PALE[colour], radius=14)
        c.text((1092, y + 16), name, 17, colour, True, "lm", 190)
    for i, high in enumerate((76, 58, 42, 26)):
        c.card((1066 + i * 34, 630 - high / 2, 1088 + i * 34, 630 + high / 2), "#5eead4", radius=4)
    c.card((1202, 602, 1224, 658), TEAL, radius=4)
    c.arrow([(992, 630), (1052, 630)], LINE)
    c.arrow([(1238, 630), (1298, 630)], LINE)
    for i, (key, share, colour) in enumerate((("old", 0.78, "#94a3b8"), ("new", 0.9, TEAL))):
        y = 596 + i * 40
        c.text((534, y + 13), t[key], 18, INK, False, "lm", 110)
        c.card((650, y, 870, y + 26), WHITE, radius=6)
        c.card((650, y, 650 + 220 * share, y + 26), colour, radius=6)
    c.folder((120, 592), 74, TEAL)
    c.text((214, 600), "Models/<run>/", 20, TEAL, True)
    c.text((214, 632), t["current"], 18, MUTED, room=210)


DRAWINGS: dict[str, tuple[tuple[int, int], Callable[[Canvas, Texts], None]]] = {
    "prototypes": ((1400, 860), prototypes),
    "decision": ((1400, 808), decision),
    "fine_tuning": ((1400, 872), fine_tuning),
}


def main() -> None:
    """Writes all pictures."""
    for texts in TEXTS:
        for name, (size, draw) in DRAWINGS.items():
            canvas = Canvas(*size)
            draw(canvas, texts)
            canvas.save(INFO / texts[name])
            print(f"{texts[name]}: {math.ceil((INFO / texts[name]).stat().st_size / 1000)} kB")


if __name__ == "__main__":
    main()
