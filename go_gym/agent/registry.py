"""The installed agents: found by name through entry points."""

import contextlib
from importlib.metadata import EntryPoint, entry_points

from go_gym.agent.protocol import REPRODUCIBLE, SAME_MACHINE, Agent, tasks_of
from go_gym.errors import AgentError
from go_gym.problem import TASKS

ENTRY_POINT_GROUP = "go_gym.agents"


def agent_entry_points() -> dict[str, EntryPoint]:
    """The installed agents by name, in alphabetical order; nothing is imported."""
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


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
    where = getattr(agent, "reproducible", SAME_MACHINE)
    if where not in REPRODUCIBLE:
        raise AgentError(
            f"agent {name!r}: reproducible {where!r}, expected one of {', '.join(REPRODUCIBLE)}"
        )
    return agent
