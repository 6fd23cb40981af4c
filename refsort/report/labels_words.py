"""What counts as truth, in words: for the console and for JSON."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from refsort.names import show

SOURCES = ("reference", "corrected", "confirmed", "trusted")
NAMED = 3
"""Contradictions that are told in full; `--list` and `--json` have all."""

Entry = tuple[str, str, str, float]
"""(path, class, source, weight) of one label."""


def labels_table(classes: list[str], labels: list[Entry], left_out: list[tuple[str, str]], said: list[str]) -> str:
    """Classes with their labels by source, what is left out and why, and contradictions."""
    counts = Counter((name, source) for _, name, source, _ in labels)
    width = max(len("class"), *(len(show(name)) for name in classes))
    lines = [f"  {'class':<{width}}  " + "  ".join(f"{source:>9}" for source in SOURCES)]
    for name in classes:
        lines.append(f"  {show(name):<{width}}  " + "  ".join(f"{counts[name, source]:>9}" for source in SOURCES))
    lines.append(f"  {'':-<{width}}  " + "  ".join("-" * 9 for _ in SOURCES))
    totals = [sum(counts[name, source] for name in classes) for source in SOURCES]
    lines += [f"  {'all':<{width}}  " + "  ".join(f"{total:>9}" for total in totals), ""]
    return "\n".join([*lines, *_left_out_lines(left_out), *_contradiction_lines(said)]).rstrip()


def _left_out_lines(left_out: list[tuple[str, str]]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for path, reason in left_out:
        by_reason[reason].append(path)
    for reason, paths in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        yield f"left out: {show(paths[0])}{more}: {reason}"


def _contradiction_lines(said: list[str]) -> Iterator[str]:
    for text in said[:NAMED]:
        yield f"contradiction: {text}"
    if len(said) > NAMED:
        yield f"contradictions: {len(said) - NAMED} more, see --list"


def labels_list(labels: list[Entry], left_out: list[tuple[str, str]], said: list[str]) -> str:
    """A line for each picture."""
    lines = [f"{source:<9}  {weight:.3f}  {show(name)}  {show(path)}" for path, name, source, weight in labels]
    lines += [f"left out   {show(path)}: {reason}" for path, reason in left_out]
    return "\n".join([*lines, *(f"contradiction: {text}" for text in said)])


def as_dict(
    classes: list[str], labels: list[Entry], left_out: list[tuple[str, str]], said: list[str]
) -> dict[str, Any]:
    """For JSON."""
    counts = Counter((name, source) for _, name, source, _ in labels)
    return {
        "classes": [{"name": name} | {source: counts[name, source] for source in SOURCES} for name in classes],
        **{source: sum(counts[name, source] for name in classes) for source in SOURCES},
        "labels": [
            {"path": show(path), "class": name, "source": source, "weight": round(weight, 6)}
            for path, name, source, weight in labels
        ],
        "left_out": [{"path": show(path), "reason": reason} for path, reason in left_out],
        "contradictions": said,
    }
