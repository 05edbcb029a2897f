"""Agents: the protocol, the budget of simulator calls, and finding the installed ones."""

from go_gym.agent.budget import WINDOWS, Budget, Improvement, Window
from go_gym.agent.local_search import Moves
from go_gym.agent.names import FORMER_NAMES_GROUP, former_names, joined, kind_and_options
from go_gym.agent.protocol import Agent, tasks_of
from go_gym.agent.registry import (
    ENTRY_POINT_GROUP,
    agent_entry_points,
    agents_for,
    load_agent,
)

__all__ = [
    "ENTRY_POINT_GROUP",
    "FORMER_NAMES_GROUP",
    "WINDOWS",
    "Agent",
    "Budget",
    "Improvement",
    "Moves",
    "Window",
    "agent_entry_points",
    "agents_for",
    "former_names",
    "joined",
    "kind_and_options",
    "load_agent",
    "tasks_of",
]
