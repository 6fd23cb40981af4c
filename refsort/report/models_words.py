"""Fine-tuned models and comparisons of them as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from refsort.names import show


def models_table(dataset: str, models: Sequence[Mapping[str, Any]]) -> str:
    """A line for each model, oldest first, the one in use marked."""
    if not models:
        return f"{show(dataset)} has no fine-tuned model; 'refsort finetune' makes one"
    lines = [f"  {'run':<16}{'recipe':<10}{'accuracy':<18}{'moved':<16}{'on':>5}  made of"]
    for model in models:
        found = model.get("comparison")
        accuracy = moved = "-"
        if found:
            accuracy, moved = (
                f"{100 * found['before'][key]:.1f} -> {100 * found['after'][key]:.1f} %"
                for key in ("accuracy", "moved")
            )
        on = found["pictures"] if found else 0
        mark = "*" if model["current"] else " "
        lines.append(
            f"{mark} {model['run']:<16}{model.get('recipe', '-'):<10}{accuracy:<18}{moved:<16}{on:>5}  "
            f"{show(str(model.get('base', '-')))}"
        )
        if not model["current"] and model.get("objections"):
            lines.append(f"    not put into use: {'; '.join(model['objections'])}")
    lines.append("\n* in use. Accuracy and share moved: before and after, on confirmed pictures that were held out.")
    return "\n".join(lines)


def comparison_table(first: str, second: str, found: Mapping[str, Any]) -> str:
    """Two models side by side, from `Comparison.as_dict()`."""
    width = max(len(first), len(second), 8)
    lines = [f"{found['pictures']} confirmed pictures that neither was trained on", ""]
    lines.append(f"  {'':<26}{first:>{width}}  {second:>{width}}")
    for key, name in (("accuracy", "right, if all were moved"), ("moved", "moved"), ("wrong", "wrong among the moved")):
        before, after = (f"{100 * found[side][key]:.1f} %" for side in ("before", "after"))
        lines.append(f"  {name:<26}{before:>{width}}  {after:>{width}}")
    least, most = found["interval"]
    lines.append("")
    lines.append(
        f"change of accuracy {100 * found['gain']:+.1f} points, each bound with 90 %: {100 * least:+.1f} to "
        f"{100 * most:+.1f}; only {first} is right: {found['lost']}, only {second}: {found['gained']} "
        f"(McNemar p = {found['p_value']:.2g})"
    )
    changed = {n: c for n, c in found["class_changes"].items() if c["gain"]}
    for name, change in sorted(changed.items(), key=lambda item: item[1]["gain"]):
        lines.append(f"  {show(name)}: {100 * change['gain']:+.1f} points ({change['pictures']} pictures)")
    return "\n".join(lines)
