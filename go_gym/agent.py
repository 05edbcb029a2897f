"""The Agent protocol, and the budget of simulator calls that every agent goes through."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Protocol, runtime_checkable

from go_gym.errors import AgentError, BudgetError
from go_gym.problem import Decision, Problem
from go_gym.simulator import BatchResult, Result, simulate, simulate_batch

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
    """

    def __init__(self, problem: Problem, simulations: int) -> None:
        if simulations < 0:
            raise BudgetError(f"simulations: {simulations}, expected 0 or more")
        self.problem = problem
        self.simulations = simulations
        self.used = 0
        self.best: Decision | None = None
        self.best_step_time_ns: int | None = None
        self.curve: list[Improvement] = []
        self._whole: Budget | None = None

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

    def _take(self, calls: int) -> None:
        if calls > self.remaining:
            raise BudgetError(
                f"{calls} simulator calls asked for, {self.remaining} of {self.simulations} left"
            )
        if self._whole is not None:
            self._whole._take(calls)
        self.used += calls

    def _note(self, decision: Decision, result: Result, calls: int) -> None:
        better = self.best_step_time_ns is None or result.step_time_ns < self.best_step_time_ns
        if result.valid and better:
            self.best, self.best_step_time_ns = decision, result.step_time_ns
            self.curve.append(Improvement(calls, result.step_time_ns))


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
    return agent
