"""Where an environment's results come from: ``backend="simulator"`` or ``"hardware"``."""

from collections.abc import Callable, Sequence
from typing import Protocol

from go_gym.errors import GoGymError
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate, simulate_batch


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
        return simulate(problem, decision, trace)

    def run_batch(self, problem: Problem, decisions: Sequence[Decision]) -> Sequence[Result]:
        return simulate_batch(problem, decisions)


def _hardware() -> Backend:
    raise GoGymError('backend "hardware" is not built yet: use backend="simulator"')


BACKENDS: dict[str, Callable[[], Backend]] = {"simulator": Simulator, "hardware": _hardware}
"""What makes the backend of each name."""


def resolve_backend(backend: str | Backend) -> Backend:
    """The backend of that name, or the one given; raises GoGymError naming those that there are."""
    if not isinstance(backend, str):
        return backend
    if backend not in BACKENDS:
        raise GoGymError(f"backend {backend!r}: expected one of {', '.join(BACKENDS)}")
    return BACKENDS[backend]()
