"""The budget of simulator calls that every agent goes through."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from go_gym.agent.clock import Clock
from go_gym.agent.local_search import BudgetedSearch
from go_gym.errors import BudgetError, TimeUpError
from go_gym.problem import Decision, Problem
from go_gym.simulator import (
    BatchResult,
    DeltaSimulator,
    LocalSearch,
    Result,
    Trace,
    simulate,
    simulate_batch,
)


@dataclass(frozen=True)
class Improvement:
    """A point of the best-so-far curve: the best valid step time after ``calls`` calls."""

    calls: int
    step_time_ns: int


@dataclass(frozen=True)
class Window:
    """The calls of one stretch of a budget: the last one's number, and the mean step time of those
    that were valid."""

    calls: int
    mean_step_time_ns: int


WINDOWS = 100
"""Stretches of a budget over which step times are averaged (our choice); fewer for fewer calls."""


def window_ends(simulations: int) -> list[int]:
    """The last call of each stretch of a budget of so many calls."""
    count = min(WINDOWS, simulations)
    return [(i + 1) * simulations // count for i in range(count)]


class Budget:
    """An agent's only way to the simulator: counts calls and keeps the best decision.

    Args:
        problem: what is decided about.
        simulations: how many simulator calls are allowed.
        seconds: of CPU time that are allowed, from now on; 0 for any. Once they are over, no call
            is left, and whoever asks for one all the same is stopped by TimeUpError: what it
            evaluated best stands.

    What it counts is not an agent's to write: its attributes are read only.

    Attributes:
        problem, simulations, seconds: as given.
        used: calls so far.
        remaining: calls that are left.
        best: the best valid decision evaluated so far, None before the first.
        best_step_time_ns: its step time.
        curve: best-so-far curve, a point for each improvement.
        windows: the mean step time in each stretch of the budget that had a valid decision; one
            that was broken off at its limit counts with what it takes at least.
    """

    def __init__(self, problem: Problem, simulations: int, seconds: float = 0.0) -> None:
        whole = isinstance(simulations, int | np.integer) and not isinstance(simulations, bool)
        if not whole or simulations < 0:
            raise BudgetError(f"simulations: {simulations!r}, expected a whole number from 0")
        real = isinstance(seconds, int | float | np.number) and not isinstance(seconds, bool)
        if not real or not 0 <= seconds < math.inf:
            raise BudgetError(f"seconds: {seconds!r}, expected a number from 0")
        self._problem = problem
        self._simulations = int(simulations)
        self._used = 0
        self._best: tuple[Decision, int] | None = None
        self._curve: list[Improvement] = []
        self._sums = [0] * min(WINDOWS, simulations)
        self._valid = [0] * min(WINDOWS, simulations)
        self._whole: Budget | None = None
        self._clock = Clock(float(seconds))
        self._last: tuple[Decision, Result] | None = None

    def part(self, problem: Problem, simulations: int) -> "Budget":
        """A budget for a part of the work, on another problem; its calls count here as well.

        It allows ``simulations`` calls, or what is left here if that is less. What it finds best
        is of its own problem, and not kept here. The clock is this one's.
        """
        part = Budget(problem, min(simulations, self.remaining))
        part._whole, part._clock = self, self._clock
        return part

    @property
    def problem(self) -> Problem:
        """What is decided about."""
        return self._problem

    @property
    def simulations(self) -> int:
        """How many simulator calls are allowed."""
        return self._simulations

    @property
    def seconds(self) -> float:
        """CPU time allowed, in s; 0 for any."""
        return self._clock.seconds

    @property
    def used(self) -> int:
        """Simulator calls so far."""
        return self._used

    @property
    def remaining(self) -> int:
        """Simulator calls that are left; none once the CPU time is over."""
        return 0 if self._clock.is_over else self._simulations - self._used

    @property
    def best(self) -> Decision | None:
        """The best valid decision evaluated so far, None before the first."""
        return None if self._best is None else self._best[0]

    @property
    def best_step_time_ns(self) -> int | None:
        """The step time of ``best``."""
        return None if self._best is None else self._best[1]

    @property
    def curve(self) -> tuple[Improvement, ...]:
        """The best-so-far curve, a point for each improvement."""
        return tuple(self._curve)

    @property
    def windows(self) -> list[Window]:
        """The mean step time of valid calls, a hundredth of the budget at a time."""
        return [
            Window(min(end, self.used), round(total / valid))
            for end, total, valid in zip(
                window_ends(self.simulations), self._sums, self._valid, strict=True
            )
            if valid
        ]

    def evaluate(
        self, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
    ) -> Result:
        """Simulate ``decision``, with its trace if asked; raises BudgetError if no call is left.

        With ``limit_ns`` the simulation may stop once the step is known to take longer than that
        and than the best so far (see :func:`go_gym.simulate`); it is a call all the same.
        """
        self._take(1)
        result = simulate(self.problem, decision, trace, limit_ns=self.allowed(limit_ns))
        self._note(decision, result, self.used)
        return result

    def evaluate_batch(self, decisions: Sequence[Decision]) -> BatchResult:
        """Simulate several decisions at once; raises BudgetError if there are too few calls."""
        self._take(len(decisions))
        results = simulate_batch(self.problem, decisions)
        first = self.used - len(decisions) + 1
        for offset, (decision, result) in enumerate(zip(decisions, results, strict=True)):
            self._note(decision, result, first + offset)
        return results

    def delta(self, decision: Decision) -> LocalSearch:
        """Evaluate ``decision``, from which moves of few ops are then tried faster, one call each.

        The decision that was evaluated last, that very object, costs no call again. Every try
        counts, is noted in ``best`` and ``curve``, and gives the Result that :meth:`evaluate` of
        the changed decision gives, in every field. So a local search runs:

        >>> import numpy as np, go_gym
        >>> graph = go_gym.ComputationGraph.from_costs([5, 5, 5], [], [])
        >>> pair = go_gym.Cluster.uniform(devices=2, bandwidth=1e9)
        >>> budget = Budget(go_gym.Problem(graph, pair), simulations=9)
        >>> moves = budget.delta(Decision([0, 0, 0]))
        >>> rng, cost = np.random.default_rng(0), moves.result.step_time_ns
        >>> while budget.remaining:
        ...     result = moves.try_move(rng.integers(3, size=1), int(rng.integers(2)))
        ...     if result.valid and result.step_time_ns < cost:
        ...         cost = result.step_time_ns
        ...         _ = moves.adopt()
        >>> cost, budget.used, budget.best is moves.decision
        (10, 9, True)

        Raises BudgetError if no call is left.
        """
        if self._last is not None and self._last[0] is decision:
            return BudgetedSearch(self._pay, self._search_from(*self._last), self.allowed)
        self._take(1)
        search = BudgetedSearch(self._pay, self._search_from(decision), self.allowed)
        self._note(decision, search.result, self.used)
        return search

    def _pay(self, decide: Callable[[], tuple[Decision, Result]]) -> Result:
        """One call: what is decided, once it is paid, is noted."""
        self._take(1)
        decision, result = decide()
        self._note(decision, result, self._used)
        return result

    def _search_from(self, decision: Decision, known: Result | None = None) -> LocalSearch:
        """Moves from ``decision``, whose Result may be known already."""
        return DeltaSimulator(self.problem, decision)

    def trace(self) -> Trace:
        """When everything starts and finishes under the decision evaluated last; no call.

        Its result is known, so that this tells nothing that the call did not pay for; a search
        that only looks closely at what it accepts need not trace what it rejects. Raises
        BudgetError before the first call.
        """
        if self._last is None:
            raise BudgetError("no trace: nothing was evaluated yet")
        trace = simulate(self.problem, self._last[0], trace=True).trace
        assert trace is not None
        return trace

    def allowed(self, limit_ns: int | None) -> int | None:
        """The limit that hides no improvement: not below the best so far, none before the first."""
        best = self.best_step_time_ns
        return None if limit_ns is None or best is None else max(limit_ns, best)

    def _take(self, calls: int) -> None:
        """Count ``calls`` without a simulation; raises BudgetError if there are fewer left."""
        if self._clock.is_over and calls:
            raise TimeUpError(f"{calls} simulator calls asked for after {self.seconds:g} s of CPU")
        if calls > self._simulations - self._used:
            raise BudgetError(
                f"{calls} simulator calls asked for, "
                f"{self._simulations - self._used} of {self.simulations} left"
            )
        if self._whole is not None:
            self._whole._take(calls)
        self._used += calls

    def _note(self, decision: Decision, result: Result, calls: int) -> None:
        """Keep what call number ``calls`` gave in the curve, and the decision if it is the best."""
        self._last = decision, result
        if not result.valid:
            return
        window = (calls * len(self._sums) - 1) // self.simulations
        self._sums[window] += result.step_time_ns
        self._valid[window] += 1
        if self._best is None or result.step_time_ns < self._best[1]:
            self._best = decision, result.step_time_ns
            self._curve.append(Improvement(calls, result.step_time_ns))
