"""The only place that knows the environments' ids."""

import gymnasium

IDS = {
    "GO-Placement-v0": "go_gym.envs.placement:PlacementEnv",
    "GO-Scheduling-v0": "go_gym.envs.scheduling:SchedulingEnv",
    "GO-Fusion-v0": "go_gym.envs.fusion:FusionEnv",
    "GO-Joint-v0": "go_gym.envs.joint:JointEnv",
    "GO-PlacementSteps-v0": "go_gym.envs.steps:PlacementStepsEnv",
}
HARDWARE_IDS = {
    name.replace("GO-", "GO-Hardware"): entry_point for name, entry_point in IDS.items()
}
"""The same environments with ``backend="hardware"`` and ``cluster="cpu2"`` as defaults, registered
as nondeterministic: Gymnasium knows that of an id, not of an argument."""


def register_all() -> None:
    """Register every id with Gymnasium; doing so again changes nothing."""
    for name, entry_point in IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name, entry_point=entry_point, vector_entry_point=vector_entry_point(entry_point)
            )
    for name, entry_point in HARDWARE_IDS.items():
        if name not in gymnasium.registry:
            gymnasium.register(
                id=name,
                entry_point=entry_point,
                vector_entry_point=vector_entry_point(entry_point),
                kwargs={"backend": "hardware", "cluster": "cpu2"},
                nondeterministic=True,
            )


def vector_entry_point(entry_point: str) -> str:
    """Where the native vector environment of ``…:SomeEnv`` is: SomeVectorEnv."""
    name = entry_point.split(":")[1].removesuffix("Env")
    return f"go_gym.envs.vector:{name}VectorEnv"
