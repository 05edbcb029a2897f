"""Decisions executed and timed on real devices. Nothing here imports torch until it is used.

``program`` is what runs, ``runtime`` runs it on several devices, ``measure`` says which times
count, ``process`` does all that in a process of its own, and ``calibration`` compares the
simulator with the machine.

Platforms: Linux, whose calls pin workers to cores and count what other programs took. CPU cores
(``cpu:0``, ``cpu:1``: a process each, over shared memory) are measured on x86-64 alone, since the
workers rely on the order in which it makes stores visible; GPUs (``cuda:0``: a thread each) need
CUDA. The preset ``cpu2`` needs two cores. Elsewhere a measurement raises
:class:`go_gym.errors.PlatformError`, and everything else in go_gym works.
"""

from go_gym.hardware.measure.measurement import Measurement
from go_gym.hardware.process.session import Session, measure_decision
from go_gym.hardware.runtime.places import Place, places

__all__ = ["Measurement", "Place", "Session", "measure_decision", "places"]
