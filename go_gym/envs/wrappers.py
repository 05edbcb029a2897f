"""Observation and reward wrappers; all take any go_gym environment.

PyGObservation and GraphObservation show a graph without padding, FlatFeatures one vector;
RewardPerGraph brings the rewards of graphs of different sizes to one scale, and MemoryMasks leaves
out actions that memory forbids.
"""

from typing import TYPE_CHECKING, Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import RecordConstructorArgs

from go_gym.envs.graph_env import GraphEnv, Observation
from go_gym.errors import GoGymError

if TYPE_CHECKING:
    from go_gym.envs.graph_data import GraphData

Wrapped = gymnasium.Env[Observation, Any]
UNIT_TABLES = ("ops", "durations", "unit_state")
"""Entries that are float32 tables with a row a unit, in the order of the wrappers' columns."""
EDGE_ENTRIES = ("edges", "edge_features", "edge_mask")

NEEDED = ("op_mask", "ops", "durations", "devices", "placement", *EDGE_ENTRIES)
"""Entries that the wrappers read."""


def unit_table(observation: Observation) -> np.ndarray:
    """(units, columns) float32: UNIT_TABLES side by side, without padding."""
    units = len(observation["op_mask"])
    tables = [observation[key].reshape(units, -1) for key in UNIT_TABLES if key in observation]
    return np.concatenate(tables, axis=1)[observation["op_mask"] > 0]


def edge_table(observation: Observation) -> tuple[np.ndarray, np.ndarray]:
    """(edges, 2) int32 producers and consumers, (edges, 1) float32 features, without padding."""
    kept = observation["edge_mask"] > 0
    return observation["edges"].reshape(-1, 2)[kept], observation["edge_features"][kept][:, None]


def _parts(env: Wrapped) -> dict[str, spaces.Box]:
    space = env.observation_space
    if not isinstance(space, spaces.Dict) or not set(NEEDED) <= set(space.spaces):
        raise GoGymError(
            f"{env}: expected a go_gym environment with its Dict observation, which has "
            f"{', '.join(NEEDED)}"
        )
    return {key: part for key, part in space.spaces.items() if isinstance(part, spaces.Box)}


def _columns(parts: dict[str, spaces.Box]) -> int:
    units = spaces.flatdim(parts["op_mask"])
    return sum(spaces.flatdim(parts[key]) // units for key in UNIT_TABLES if key in parts)


class GraphObservation(
    gymnasium.ObservationWrapper[spaces.GraphInstance, Any, Observation], RecordConstructorArgs
):
    """The observation as a ``GraphInstance`` of ``spaces.Graph``.

    Units are its nodes. They carry the rows of ``ops``, ``durations`` and, step-wise,
    ``unit_state``, and the placement scaled to [0, 1] with 0 for none; edges their features.
    ``Graph.contains`` walks over every unit in Python: tenths of a second at 10,000 units.
    """

    def __init__(self, env: Wrapped) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        parts = _parts(env)
        low = -1.0 if "unit_state" in parts else 0.0
        self._highest = float(parts["placement"].high[0])
        self.observation_space = spaces.Graph(
            node_space=spaces.Box(low, 1.0, (_columns(parts) + 1,), np.float32),
            edge_space=spaces.Box(0.0, 1.0, (1,), np.float32),
        )

    def observation(self, observation: Observation) -> spaces.GraphInstance:
        """Nodes, edges and their features as one ``GraphInstance``."""
        placement = observation["placement"][observation["op_mask"] > 0]
        shown = ((placement + 1) / (self._highest + 1)).astype(np.float32)
        links, features = edge_table(observation)
        units = np.concatenate([unit_table(observation), shown[:, None]], axis=1)
        return spaces.GraphInstance(nodes=units, edges=features, edge_links=links)


class PyGObservation(
    gymnasium.ObservationWrapper["GraphData", Any, Observation], RecordConstructorArgs
):
    """The observation as PyG ``Data`` (:mod:`go_gym.envs.graph_data`), without padding.

    ``x`` holds the rows of ``ops``, ``durations`` and, step-wise, ``unit_state``; ``edge_index``
    and ``edge_attr`` the edges; ``devices`` is (1, d · 5); every other entry comes under its name
    as int64, those with one number a unit as (units,). Needs torch-geometric.
    """

    def __init__(self, env: Wrapped) -> None:
        from go_gym.envs.graph_data import DataSpace

        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self.observation_space = DataSpace(_columns(_parts(env)))

    def observation(self, observation: Observation) -> "GraphData":
        """The same as PyG ``Data``."""
        import torch

        from go_gym.envs.graph_data import GraphData

        kept = observation["op_mask"] > 0
        links, features = edge_table(observation)
        rest = {}
        for key, values in observation.items():
            if key not in (*UNIT_TABLES, *EDGE_ENTRIES, "op_mask", "devices"):
                own = values[kept] if values.shape == kept.shape else values
                rest[key] = torch.from_numpy(own.astype(np.int64))
        return GraphData(
            x=torch.from_numpy(unit_table(observation)),
            edge_index=torch.from_numpy(links.T.astype(np.int64)),
            edge_attr=torch.from_numpy(features),
            devices=torch.from_numpy(observation["devices"][None].copy()),
            **rest,
        )


class FlatFeatures(
    gymnasium.ObservationWrapper[np.ndarray, Any, Observation], RecordConstructorArgs
):
    """The observation as one float32 vector in [−1, 1], for policies without a graph network.

    Every entry but the edges, whole numbers scaled to [0, 1] by their bounds; step-wise, the
    current unit's rows once more at the front.
    """

    def __init__(self, env: Wrapped) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        self._entries = {k: v for k, v in _parts(env).items() if k not in EDGE_ENTRIES}
        length = sum(spaces.flatdim(part) for part in self._entries.values())
        if "current" in self._entries:
            length += _columns(self._entries)
        self.observation_space = spaces.Box(-1.0, 1.0, (length,), np.float32)

    def observation(self, observation: Observation) -> np.ndarray:
        """One row of numbers."""
        found = []
        if "current" in self._entries:
            current, units = int(observation["current"][0]), len(observation["op_mask"])
            found = [
                observation[key].reshape(units, -1)[current]
                for key in UNIT_TABLES
                if key in observation
            ]
        for key, part in self._entries.items():
            values = observation[key].astype(np.float32)
            if part.dtype != np.float32:
                values = (values - part.low) / np.maximum(part.high - part.low, 1)
            found.append(values)
        return np.concatenate(found, dtype=np.float32)


class MemoryMasks(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """``action_masks()`` without devices on which a unit can no longer fit, for MaskablePPO.

    See :meth:`go_gym.envs.graph_env.GraphEnv.action_masks`, whose ``memory`` it sets.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)
        if not isinstance(env.unwrapped, GraphEnv):
            raise GoGymError(f"{env}: expected a go_gym environment")
        self._graphs = env.unwrapped

    def action_masks(self) -> np.ndarray:
        """(choices,) bool: which the next action has."""
        return self._graphs.action_masks(memory=True)


class RewardPerGraph(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Rewards divided by the root mean square of all rewards so far on the same graph.

    Rewards of graphs of different sizes are otherwise of different sizes too, and the largest
    rules the gradient (seen in GFlowNet scheduling, ICLR 2023, where PPO failed of it). Signs
    stay. ``info["reward"]`` is the unscaled one, 0 after a reset. The scales outlive a reset: two
    episodes with one seed are rewarded alike only with ``update=False``.

    Args:
        env: any go_gym environment.
        update: False: keep the present scales, for evaluation.

    Attributes:
        scales: root mean square of each graph's rewards, by its number among the environment's
            problems.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], update: bool = True) -> None:
        RecordConstructorArgs.__init__(self, update=update)
        super().__init__(env)
        if not isinstance(env.unwrapped, GraphEnv):
            raise GoGymError(f"{env}: expected a go_gym environment")
        self._graphs = env.unwrapped
        self.update = update
        self._sums: dict[int, tuple[int, float]] = {}

    @property
    def scales(self) -> dict[int, float]:
        """Root of the mean square of each graph's rewards so far, by the graph's number."""
        return {number: (total / count) ** 0.5 for number, (count, total) in self._sums.items()}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """As the wrapped environment's, with ``info["reward"]``."""
        observation, info = super().reset(seed=seed, options=options)
        return observation, info | {"reward": 0.0}

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """As the wrapped environment's, the reward scaled and the given one in
        ``info["reward"]``."""
        observation, reward, terminated, truncated, info = super().step(action)
        given, number = float(reward), self._graphs.episode.chosen
        if self.update:
            count, total = self._sums.get(number, (0, 0.0))
            self._sums[number] = count + 1, total + given**2
        scale = self.scales.get(number, 1.0)
        scaled = given / scale if scale > 0 else given
        return observation, scaled, terminated, truncated, info | {"reward": given}
