"""Where an environment's results come from: ``backend="simulator"`` or ``"hardware"``."""

from collections.abc import Callable, Sequence
from typing import Protocol

from go_gym.agent import Budget
from go_gym.errors import GoGymError
from go_gym.problem import Decision, Problem
from go_gym.simulator import (
    DeltaSimulator,
    FullSimulator,
    LocalSearch,
    Result,
    simulate,
    simulate_batch,
)


class Backend(Protocol):
    """Something that tells how long a step takes under a decision."""

    name: str
    deterministic: bool
    """Does the same decision always give the same result?"""

    def run(self, problem: Problem, decision: Decision, trace: bool = False) -> Result:
        """One step; with ``trace``, when every op and transfer starts and finishes."""
        ...

    def run_batch(self, problem: Problem, decisions: Sequence[Decision]) -> Sequence[Result]:
        """A step under each of several decisions."""
        ...


class Simulator:
    """The event-driven simulator: exact, and the same everywhere."""

    name = "simulator"
    deterministic = True

    def run(self, problem: Problem, decision: Decision, trace: bool = False) -> Result:
        """See :meth:`Backend.run`."""
        return simulate(problem, decision, trace)

    def run_batch(self, problem: Problem, decisions: Sequence[Decision]) -> Sequence[Result]:
        """See :meth:`Backend.run_batch`."""
        return simulate_batch(problem, decisions)


class Budgeted:
    """The simulator through an agent's budget, which counts every call and keeps the best.

    Not what rewards are measured against: the baseline is not the agent's decision.

    Raises BudgetError when a call is asked for that the budget does not hold, and GoGymError for
    another problem than the budget's.
    """

    name = "simulator"
    deterministic = True

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    def run(self, problem: Problem, decision: Decision, trace: bool = False) -> Result:
        """See :meth:`Backend.run`; one call of the budget."""
        self._check(problem)
        return self.budget.evaluate(decision, trace)

    def run_batch(self, problem: Problem, decisions: Sequence[Decision]) -> Sequence[Result]:
        """See :meth:`Backend.run_batch`; a call of the budget each."""
        self._check(problem)
        return self.budget.evaluate_batch(decisions)

    def delta(self, problem: Problem, decision: Decision) -> LocalSearch:
        """Moves from ``decision`` on the budget's account."""
        self._check(problem)
        return self.budget.delta(decision)

    def _check(self, problem: Problem) -> None:
        ours = self.budget.problem
        if problem.graph is not ours.graph or problem.cluster is not ours.cluster:
            raise GoGymError(f"a budget for {ours} was asked about {problem}")


def run_baseline(backend: Backend, problem: Problem, decision: Decision) -> Result:
    """What rewards are measured against, run by ``backend`` but on no agent's account."""
    if isinstance(backend, Budgeted):
        return simulate(problem, decision)
    return backend.run(problem, decision)


def local_search_of(backend: Backend, problem: Problem, decision: Decision) -> LocalSearch:
    """Moves from ``decision``: delta simulation where that is what the backend does
    and the budget's where it counts, else ``backend``, each time whole."""
    if isinstance(backend, Budgeted):
        return backend.delta(problem, decision)
    if isinstance(backend, Simulator):
        return DeltaSimulator(problem, decision)
    return FullSimulator(
        problem, decision, lambda moved, _: backend.run(problem, moved, trace=True)
    )


def _hardware() -> Backend:
    from go_gym.hardware.backend import Hardware

    return Hardware()


BACKENDS: dict[str, Callable[[], Backend]] = {"simulator": Simulator, "hardware": _hardware}
"""What makes the backend of each name."""


def resolve_backend(backend: str | Backend) -> Backend:
    """The backend of that name, or the one given; raises GoGymError naming those that there are."""
    if isinstance(backend, str) and backend in BACKENDS:
        return BACKENDS[backend]()
    if not all(callable(getattr(backend, name, None)) for name in ("run", "run_batch")):
        raise GoGymError(
            f"backend {backend!r}: expected one of {', '.join(BACKENDS)}, or a Backend"
        )
    assert not isinstance(backend, str)
    return backend
