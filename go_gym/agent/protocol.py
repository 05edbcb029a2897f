"""The Agent protocol: what anything that decides must have, and what it may say of itself."""

from typing import Protocol, runtime_checkable

from go_gym.agent.budget import Budget
from go_gym.errors import AgentError
from go_gym.problem import TASKS, Decision, Problem

TRACKS = ("tuned", "generalising")
"""What an agent knew of a graph: it was tuned on it, or never saw it or its family."""

EXACT, SAME_MACHINE = "exact", "same machine"
REPRODUCIBLE = (EXACT, SAME_MACHINE)
"""Where the same agent, seed and budget give the same decision, calls and curve, bit for bit: on
every machine with the same versions of the libraries, or on the same machine alone, as networks do,
whose sums processors take in different orders."""


@runtime_checkable
class Agent(Protocol):
    """Anything that decides: found through the entry-point group ``go_gym.agents``.

    An entry point names a class (or function) that, called without arguments, gives the agent. It
    may have two attributes more:

    - ``Options``: a frozen dataclass of its options, each a :func:`go_gym.agent.option`; it is then
      called with one, as its argument ``options``.
    - ``presets``: a mapping from words to other such classes, as ``"package.module:Class"``: with
      the name ``kind:word`` that class is called, with options of its own.

    The agent itself may have

    - ``tasks``, a tuple of those of ``go_gym.problem.TASKS`` that it decides (else, placements);
    - ``track(problem)``, one of TRACKS: what it knew of the problem's graph before ``solve`` (else,
      it is tuned on each). It is asked before ``solve``.
    - ``deterministic``, True where it decides alike whatever the seed;
    - ``reproducible``, one of REPRODUCIBLE (else, SAME_MACHINE);
    - ``ran_on``, once it has decided: the text of the device that its network ran on.
    """

    version: str
    """Raised whenever the agent may decide otherwise; written into every leaderboard row."""

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Decide. Every simulator call goes through ``budget``; the same seed decides alike."""
        ...


def tasks_of(agent: Agent) -> tuple[str, ...]:
    """The tasks that an agent decides."""
    return tuple(getattr(agent, "tasks", TASKS[:1]))


def track_of(agent: Agent, problem: Problem) -> str:
    """The track of what an agent decides on a problem, known before it does; see TRACKS.

    Raises AgentError if it says another.
    """
    track = getattr(agent, "track", None)
    said = TRACKS[0] if track is None else track(problem)
    if said not in TRACKS:
        raise AgentError(f"track {said!r}, expected one of {', '.join(TRACKS)}")
    return str(said)
