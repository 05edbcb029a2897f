"""The Agent protocol, and the budget of simulator calls that every agent goes through."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

import numpy as np

from go_gym.errors import AgentError, BudgetError
from go_gym.problem import TASKS, Decision, Problem
from go_gym.simulator import (
    BatchResult,
    DeltaSimulator,
    Mover,
    Result,
    Trace,
    simulate,
    simulate_batch,
)

ENTRY_POINT_GROUP = "go_gym.agents"


@runtime_checkable
class Agent(Protocol):
    """Anything that decides: found through the entry-point group ``go_gym.agents``.

    An entry point names a class (or function) that, called without arguments, gives the agent.
    """

    version: str
    """Raised whenever the agent may decide otherwise; written into every leaderboard row.

    An agent may also have ``tasks``, a tuple of those of ``go_gym.problem.TASKS`` that it decides;
    without, it decides placements.
    """

    def solve(self, problem: Problem, budget: "Budget", seed: int) -> Decision:
        """Decide. Every simulator call goes through ``budget``; the same seed decides alike."""
        ...


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


class Budget:
    """An agent's only way to the simulator: counts calls and keeps the best decision.

    Args:
        problem: what is decided about.
        simulations: how many simulator calls are allowed.

    Attributes:
        used: calls so far.
        best: the best valid decision evaluated so far, None before the first.
        best_step_time_ns: its step time.
        curve: best-so-far curve, a point for each improvement.
        windows: the mean step time in each stretch of the budget that had a valid decision.
    """

    def __init__(self, problem: Problem, simulations: int) -> None:
        whole = isinstance(simulations, int | np.integer) and not isinstance(simulations, bool)
        if not whole or simulations < 0:
            raise BudgetError(f"simulations: {simulations!r}, expected a whole number from 0")
        self.problem = problem
        self.simulations = simulations
        self.used = 0
        self.best: Decision | None = None
        self.best_step_time_ns: int | None = None
        self.curve: list[Improvement] = []
        self._sums = [0] * min(WINDOWS, simulations)
        self._valid = [0] * min(WINDOWS, simulations)
        self._whole: Budget | None = None
        self._last: tuple[Decision, Result] | None = None

    def part(self, problem: Problem, simulations: int) -> "Budget":
        """A budget for a part of the work, on another problem; its calls count here as well.

        It allows ``simulations`` calls, or what is left here if that is less. What it finds best
        is of its own problem, and not kept here.
        """
        part = Budget(problem, min(simulations, self.remaining))
        part._whole = self
        return part

    @property
    def remaining(self) -> int:
        return self.simulations - self.used

    @property
    def windows(self) -> list[Window]:
        ends = [(i + 1) * self.simulations // len(self._sums) for i in range(len(self._sums))]
        return [
            Window(min(end, self.used), round(total / valid))
            for end, total, valid in zip(ends, self._sums, self._valid, strict=True)
            if valid
        ]

    def evaluate(self, decision: Decision, trace: bool = False) -> Result:
        """Simulate ``decision``, with its trace if asked; raises BudgetError if no call is left."""
        self._take(1)
        result = simulate(self.problem, decision, trace)
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

    def delta(self, decision: Decision) -> "Moves":
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
            return Moves(self, self._mover(*self._last))
        self._take(1)
        moves = Moves(self, self._mover(decision))
        self._note(decision, moves.result, self.used)
        return moves

    def _mover(self, decision: Decision, known: Result | None = None) -> Mover:
        """A mover from ``decision``, whose Result may be known already."""
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

    def _take(self, calls: int) -> None:
        if calls > self.remaining:
            raise BudgetError(
                f"{calls} simulator calls asked for, {self.remaining} of {self.simulations} left"
            )
        if self._whole is not None:
            self._whole._take(calls)
        self.used += calls

    def _note(self, decision: Decision, result: Result, calls: int) -> None:
        self._last = decision, result
        if not result.valid:
            return
        window = (calls * len(self._sums) - 1) // self.simulations
        self._sums[window] += result.step_time_ns
        self._valid[window] += 1
        if self.best_step_time_ns is None or result.step_time_ns < self.best_step_time_ns:
            self.best, self.best_step_time_ns = decision, result.step_time_ns
            self.curve.append(Improvement(calls, result.step_time_ns))


class Moves:
    """A decision that a search improves move by move: what :meth:`Budget.delta` gives.

    A try changes nothing until it is adopted. Exact and fast are moves of few ops: under FIFO,
    and under priorities that stay as the decision gives them. Other priorities that come with a
    move, fusion levels and traces are as exact, and take a whole simulation.

    Attributes:
        decision: as it stands after what was adopted.
        result: its Result.
        tried: the decision of the last try.
    """

    def __init__(self, budget: Budget, mover: Mover) -> None:
        self._budget, self._mover = budget, mover

    @property
    def decision(self) -> Decision:
        return self._mover.decision

    @property
    def result(self) -> Result:
        return self._mover.result

    @property
    def tried(self) -> Decision:
        return self._mover.tried

    def try_move(
        self,
        ops: Sequence[int] | np.ndarray,
        devices: int | Sequence[int] | np.ndarray,
        priority: Sequence[int] | np.ndarray | None = None,
        trace: bool = False,
    ) -> Result:
        """The Result if ``ops`` (k,) were on ``devices``: one for all, or one each, as in a swap.

        ``priority`` (n,) replaces the decision's. Raises BudgetError if no call is left, and
        DecisionError, which costs a call as that of :meth:`Budget.evaluate`, for a bad move.
        """
        self._budget._take(1)
        return self._noted(self._mover.try_move(ops, devices, priority, trace))

    def try_decision(self, decision: Decision, trace: bool = False) -> Result:
        """As :meth:`try_move`, given the changed decision; what it moved is found out here."""
        self._budget._take(1)
        return self._noted(self._mover.try_decision(decision, trace))

    def adopt(self) -> Decision:
        """Go on from the last try, at no call; DecisionError if there was none since a move."""
        return self._mover.adopt()

    def move(
        self, ops: Sequence[int] | np.ndarray, devices: int | Sequence[int] | np.ndarray
    ) -> Result:
        """:meth:`try_move` and :meth:`adopt` at once, which is faster than one after the other."""
        self._budget._take(1)
        result = self._mover.move(ops, devices)
        self._budget._note(self.decision, result, self._budget.used)
        return result

    def starts(self) -> np.ndarray:
        """(n,) int64 ns: when each op starts under the decision as it stands; no call."""
        return self._mover.starts()

    def _noted(self, result: Result) -> Result:
        self._budget._note(self.tried, result, self._budget.used)
        return result


def agent_entry_points() -> dict[str, EntryPoint]:
    """The installed agents by name, in alphabetical order; nothing is imported."""
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def tasks_of(agent: Agent) -> tuple[str, ...]:
    """The tasks that an agent decides."""
    return tuple(getattr(agent, "tasks", ("placement",)))


def agents_for(task: str) -> list[str]:
    """The installed agents that decide ``task``, in alphabetical order; those that cannot be
    loaded are left out."""
    found = []
    for name in agent_entry_points():
        with contextlib.suppress(AgentError):
            if task in tasks_of(load_agent(name)):
                found.append(name)
    return found


def load_agent(name: str) -> Agent:
    """The installed agent of that name; raises AgentError, naming those that there are."""
    entries = agent_entry_points()
    if name not in entries:
        raise AgentError(f"no agent {name!r}: installed are {', '.join(entries) or 'none'}")
    try:
        agent = entries[name].load()()
    except Exception as error:  # a stranger's code: whatever it raises is reported with its name
        raise AgentError(
            f"agent {name!r} ({entries[name].value}) cannot be loaded: {error!r}"
        ) from error
    if not isinstance(agent, Agent):
        raise AgentError(f"agent {name!r} lacks `solve` or `version`")
    if not isinstance(agent.version, str) or not agent.version.isprintable():
        raise AgentError(f"agent {name!r}: version {agent.version!r}, expected a line of text")
    tasks = getattr(agent, "tasks", TASKS)
    if isinstance(tasks, str) or not set(tasks) <= set(TASKS):
        raise AgentError(f"agent {name!r}: tasks {tasks!r}, expected some of {', '.join(TASKS)}")
    return agent
