"""Names of agents: a kind, and the options that it is asked for with.

``sa:start=best,priorities=critical-path`` is the kind ``sa`` with two options; ``sa:separate`` its
preset ``separate``. Kinds, presets, options and values are of letters, digits and ``.-_``; the
canonical form has the preset first, then the options in alphabetical order, those at their default
left out. Rows of a leaderboard are named by it.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import NamedTuple

from go_gym.errors import AgentError

_WORD = r"[A-Za-z0-9._-]+"
_NAME = re.compile(rf"({_WORD})(?::({_WORD}(?:={_WORD})?(?:,{_WORD}(?:={_WORD})?)*))?")
FORMER_NAMES_GROUP = "go_gym.former_agent_names"
"""Entry points of mappings from names that agents had to the canonical ones that they have now."""


@cache
def former_names() -> Mapping[str, str]:
    """Names that installed agents had, and the canonical ones that they have now; no agent is
    imported."""
    found: dict[str, str] = {}
    for entry in entry_points(group=FORMER_NAMES_GROUP):
        found |= entry.load()
    return MappingProxyType(found)


def kind_and_options(name: str) -> tuple[str, str]:
    """The kind that a name asks for, and its options as they stand in the name.

    A name that an agent had before is that of today. Nothing is checked and no agent imported:
    the options of a canonical name are canonical.

    >>> kind_and_options("sa:start=best"), kind_and_options("metis")
    (('sa', 'start=best'), ('metis', ''))
    """
    kind, _, options = former_names().get(name, name).partition(":")
    return kind, options


def joined(kind: str, options: str) -> str:
    """The name of a kind with options: what :func:`kind_and_options` takes apart.

    >>> joined("sa", "start=best"), joined("metis", "")
    ('sa:start=best', 'metis')
    """
    return f"{kind}:{options}" if options else kind


class Asked(NamedTuple):
    """What a name asks for, in its words.

    Attributes:
        kind: of agents.
        preset: "" for none.
        options: what is given, by the option's name.
    """

    kind: str
    preset: str
    options: Mapping[str, str]


def parse(name: str) -> Asked:
    """What a name asks for; raises AgentError if it is none, and for what is given twice."""
    name = former_names().get(name, name)
    match = _NAME.fullmatch(name)
    if match is None:
        raise AgentError(
            f"agent {name!r}: expected KIND, KIND:PRESET or KIND:OPTION=VALUE,OPTION=VALUE, each a "
            "word of letters, digits and '.-_'"
        )
    kind, items = match.groups()
    presets: list[str] = []
    options: dict[str, str] = {}
    for item in items.split(",") if items else ():
        option, given, value = item.partition("=")
        if not given:
            presets.append(item)
        elif option in options:
            raise AgentError(f"agent {name!r}: option {option} is given twice")
        else:
            options[option] = value
    if len(presets) > 1:
        raise AgentError(
            f"agent {name!r}: presets {' and '.join(presets)}; expected one at most, and options "
            "as OPTION=VALUE"
        )
    return Asked(kind, "".join(presets), options)
