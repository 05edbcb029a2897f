"""Decisions executed and timed on real devices. Nothing here imports torch until it is used."""

from go_gym.hardware.measure.measurement import Measurement
from go_gym.hardware.process.session import Session, measure_decision

__all__ = ["Measurement", "Session", "measure_decision"]
