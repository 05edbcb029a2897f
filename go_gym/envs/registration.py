"""The only place that knows the environments' ids."""

import gymnasium

IDS = {"GO-Placement-v0": "go_gym.envs.placement:PlacementEnv"}


def register_all() -> None:
    """Register every id with Gymnasium; doing so again changes nothing."""
    for name, entry_point in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=entry_point)
