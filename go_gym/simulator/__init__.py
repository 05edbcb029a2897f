"""The event-driven multi-device simulator."""

from go_gym.simulator.delta import DeltaSimulator
from go_gym.simulator.local_search import FullSimulator, LocalSearch
from go_gym.simulator.reference import simulate_reference
from go_gym.simulator.result import (
    BatchResult,
    ColocationBroken,
    OrderStuck,
    OutOfMemory,
    Result,
    Trace,
    Violation,
)
from go_gym.simulator.simulate import simulate, simulate_batch

VERSION = 2
"""Raised whenever any result may change; written into every leaderboard row."""

__all__ = [
    "VERSION",
    "BatchResult",
    "ColocationBroken",
    "DeltaSimulator",
    "FullSimulator",
    "LocalSearch",
    "OrderStuck",
    "OutOfMemory",
    "Result",
    "Trace",
    "Violation",
    "simulate",
    "simulate_batch",
    "simulate_reference",
]
