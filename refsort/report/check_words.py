"""What a look at the references found, in words: for the console, for JSON, for the page."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from refsort.decide.check.findings import FEW, SEVERITIES, Expected, Finding, Findings
from refsort.names import show
from refsort.sorting.references import References

SHOWN = 8
"""Findings of a kind on the console; the page has more."""
NAMED = 3
"""Files or classes named in one sentence."""
BEST_ODDS = 1000
MARKS = {"error": "ERROR", "warning": "warning", "note": "note"}


def sentence(finding: Finding, references: References) -> str:
    """One finding in a sentence that says what to do. Names are escaped for a terminal."""
    classes = [show(references.classes[label]) for label in finding.classes]
    files = [show(references.paths[reference]) for reference in finding.references]
    numbers = finding.numbers
    match finding.kind:
        case "same_picture" if finding.severity == "error":
            return f"{_list(files)} are the same picture; keep it in one of {_list(classes)} and take it out elsewhere"
        case "same_picture":
            return f"{_list(files)} are the same picture; one is enough"
        case "near_duplicate" if finding.severity == "error":
            return (
                f"{_list(files)} are nearly the same picture (cosine {numbers['cosine']:.3f}) in different classes; "
                f"keep it in one of {_list(classes)}"
            )
        case "near_duplicate":
            return (
                f"{_list(files)} are nearly the same picture (cosine {numbers['cosine']:.3f}); together they teach "
                f"little more than one"
            )
        case "mislabelled":
            return (
                f"{files[0]} looks like {classes[1]} rather than {classes[0]} (odds {odds(numbers['odds'])}); look at "
                f"it, and move it if it lies in the wrong folder"
            )
        case "outlier":
            return (
                f"{files[0]} looks unlike the other references of {classes[0]} and unlike every other class; take it "
                f"out unless arrivals look like that"
            )
        case "close_classes":
            return (
                f"{classes[0]} and {classes[1]} can hardly be told apart: {numbers['confused']:.0%} of the references "
                f"look like the other class (50% is chance); join them, or add references that show the difference"
            )
        case "one_reference":
            return f"{_list(classes)}: one reference only, so nothing can be checked; add at least {FEW - 1} more"
        case "few_references":
            return f"{_list(classes)}: fewer than {FEW} different references, too few for a promise; add some"
        case "unequal_classes":
            return (
                f"{classes[1]} has {numbers['ratio']:.0f} times as many references as {classes[0]}; add some to "
                f"{classes[0]}"
            )


def _list(names: Sequence[str]) -> str:
    if len(names) > NAMED + 1:
        return f"{', '.join(names[:NAMED])} and {len(names) - NAMED} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def odds(value: float) -> str:
    """`40 : 1`."""
    return f"over {BEST_ODDS} : 1" if value > BEST_ODDS else f"{value:.0f} : 1"


def accuracy(expected: Expected | None) -> str:
    """The accuracy to expect with its interval, or why it isn't known."""
    if expected is None:
        return "accuracy to expect: not known (too few references or classes)"
    return f"accuracy to expect: {expected.accuracy:.0%} ({expected.low:.0%} to {expected.high:.0%})"


def one_more(findings: Findings) -> str:
    """What one more reference of each class would bring."""
    gain = findings.curve.one_more
    if gain is None:
        return "what one more reference a class would bring: not known"
    return f"one more reference a class would bring about {100 * gain:.1f} points"


def one_line(findings: Findings, command: str = "refsort check") -> str:
    """The whole look in one line; `command` is what tells more."""
    counts = {severity: findings.count(severity) for severity in ("error", "warning")}
    faults = ", ".join(f"{number} {word}{'s' * (number > 1)}" for word, number in counts.items() if number)
    head = f"{faults} ({command} tells more)" if faults else "nothing wrong found"
    return f"references: {head}; {accuracy(findings.expected)}"


def check_table(findings: Findings, references: References) -> str:
    """Classes, references and recall as a short table, then the findings and what to expect."""
    names = [show(name) for name in references.classes]
    width = max(len("class"), *map(len, names))
    rates = findings.expected.recall if findings.expected else (None,) * len(names)
    lines = [f"  {'class':<{width}}  {'references':>10}  {'recall':>6}"]
    for name, count, rate in zip(names, findings.counts, rates, strict=True):
        lines.append(f"  {name:<{width}}  {count:>10}  {'-' if rate is None else f'{rate:.0%}':>6}")
    lines += ["", *_finding_lines(findings, references)]
    return "\n".join([*lines, accuracy(findings.expected), one_more(findings)])


def _finding_lines(findings: Findings, references: References) -> Iterator[str]:
    if not findings.findings:
        yield "nothing wrong found"
    told: Counter[tuple[str, str]] = Counter()
    for finding in findings.findings:
        key = (finding.severity, finding.kind)
        told[key] += 1
        if told[key] <= SHOWN:
            yield f"{MARKS[finding.severity]}: {sentence(finding, references)}"
        elif told[key] == SHOWN + 1:
            total = sum((other.severity, other.kind) == key for other in findings.findings)
            yield f"{MARKS[finding.severity]}: {total - SHOWN} more like that, see --html"
    yield ""


def as_dict(findings: Findings, references: References) -> dict[str, Any]:
    """For JSON: names as they are, sentences escaped."""
    expected = findings.expected
    rates = expected.recall if expected else (None,) * len(references.classes)
    return {
        "classes": [
            {"name": name, "references": count, "recall": _rounded(rate)}
            for name, count, rate in zip(references.classes, findings.counts, rates, strict=True)
        ],
        "accuracy": expected and {key: _rounded(getattr(expected, key)) for key in ("accuracy", "low", "high")},
        "confusion": expected and expected.confusion.tolist(),
        "curve": [
            {"references": step.references, "accuracy": _rounded(step.accuracy)} for step in findings.curve.steps
        ],
        "one_more": _rounded(findings.curve.one_more),
        **{f"{severity}s": findings.count(severity) for severity in SEVERITIES},
        "findings": [
            {
                "kind": finding.kind,
                "severity": finding.severity,
                "classes": [references.classes[label] for label in finding.classes],
                "references": [references.paths[reference] for reference in finding.references],
                "numbers": {key: _rounded(value) for key, value in finding.numbers.items()},
                "text": sentence(finding, references),
            }
            for finding in findings.findings
        ],
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
