"""The installed agents: found by name through entry points, and made with their options."""

import contextlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from go_gym.agent.names import joined, parse
from go_gym.agent.options import Option, declared, read_options, written
from go_gym.agent.protocol import REPRODUCIBLE, SAME_MACHINE, Agent, tasks_of
from go_gym.errors import AgentError
from go_gym.files import is_name
from go_gym.problem import TASKS

ENTRY_POINT_GROUP = "go_gym.agents"


@dataclass(frozen=True)
class Found:
    """What a name asks for: a class of agents among the installed, and options for it.

    Attributes:
        kind, preset: words of the name; "" for no preset.
        factory: the class, or function, that gives the agent.
        options: a dataclass of options, None where the class has none.
    """

    kind: str
    preset: str
    factory: Callable[..., Agent]
    options: Any

    @property
    def name(self) -> str:
        """The canonical name."""
        options = "" if self.options is None else written(self.options)
        return joined(self.kind, ",".join(filter(None, (self.preset, options))))

    @property
    def declared(self) -> tuple[Option, ...]:
        """The options that there are."""
        return () if self.options is None else declared(type(self.options))

    @property
    def presets(self) -> Mapping[str, str]:
        """The kind's presets and what each does, in a line; empty for what is a preset itself."""
        classes = {} if self.preset else dict(getattr(self.factory, "presets", {}))
        return {word: _summary(pkgutil.resolve_name(path)) for word, path in classes.items()}

    @property
    def summary(self) -> str:
        """What it does, in a line."""
        return _summary(self.factory)

    def make(self) -> Agent:
        """A new agent with these options; raises AgentError if it breaks the protocol."""
        try:
            arguments = {} if self.options is None else {"options": self.options}
            agent = self.factory(**arguments)
        except Exception as error:  # a stranger's code: whatever it raises is reported by name
            raise AgentError(f"agent {self.name!r} cannot be loaded: {error!r}") from error
        if not isinstance(agent, Agent):
            raise AgentError(f"agent {self.name!r} lacks `solve` or `version`")
        if not isinstance(agent.version, str) or not is_name(agent.version):
            raise AgentError(
                f"agent {self.name!r}: version {agent.version!r}, expected letters, digits and "
                "'.-_:=,'"
            )
        tasks = getattr(agent, "tasks", TASKS)
        if isinstance(tasks, str) or not set(tasks) <= set(TASKS):
            raise AgentError(
                f"agent {self.name!r}: tasks {tasks!r}, expected some of {', '.join(TASKS)}"
            )
        where = getattr(agent, "reproducible", SAME_MACHINE)
        if where not in REPRODUCIBLE:
            raise AgentError(
                f"agent {self.name!r}: reproducible {where!r}, expected one of "
                f"{', '.join(REPRODUCIBLE)}"
            )
        if not callable(getattr(agent, "track", str)):
            raise AgentError(f"agent {self.name!r}: track is no method that takes a problem")
        return agent


def agent_entry_points() -> dict[str, EntryPoint]:
    """The installed kinds of agents by name, in alphabetical order; nothing is imported."""
    found = entry_points(group=ENTRY_POINT_GROUP)
    return {entry.name: entry for entry in sorted(found, key=lambda entry: entry.name)}


def agents_for(task: str) -> list[str]:
    """The installed kinds whose agent, without options, decides ``task``, in alphabetical order;
    those that cannot be loaded are left out."""
    found = []
    for name in agent_entry_points():
        with contextlib.suppress(AgentError):
            if task in tasks_of(load_agent(name)):
                found.append(name)
    return found


def find_agent(name: str) -> Found:
    """What ``name`` asks for, as ``go`` or ``sa:start=best``; a former name means today's.

    Raises AgentError, in one line, for a kind that is not installed or cannot be imported, and for
    a preset, option or value that it does not have.
    """
    asked = parse(name)
    entries = agent_entry_points()
    if asked.kind not in entries:
        raise AgentError(f"no agent {asked.kind!r}: installed are {', '.join(entries) or 'none'}")
    try:
        factory = entries[asked.kind].load()
        presets = getattr(factory, "presets", {}) if asked.preset else {}
        if asked.preset in presets:
            factory = pkgutil.resolve_name(presets[asked.preset])
    except Exception as error:  # a stranger's code
        where = entries[asked.kind].value
        raise AgentError(f"agent {name!r} ({where}) cannot be loaded: {error!r}") from error
    if asked.preset and asked.preset not in presets:
        has = f"it has {', '.join(presets)}" if presets else "it has none"
        raise AgentError(
            f"agent {name!r}: no preset {asked.preset!r}; {has}, and options are OPTION=VALUE"
        )
    options = getattr(factory, "Options", None)
    if options is None and asked.options:
        raise AgentError(f"agent {name!r}: it has no options, {', '.join(asked.options)} given")
    made = None if options is None else read_options(options, asked.options, name)
    return Found(asked.kind, asked.preset, factory, made)


def load_agent(name: str) -> Agent:
    """The installed agent of that name, with the options that the name gives.

    Raises AgentError, in one line; see :func:`find_agent`.
    """
    return find_agent(name).make()


def canonical_name(name: str) -> str:
    """The one name that all names of the same agent stand for; raises as :func:`find_agent`."""
    return find_agent(name).name


def _summary(factory: object) -> str:
    """The first line of a docstring."""
    return (inspect.getdoc(factory) or "").split("\n")[0]
