"""The Agent protocol: what anything that decides must have."""

from typing import Protocol, runtime_checkable

from go_gym.agent.budget import Budget
from go_gym.problem import Decision, Problem


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

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Decide. Every simulator call goes through ``budget``; the same seed decides alike."""
        ...


def tasks_of(agent: Agent) -> tuple[str, ...]:
    """The tasks that an agent decides."""
    return tuple(getattr(agent, "tasks", ("placement",)))
