"""The searches under best priorities: each placement is judged under its own critical path.

Placements that are good first in, first out are not those that are good under priorities; to find
the latter, every candidate runs, and is answered, with the critical-path priorities of its own
placement (:attr:`Space.scheduled`).
"""

from .annealing import AnnealingFromBest, SimulatedAnnealing
from .brkga import Brkga, BrkgaFromBest
from .cross_entropy import CrossEntropy, CrossEntropyFromBest


class Scheduled:
    """What turns a search into one under best priorities."""

    scheduled = True
    tasks: tuple[str, ...] = ("placement",)


class ScheduledAnnealing(Scheduled, SimulatedAnnealing):
    """Simulated annealing of placements under their critical-path priorities."""


class ScheduledAnnealingFromBest(Scheduled, AnnealingFromBest):
    """Annealing under critical-path priorities from the best of the classical heuristics."""


class ScheduledCrossEntropy(Scheduled, CrossEntropy):
    """Cross-entropy method over placements under their critical-path priorities."""


class ScheduledCrossEntropyFromBest(Scheduled, CrossEntropyFromBest):
    """Cross-entropy under critical-path priorities from the best of the classical heuristics."""


class ScheduledBrkga(Scheduled, Brkga):
    """BRKGA over placements under their critical-path priorities."""


class ScheduledBrkgaFromBest(Scheduled, BrkgaFromBest):
    """BRKGA under critical-path priorities that begins with the classical heuristics."""
