"""What a row claims of its agent, against the agent that is installed."""

from collections.abc import Iterator

from go_gym.agent import SAME_MACHINE, Agent, agent_entry_points, find_agent, track_of
from go_gym.errors import AgentError, GoGymError
from go_gym.leaderboard.schema import Row
from go_gym.problem import Problem


class Claims:
    """Checks what rows say of their agents, looking once at what is installed."""

    def __init__(self) -> None:
        self._installed = agent_entry_points()
        self._found: dict[str, tuple[str, Agent] | AgentError] = {}

    def wrong_with(self, row: Row, problem: Problem) -> Iterator[str]:
        """What a row says of its agent that the installed agent of that kind contradicts, a line
        each.

        Of an agent that is not installed nothing is known; of an older version only that it is
        older.
        """
        if row.agent not in self._installed:
            return
        try:
            _, plain = self._agent(row.agent)
            canonical, agent = self._agent(row.agent_name)
        except AgentError as error:
            if row.agent_version == self._version(row.agent):
                yield f"options {row.options!r}: {error}"
            return
        newest = max(agent.version, plain.version, key=_number)
        if _number(row.agent_version) > _number(newest):
            yield f"agent_version {row.agent_version}, the installed {row.agent} is {agent.version}"
        if row.agent_version != agent.version:
            return
        if canonical != row.agent_name:
            yield f"options {row.options!r}: the same agent's name is {canonical!r}"
        where = getattr(agent, "reproducible", SAME_MACHINE)
        if row.reproducible != where:
            yield f"reproducible {row.reproducible!r}, the agent is so on {where!r}"
        try:
            track = track_of(agent, problem)
        except GoGymError as error:
            yield f"track {row.track!r}: {error}"
            return
        if row.track != track:
            yield f"track {row.track!r}, the agent knows the graph as {track!r}"

    def _agent(self, name: str) -> tuple[str, Agent]:
        """The canonical name of an agent, and the agent; raises AgentError."""
        if name not in self._found:
            try:
                found = find_agent(name)
                self._found[name] = found.name, found.make()
            except AgentError as error:
                self._found[name] = error
        known = self._found[name]
        if isinstance(known, AgentError):
            raise known
        return known

    def _version(self, kind: str) -> str:
        try:
            return self._agent(kind)[1].version
        except AgentError:
            return ""


def _number(version: str) -> tuple[int, ...]:
    """A version's numbers, to compare by; nothing for one of words."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
