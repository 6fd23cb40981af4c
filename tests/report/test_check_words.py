"""What is said about the references: one line, sentences, and a page that executes nothing."""

import numpy as np
import pytest

from refsort.decide.check.findings import Curve, Expected, Finding, Findings, Kind, Severity, Step
from refsort.report.check_words import one_line, one_more, sentence
from refsort.report.learning_curve import svg
from refsort.sorting.references import References

EXPECTED = Expected(0.874, 0.82, 0.911, (0.9, 0.85), np.array([[9, 1], [3, 17]], dtype=np.intp))


def findings(*severities: Severity, expected: Expected | None = EXPECTED, gain: float | None = None) -> Findings:
    found = tuple(Finding("outlier", severity, (0,), (0,), {}) for severity in severities)
    return Findings(found, (10, 20), expected, Curve((), gain))


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (findings(), "references: nothing wrong found; accuracy to expect: 87% (82% to 91%)"),
        (findings("note"), "references: nothing wrong found; accuracy to expect: 87% (82% to 91%)"),
        (
            findings("error", "warning", "warning", "note"),
            "references: 1 error, 2 warnings (refsort check tells more); accuracy to expect: 87% (82% to 91%)",
        ),
        (
            findings("warning", expected=None),
            "references: 1 warning (refsort check tells more); "
            "accuracy to expect: not known (too few references or classes)",
        ),
    ],
)
def test_one_line(found: Findings, line: str) -> None:
    assert one_line(found) == line


def test_what_more_references_bring() -> None:
    assert one_more(findings(gain=0.0123)) == "one more reference a class would bring about 1.2 points"
    assert one_more(findings()).endswith("not known")


KINDS: dict[Kind, dict[str, float]] = {
    "same_picture": {"cosine": 1.0},
    "near_duplicate": {"cosine": 0.991},
    "mislabelled": {"odds": 40.2, "probability": 0.02},
    "outlier": {"cosine": 0.2, "z": -6.0},
    "close_classes": {"confused": 0.45, "distance": 1.0},
    "one_reference": {},
    "few_references": {},
    "unequal_classes": {"ratio": 12.0},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", ["error", "note"])
def test_every_kind_has_its_sentence_and_no_name_reaches_the_terminal_raw(kind: Kind, severity: Severity) -> None:
    classes, paths = ["hat\x1b[31m", "dress"], [f"Clases/hat/{n}\n.jpg" for n in range(6)]
    references = References(classes, np.eye(6, dtype=np.float32), np.arange(6) % 2, paths, [b""] * 6)
    text = sentence(Finding(kind, severity, tuple(range(6)), (0, 1), KINDS[kind]), references)
    assert text.isprintable()
    assert "hat" in text
    if kind in ("same_picture", "near_duplicate"):
        assert "and 3 more" in text


def test_the_curve_is_drawn_inside_its_frame() -> None:
    steps = (Step(2, 0.41), Step(5, 0.7), Step(16, 0.93))
    picture = svg(Curve(steps, None))
    assert picture.count("<circle") == 3
    assert svg(Curve(steps[:1], None)) == ""
    points = picture.split('points="')[1].split('"')[0].split()
    assert points[0].startswith("64.0,")
    assert points[-1].startswith("622.0,")
    assert all(0 < float(point.split(",")[1]) < 220 for point in points)
