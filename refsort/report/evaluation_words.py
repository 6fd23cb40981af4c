"""The outcome of an evaluation in words and as tables for the console."""

from collections.abc import Iterator

from refsort.decide.measures import Calibration, Share
from refsort.names import show
from refsort.sorting.corruptions import STRENGTHS
from refsort.sorting.evaluating import Evaluated
from refsort.sorting.robustness import Spoilt

SHOWN = 25
"""Classes listed on the console, the weakest first where there are more."""
FEW = 0.02
"""Calibration errors that differ by less mean the same."""


def percent(value: float | None) -> str:
    """`93.4 %`, or a dash where there is nothing to measure."""
    return "–" if value is None else f"{100 * value:.1f} %"


def between(share: Share) -> str:
    """The 95 % interval: `90.1–95.6 %`; empty where there is nothing to measure."""
    if not share.total:
        return ""
    low, high = share.interval
    return f"{100 * low:.1f}–{100 * high:.1f} %"


def headline(found: Evaluated) -> str:
    """What was evaluated."""
    result = found.evaluation
    strays = f", {result.strays.moved.total} that belong to none" if result.strays.moved.total else ""
    return (
        f"{show(found.dataset)}: {result.accuracy.total} labelled pictures of {len(result.classes)} classes{strays}; "
        f"encoder {show(found.encoder)}, mode {found.mode}, {found.references} references"
    )


def judgement(found: Evaluated) -> str:
    """Whether what was promised was kept."""
    wrong = found.evaluation.wrong
    if wrong.value is None:
        return f"Nothing was moved, so nothing went wrong. The terms: {found.terms}."
    share = f"{percent(wrong.value)} ({between(wrong)})"
    told = f"Of {wrong.total} moved pictures {wrong.count} went into a wrong folder: {share}."
    if not found.promise:
        return f"{told} Nothing was promised ({found.terms})."
    limit = f"at most {100 * found.max_wrong:g} % wrong"
    if wrong.interval[1] <= found.max_wrong:
        return f"{told} The promise of {limit} was kept."
    if wrong.value <= found.max_wrong:
        return f"{told} That fits the promise of {limit}; more pictures would tell it more surely."
    if wrong.interval[0] <= found.max_wrong:
        return f"{told} The promise was {limit}: too few pictures to tell whether that is chance."
    return f"{told} The promise of {limit} was broken. {_why_broken(found)}"


def _why_broken(found: Evaluated) -> str:
    strays = found.evaluation.strays.moved.total / found.pictures
    if strays > found.unknown_share + 0.05:
        return (
            f"{percent(strays)} of these pictures belong to no class, {percent(found.unknown_share)} were reckoned "
            "with: raise unknown_share if that is usual."
        )
    return "References that are more like these pictures would help; until then lower max_wrong."


def honesty(found: Evaluated) -> str:
    """Whether the probabilities are true."""
    calibration = found.evaluation.calibration
    if calibration is None:
        return "There are no probabilities to check: this mode, or so few references, gives none."
    told = f"Stated and true probabilities differ by {percent(calibration.ece)} on the mean"
    if calibration.ece <= calibration.ece_by_chance + FEW:
        return f"{told}; with true ones it would be about {percent(calibration.ece_by_chance)} by chance."
    low = lean(calibration) < 0
    side = "too low: more pictures are right than stated" if low else "too high: fewer pictures are right than stated"
    return f"{told}, where chance alone makes {percent(calibration.ece_by_chance)}. They are {side}."


def lean(calibration: Calibration) -> float:
    """Mean stated probability minus share right: above zero is overconfident."""
    total = sum(b.right.total for b in calibration.bins)
    return sum(b.probability * b.right.total - b.right.count for b in calibration.bins) / total


def evaluation_table(found: Evaluated) -> str:
    """Everything, for a terminal."""
    parts = [headline(found), "", *_main_rows(found), "", judgement(found), honesty(found), ""]
    parts += [*_class_rows(found), "", *_mode_rows(found)]
    if found.corruptions:
        parts += ["", *_corruption_rows(found.corruptions)]
    return "\n".join(parts)


def _main_rows(found: Evaluated) -> Iterator[str]:
    result, rows = found.evaluation, []
    for name, share in (
        ("right", result.accuracy),
        ("moved", result.moved),
        ("wrong among the moved", result.wrong),
        ("  of a class", result.members_wrong),
        ("strays left aside", Share(result.strays.moved.total - result.strays.moved.count, result.strays.moved.total)),
    ):
        rows.append((name, percent(share.value), f"{between(share):>14}  {share.count} of {share.total}"))
    rows.insert(1, ("right, mean of classes", percent(result.mean_class_accuracy), ""))
    if not result.strays.moved.total:
        rows = rows[:-2]
    if result.promised_wrong is not None:
        rows.append(("wrong, as foretold", percent(result.promised_wrong), ""))
    if result.calibration is not None:
        rows.append(("calibration error", percent(result.calibration.ece), ""))
        rows.append(("Brier score", f"{result.calibration.brier:.3f}", ""))
    curve = result.risk_coverage
    rows.append(("AURC", f"{curve.aurc:.3f}", f"best possible {curve.best_aurc:.3f}"))
    for name, value, more in rows:
        yield f"  {name:<22}  {value:>7}  {more}".rstrip()


def _class_rows(found: Evaluated) -> Iterator[str]:
    results = list(found.evaluation.per_class)
    if len(results) > SHOWN:
        results.sort(key=lambda r: 2.0 if r.accuracy.value is None else r.accuracy.value)
    width = max(5, *(len(show(r.name)) for r in results[:SHOWN]))
    yield f"  {'class':<{width}}  {'pictures':>8}  {'right':>8}  {'recall':>8}  {'precision':>9}"
    for result in results[:SHOWN]:
        shares = [percent(share.value) for share in (result.accuracy, result.recall, result.precision)]
        cells = f"{result.accuracy.total:>8}  {shares[0]:>8}  {shares[1]:>8}  {shares[2]:>9}"
        yield f"  {show(result.name):<{width}}  {cells}"
    if len(results) > SHOWN:
        yield f"  and {len(results) - SHOWN} better ones, see the page"


def _mode_rows(found: Evaluated) -> Iterator[str]:
    yield f"  {'mode':<10}  {'right':>8}  {'mean of classes':>15}  {'AURC':>6}"
    for result in found.modes:
        right, mean = percent(result.accuracy.value), percent(result.mean_class_accuracy)
        yield f"  {result.mode:<10}  {right:>8}  {mean:>15}  {result.aurc:>6.3f}"


def _corruption_rows(results: tuple[Spoilt, ...]) -> Iterator[str]:
    clean = results[0]
    yield f"  {clean.accuracy.total} pictures, in %: right, moved, wrong among the moved"
    yield f"  {'as they are':<14}  {_three(clean)}"
    yield f"  {'spoilt':<14}  " + "   ".join(f"{f'strength {step}':^17}" for step in STRENGTHS).rstrip()
    for name, group in by_corruption(results):
        yield f"  {name:<14}  " + "   ".join(_three(result) for result in group)


def _three(result: Spoilt) -> str:
    shares = (result.accuracy, result.moved, result.wrong)
    return " ".join("    –" if s.value is None else f"{100 * s.value:5.1f}" for s in shares)


def by_corruption(results: tuple[Spoilt, ...]) -> list[tuple[str, list[Spoilt]]]:
    """(name, one result a strength), without the unspoilt one."""
    spoilt = results[1:]
    step = len(STRENGTHS)
    return [(spoilt[start].name, list(spoilt[start : start + step])) for start in range(0, len(spoilt), step)]
