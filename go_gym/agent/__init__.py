"""Agents: the protocol, their options, the budget of simulator calls, and those installed."""

from go_gym.agent.budget import WINDOWS, Budget, Improvement, Window, window_ends
from go_gym.agent.curve import Curve
from go_gym.agent.local_search import BudgetedSearch
from go_gym.agent.names import FORMER_NAMES_GROUP, former_names, joined, kind_and_options
from go_gym.agent.options import option
from go_gym.agent.protocol import (
    EXACT,
    REPRODUCIBLE,
    SAME_MACHINE,
    TRACKS,
    Agent,
    tasks_of,
    track_of,
)
from go_gym.agent.registry import (
    ENTRY_POINT_GROUP,
    agent_entry_points,
    agents_for,
    canonical_name,
    find_agent,
    load_agent,
)
from go_gym.agent.run import Outcome, answer, solve

__all__ = [
    "ENTRY_POINT_GROUP",
    "EXACT",
    "FORMER_NAMES_GROUP",
    "REPRODUCIBLE",
    "SAME_MACHINE",
    "TRACKS",
    "WINDOWS",
    "Agent",
    "Budget",
    "BudgetedSearch",
    "Curve",
    "Improvement",
    "Outcome",
    "Window",
    "agent_entry_points",
    "agents_for",
    "answer",
    "canonical_name",
    "find_agent",
    "former_names",
    "joined",
    "kind_and_options",
    "load_agent",
    "option",
    "solve",
    "tasks_of",
    "track_of",
    "window_ends",
]
