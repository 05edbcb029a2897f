"""What a row claims of its agent, against the agent that is installed."""

from collections.abc import Iterator
from functools import cache

from go_gym.agent import SAME_MACHINE, Agent, agent_entry_points, find_agent, track_of
from go_gym.errors import AgentError, GoGymError
from go_gym.leaderboard.schema import Row
from go_gym.problem import Problem


def wrong_with_claims(row: Row, problem: Problem) -> Iterator[str]:
    """What a row says of its agent that the installed agent of that kind contradicts, a line each.

    Of an agent that is not installed nothing is known; of an older version only that it is older.
    """
    if row.agent not in agent_entry_points():
        return
    try:
        newest = _agent(row.agent).version
        agent = _agent(row.agent_name)
        canonical = find_agent(row.agent_name).name
    except AgentError as error:
        if row.agent_version == _version(row.agent):
            yield f"options {row.options!r}: {error}"
        return
    if _number(row.agent_version) > _number(max(agent.version, newest, key=_number)):
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


@cache
def _agent(name: str) -> Agent:
    return find_agent(name).make()


def _version(kind: str) -> str:
    try:
        return _agent(kind).version
    except AgentError:
        return ""


def _number(version: str) -> tuple[int, ...]:
    """A version's numbers, to compare by; nothing for one of words."""
    parts = version.split(".")
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else ()
