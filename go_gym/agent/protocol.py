"""The Agent protocol: what anything that decides must have."""

from typing import Protocol, runtime_checkable

from go_gym.agent.budget import Budget
from go_gym.problem import Decision, Problem

EXACT, SAME_MACHINE = "exact", "same machine"
REPRODUCIBLE = (EXACT, SAME_MACHINE)
"""Where the same agent, seed and budget give the same decision, calls and curve, bit for bit: on
every machine with the same versions of the libraries, or on the same machine alone, as networks do,
whose sums processors take in different orders."""


@runtime_checkable
class Agent(Protocol):
    """Anything that decides: found through the entry-point group ``go_gym.agents``.

    An entry point names a class (or function) that, called without arguments, gives the agent.
    """

    version: str
    """Raised whenever the agent may decide otherwise; written into every leaderboard row.

    An agent may also have ``tasks``, a tuple of those of ``go_gym.problem.TASKS`` that it decides
    (without, it decides placements); ``reproducible``, one of ``REPRODUCIBLE`` (without,
    ``SAME_MACHINE``); and, once it has decided, ``ran_on``, the text of the device that its network
    ran on.
    """

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Decide. Every simulator call goes through ``budget``; the same seed decides alike."""
        ...


def tasks_of(agent: Agent) -> tuple[str, ...]:
    """The tasks that an agent decides."""
    return tuple(getattr(agent, "tasks", ("placement",)))
