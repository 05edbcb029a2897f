"""Agents: the protocol, the budget of simulator calls, and finding the installed ones."""

from go_gym.agent.budget import WINDOWS, Budget, Improvement, Window, window_ends
from go_gym.agent.curve import Curve
from go_gym.agent.local_search import Moves
from go_gym.agent.names import FORMER_NAMES_GROUP, former_names, joined, kind_and_options
from go_gym.agent.protocol import EXACT, REPRODUCIBLE, SAME_MACHINE, Agent, tasks_of
from go_gym.agent.registry import (
    ENTRY_POINT_GROUP,
    agent_entry_points,
    agents_for,
    load_agent,
)
from go_gym.agent.run import Outcome, answer, solve

__all__ = [
    "ENTRY_POINT_GROUP",
    "EXACT",
    "FORMER_NAMES_GROUP",
    "REPRODUCIBLE",
    "SAME_MACHINE",
    "WINDOWS",
    "Agent",
    "Budget",
    "Curve",
    "Improvement",
    "Moves",
    "Outcome",
    "Window",
    "agent_entry_points",
    "agents_for",
    "answer",
    "former_names",
    "joined",
    "kind_and_options",
    "load_agent",
    "solve",
    "tasks_of",
    "window_ends",
]
