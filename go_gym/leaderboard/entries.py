"""Decisions and curves as entries of a store: arrays that say nothing twice.

A decision is ``placement`` and, where it fuses, ``fusion``. Priorities that follow from a rule are
left out: the row names the rule, and whoever reads applies it to the placement. Of priorities that
an agent decided, ``priority`` is kept, or, where they are a rule's all the same, its name as
``rule`` (the letters' numbers in ASCII); a strict ``order`` is always kept. A curve is
``improvements`` (2, k), the calls above the step times, and ``windows`` (2, w), each window's last
call above its mean.
"""

from collections.abc import Mapping

import numpy as np

from go_gym.agent import Curve, Improvement, Window
from go_gym.baselines.priorities import FIFO, OWN, PRIORITIES, prioritised
from go_gym.errors import DecisionError, LeaderboardError
from go_gym.problem import Decision, Problem

RULES = tuple(rule for rule in PRIORITIES if rule != FIFO)
_OPTIONAL = {"priority", "rule", "fusion", "order"}


def decision_entry(problem: Problem, decision: Decision) -> dict[str, np.ndarray]:
    """The arrays of a decision as an agent gave it, without priorities for those of a rule."""
    entry = {"placement": np.asarray(decision.placement)}
    if decision.fusion is not None:
        entry["fusion"] = np.asarray(decision.fusion)
    if decision.order is not None:
        entry["order"] = np.asarray(decision.order).astype(np.int32)
    if decision.priority is not None:
        own = np.asarray(decision.priority)
        for rule in RULES:
            if np.array_equal(np.asarray(prioritised(problem, decision, rule).priority), own):
                return entry | {"rule": np.frombuffer(rule.encode(), dtype=np.uint8)}
        entry["priority"] = own
    return entry


def entry_decision(entry: Mapping[str, np.ndarray], problem: Problem, priorities: str) -> Decision:
    """The decision of an entry under the priorities that a row names.

    Raises:
        DecisionError: if the entry is no decision, or has priorities where the row names a rule,
            or none where the row says that they are the agent's own.
    """
    if "placement" not in entry or not set(entry) <= {"placement", *_OPTIONAL}:
        raise DecisionError(f"an entry of {', '.join(entry)} is no decision")
    decision = Decision(
        entry["placement"], entry.get("priority"), entry.get("fusion"), entry.get("order")
    )
    rule = ""
    if "rule" in entry:
        letters = entry["rule"].reshape(-1).tolist()
        rule = next((name for name in RULES if list(name.encode()) == letters), "")
        if not rule or decision.decides_order:
            raise DecisionError(
                f"an entry's rule is {letters[:20]}, expected the letters of {', '.join(RULES)}, "
                "and no priorities beside it"
            )
    decides = bool(rule) or decision.decides_order
    if decides != (priorities == OWN):
        what = "of its own" if decides else "by rule"
        raise DecisionError(f"the decision has priorities {what}, its row {priorities!r}")
    if decision.decides_order:
        return decision
    return prioritised(problem, decision, rule or priorities)


def curve_entry(curve: Curve) -> dict[str, np.ndarray]:
    """The arrays of a curve."""
    improvements = [(point.calls, point.step_time_ns) for point in curve.improvements]
    windows = [(window.calls, window.mean_step_time_ns) for window in curve.windows]
    return {
        "improvements": np.array(improvements, dtype=np.int64).reshape(-1, 2).T,
        "windows": np.array(windows, dtype=np.int64).reshape(-1, 2).T,
    }


def entry_curve(entry: Mapping[str, np.ndarray]) -> Curve:
    """The curve of an entry; raises LeaderboardError if it is none."""
    if set(entry) != {"improvements", "windows"} or any(
        array.ndim != 2 or len(array) != 2 for array in entry.values()
    ):
        raise LeaderboardError(f"an entry of {', '.join(entry)} is no curve")
    return Curve(
        tuple(Improvement(*pair) for pair in entry["improvements"].T.tolist()),
        tuple(Window(*pair) for pair in entry["windows"].T.tolist()),
    )
