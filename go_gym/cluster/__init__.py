"""Devices, links and clusters; presets; the cost model."""

from go_gym.cluster.model import CONTENTION_MODELS, Cluster, Device, Link
from go_gym.cluster.presets import load_cluster, preset_names

__all__ = ["CONTENTION_MODELS", "Cluster", "Device", "Link", "load_cluster", "preset_names"]
