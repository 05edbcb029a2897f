"""Native vector environments: many episodes in one process, one call of the simulator a step."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space, concatenate, create_empty_array

from go_gym.envs.copy_on_write import SharedArrays
from go_gym.envs.episode import Episode
from go_gym.envs.fusion import FusionEnv
from go_gym.envs.graph_env import GraphEnv, Observation
from go_gym.envs.joint import JointEnv
from go_gym.envs.placement import PlacementEnv
from go_gym.envs.scheduling import SchedulingEnv
from go_gym.envs.steps import PlacementStepsEnv
from go_gym.errors import GoGymError


# Wide: half of them are what Gymnasium asks of a vector environment
class GraphVectorEnv(VectorEnv[Observation, np.ndarray, np.ndarray]):
    """``num_envs`` episodes of one environment, stepped together.

    Behaves as ``gymnasium.vector.SyncVectorEnv`` over ``num_envs`` environments with the same
    arguments: seeds, actions, infos, ``reset_mask`` and autoreset are Gymnasium's. Problems,
    baselines and the static part of the observation are shared; a step simulates all episodes
    about one graph in one call, on all cores. Observations are padded to the largest graph.

    Args:
        num_envs: how many episodes.
        autoreset_mode: as of SyncVectorEnv: ``"NextStep"``, ``"SameStep"`` or ``"Disabled"``.
        **arguments: of the single environment.
    """

    single: ClassVar[type[GraphEnv]]

    def __init__(
        self,
        num_envs: int = 1,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **arguments: Any,
    ) -> None:
        if num_envs < 1:
            raise GoGymError(f"num_envs: {num_envs}, expected 1 or more")
        self.env = self.single(**arguments)
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**self.env.metadata, "autoreset_mode": self.autoreset_mode}
        self.render_mode = self.env.render_mode
        self.single_observation_space = self.env.observation_space
        self.single_action_space = self.env.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.episodes: list[Episode] = [Episode()] * num_envs
        self._generators: list[np.random.Generator | None] = [None] * num_envs
        self._lane_seeds: list[int | None] = [None] * num_envs
        self._ended = np.zeros(num_envs, dtype=bool)
        self._static: tuple[tuple[int, ...], SharedArrays] | None = None

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin every episode, or those of ``options["reset_mask"]``, (num_envs,) bool.

        An ``int`` seed stands for ``seed, seed + 1, …``. Other options are the environment's.
        """
        seeds = self._seeds(seed)
        options = dict(options or {})
        mask = self._mask(options.pop("reset_mask", None))
        infos: dict[str, Any] = {}
        for lane in np.flatnonzero(mask).tolist():
            if seeds[lane] is not None:
                self._seed(lane, seeds[lane])
            infos = self._add_info(infos, self._begin(lane, options), lane)
        self._ended[mask] = False
        return self._observations(), infos

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """An action (a row of ``actions``) for each episode; raises as the environment's."""
        due = self._ended if self.autoreset_mode is AutoresetMode.NEXT_STEP else self._ended & False
        moving = np.flatnonzero(~due).tolist()
        given = len(actions) if np.ndim(actions) else repr(actions)
        if given != self.num_envs:
            raise GoGymError(f"actions: {given} for {self.num_envs} episodes, expected one each")
        if None in self._generators:
            raise GoGymError("no episode has begun: call reset() before step()")
        after = self.env.advance(
            [self.episodes[lane] for lane in moving], [actions[lane] for lane in moving]
        )
        rewards = np.zeros(self.num_envs)
        infos: dict[str, Any] = {}
        for lane in np.flatnonzero(due).tolist():
            infos = self._add_info(infos, self._begin(lane), lane)
        ended = np.zeros(self.num_envs, dtype=bool)
        for lane, (episode, reward) in zip(moving, after, strict=True):
            self.episodes[lane], rewards[lane] = episode, reward
            ended[lane] = self.env.ended(episode)
            info = self.env.info(episode)
            if ended[lane] and self.autoreset_mode is AutoresetMode.SAME_STEP:
                last = {"final_obs": self.env.observation(episode), "final_info": info}
                infos = self._add_info(infos, last, lane)
                info = self._begin(lane)
            infos = self._add_info(infos, info, lane)
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            self._ended = ended.copy()
        return self._observations(), rewards, ended, np.zeros(self.num_envs, dtype=bool), infos

    def close_extras(self, **kwargs: Any) -> None:
        """End what the environment's backend holds."""
        self.env.close()

    def __getstate__(self) -> dict[str, Any]:
        """Without the observation's static part, which is an open file and is rebuilt."""
        return {**self.__dict__, "_static": None}

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]
        """The seed of each episode's generator, as of SyncVectorEnv."""
        return tuple(self._lane_seeds)

    def render(self) -> tuple[Any, ...]:
        """What the single environment renders of each episode."""
        frames = []
        for episode in self.episodes:
            self.env.episode = episode
            frames.append(self.env.render())
        return tuple(frames)

    def _begin(self, lane: int, options: dict[str, Any] | None = None) -> dict[str, Any]:
        if self._generators[lane] is None:
            self._seed(lane)
        generator = self._generators[lane]
        assert generator is not None
        self.episodes[lane] = self.env.begin(self.env.choose(options, generator))
        return self.env.info(self.episodes[lane])

    def _seed(self, lane: int, seed: int | None = None) -> None:
        self._generators[lane], self._lane_seeds[lane] = seeding.np_random(seed)

    def action_masks(self, memory: bool = False) -> np.ndarray:
        """(num_envs, choices) bool: :meth:`GraphEnv.action_masks` of each episode."""
        return np.stack([self.env.masks(episode, memory) for episode in self.episodes])

    @property
    def shared_arrays(self) -> list[SharedArrays]:
        """The static part of the observations, if it is there: an open file, which copies share."""
        return [] if self._static is None else [self._static[1]]

    def _observations(self) -> Any:
        if self.env.observe is not None:
            seen = [self.env.observation(episode) for episode in self.episodes]
            space = self.single_observation_space
            empty = create_empty_array(space, self.num_envs)
            return concatenate(space, seen, empty)  # type: ignore[arg-type]  # None of no space
        chosen = tuple(episode.chosen for episode in self.episodes)
        if self._static is None or self._static[0] != chosen:
            parts = [self.env.static_of(number).fresh() for number in chosen]
            stacked = {key: np.stack([part[key] for part in parts]) for key in parts[0]}
            if len(self.env.problems) > 1:  # the mix is another one after each reset
                return stacked | self._changing()
            self._static = chosen, SharedArrays(stacked)
        return self._static[1].fresh() | self._changing()

    def _changing(self) -> Observation:
        parts = [self.env.changing(episode) for episode in self.episodes]
        return {key: np.stack([part[key] for part in parts]) for key in parts[0]}

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        if seed is None:
            return [None] * self.num_envs
        if isinstance(seed, int | np.integer):
            return [int(seed) + lane for lane in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise GoGymError(f"seed: {len(seed)} of them for {self.num_envs} episodes")
        return list(seed)

    def _mask(self, given: Any) -> np.ndarray:
        if given is None:
            return np.ones(self.num_envs, dtype=bool)
        mask = np.asarray(given)
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise GoGymError(f"options['reset_mask']: {given!r}, expected {self.num_envs} bools")
        return mask


class PlacementVectorEnv(GraphVectorEnv):
    """GO-Placement-v0, vectorized."""

    single = PlacementEnv


class SchedulingVectorEnv(GraphVectorEnv):
    """GO-Scheduling-v0, vectorized."""

    single = SchedulingEnv


class FusionVectorEnv(GraphVectorEnv):
    """GO-Fusion-v0, vectorized."""

    single = FusionEnv


class JointVectorEnv(GraphVectorEnv):
    """GO-Joint-v0, vectorized."""

    single = JointEnv


class PlacementStepsVectorEnv(GraphVectorEnv):
    """GO-PlacementSteps-v0, vectorized."""

    single = PlacementStepsEnv
