"""What must hold between a row and its curve."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from go_gym.agent import Curve, window_ends
from go_gym.leaderboard.schema import Row
from go_gym.simulator import Result


def wrong_with_curve(row: Row, curve: Curve, evaluated: Result) -> Iterator[str]:
    """What is wrong with a row's curve, a line each.

    Args:
        row: the row.
        curve: an empty one, if the row names none.
        evaluated: what the decision gives as the agent evaluated it: under first in, first out
            where the row's priorities are by rule.
    """
    points, windows = curve.improvements, curve.windows
    if row.budget_used > row.budget:
        yield f"budget_used {row.budget_used} over budget {row.budget}"
        return
    yield from _wrong_order("improvement", [point.calls for point in points], row.budget_used)
    yield from _wrong_order("window", [window.calls for window in windows], row.budget_used)
    times = [point.step_time_ns for point in points]
    if any(after >= before for before, after in pairwise(times)):
        yield "the best so far does not fall from improvement to improvement"
    if min([*times, *(window.mean_step_time_ns for window in windows)], default=0) < 0:
        yield "a step time below 0"
    if bool(points) != bool(windows):
        yield "improvements without windows, or windows without improvements"
    elif points:
        yield from _wrong_with_windows(row, curve)
    yield from _wrong_end(row, curve, evaluated)


def _wrong_order(what: str, calls: Sequence[int], used: int) -> Iterator[str]:
    rising = all(before < after for before, after in pairwise([0, *calls]))
    if not rising:
        yield f"the calls of the {what}s do not rise from 1"
    if calls and calls[-1] > used:
        yield f"{what} at call {calls[-1]}, but budget_used is {used}"


def _wrong_with_windows(row: Row, curve: Curve) -> Iterator[str]:
    """Windows end where the budget's do; improvements lie in them; no mean is below the best."""
    ends = sorted({min(end, row.budget_used) for end in window_ends(row.budget)})
    before = dict(zip(ends, [0, *ends], strict=False))
    there = {window.calls: window.mean_step_time_ns for window in curve.windows}
    unknown = [calls for calls in there if calls not in before]
    if unknown:
        yield f"a window ends at call {unknown[0]}, none does for a budget of {row.budget}"
        return
    if curve.improvements[0].calls <= before[curve.windows[0].calls]:
        yield "the first improvement lies before the first window with a valid decision"
    if curve.improvements[0].calls > curve.windows[0].calls:
        yield "the first valid decision of the first window is no improvement"
    for point in curve.improvements:
        end = next((end for end in ends if point.calls <= end), None)
        if end not in there:
            yield f"improvement at call {point.calls}, in a window without a valid decision"
        elif end - before[end] == 1 and there[end] != point.step_time_ns:
            yield f"call {end} gave {point.step_time_ns} ns, but its window's mean is {there[end]}"
    for calls, mean in there.items():
        best = curve.best_after(calls)
        if best is not None and mean < best:
            yield f"the mean {mean} ns of the window up to call {calls} is below the best {best}"


def _wrong_end(row: Row, curve: Curve, evaluated: Result) -> Iterator[str]:
    """The decision is the best that was evaluated, or an answer that is better still."""
    if not curve.improvements:
        return
    last, step = curve.improvements[-1].step_time_ns, evaluated.step_time_ns
    if not evaluated.valid or step > last:
        yield f"the curve ends on {last} ns, the decision gives {step}: not the best evaluated"
