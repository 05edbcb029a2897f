"""Delta simulation: what changes when few ops move, without simulating everything again."""

from go_gym.simulator.delta.simulator import DeltaSimulator

__all__ = ["DeltaSimulator"]
