"""Delta simulation: what changes when few ops move, without simulating everything again.

A run of the decision at hand is recorded, with its state at some moments, the checkpoints. The run
of a move has three parts:

1. *Before the change*: from the last checkpoint before anything can differ (``moving.py``), whose
   state is loaded (``checkpoints.py``).
2. *The change*: the engine goes on from there (``rerun.py``).
3. *The rest*: once the state at a checkpoint is the recorded one but for a shift in time
   (``rejoining.py``, ``memory.py``), the rest is the recorded run, shifted, and is not simulated.

A move that is adopted becomes the recorded run (``adopting.py``). Results equal those of
:func:`go_gym.simulate` in every field. ``docs/delta-simulation.md`` has the whole story.
"""

from go_gym.simulator.delta.simulator import DeltaSimulator

__all__ = ["DeltaSimulator"]
