"""go_gym's native vector environments as Stable-Baselines3 wants its own."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs

from go_gym.envs.vector import GraphVectorEnv

KEPT = ("step_time_ns", "speedup", "valid", "best_step_time_ns")
"""Entries of the information that SB3's callbacks and monitors may want, once a step."""


class BatchedVecEnv(VecEnv):
    """A :class:`GraphVectorEnv` in the autoreset mode that SB3 knows, ``SameStep``.

    SB3's own ``DummyVecEnv`` steps one environment after the other; this one simulates all of a
    step's decisions in one call. Attributes and methods are of the one environment that all
    episodes share.

    Args:
        envs: with ``autoreset_mode="SameStep"``.
    """

    def __init__(self, envs: GraphVectorEnv) -> None:
        if envs.metadata["autoreset_mode"] is not AutoresetMode.SAME_STEP:
            raise ValueError(f"{envs}: expected autoreset_mode='SameStep'")
        self.envs = envs
        super().__init__(envs.num_envs, envs.single_observation_space, envs.single_action_space)

    @classmethod
    def make(cls, name: str, num_envs: int, **options: Any) -> "BatchedVecEnv":
        """Of an id, with the options of ``gym.make``."""
        envs = gymnasium.make_vec(
            name,
            num_envs=num_envs,
            vectorization_mode="vector_entry_point",
            autoreset_mode=AutoresetMode.SAME_STEP,
            **options,
        )
        assert isinstance(envs, GraphVectorEnv)
        return cls(envs)

    def reset(self) -> VecEnvObs:
        """Begin an episode in every lane; lanes with the same options together."""
        alike = [
            [lane for lane, own in enumerate(self._options) if own == each]
            for each in self._options
        ]
        for lanes in dict.fromkeys(map(tuple, alike)):
            mask = np.isin(np.arange(self.num_envs), lanes)
            options = {**self._options[lanes[0]], "reset_mask": mask}
            observations, infos = self.envs.reset(seed=self._seeds, options=options)
            for lane in lanes:
                self.reset_infos[lane] = self._info(infos, lane)
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Note the actions; :meth:`step_wait` takes them."""
        self._actions = actions

    def step_wait(self) -> tuple[VecEnvObs, np.ndarray, np.ndarray, list[dict[str, Any]]]:
        """Take the noted actions; information is cut to :data:`KEPT`."""
        observations, rewards, terminated, _, infos = self.envs.step(self._actions)
        found = []
        for lane, done in enumerate(terminated.tolist()):
            # with an episode's end, SameStep puts the next one's information outside
            last = infos["final_info"] if done else infos
            info = self._info(last, lane) | {"TimeLimit.truncated": False}
            if done:
                info["terminal_observation"] = infos["final_obs"][lane]
            found.append(info)
        return observations, rewards.astype(np.float32), terminated, found

    def close(self) -> None:
        """Close the native vector environment."""
        self.envs.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of the one environment behind all lanes, once for each lane asked for."""
        value = getattr(self.envs.env, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the one environment behind all lanes."""
        setattr(self.envs.env, attr_name, value)  # one object stands for all

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **kwargs: Any
    ) -> list[Any]:
        """Call a method of the one environment behind all lanes, once for each lane asked for."""
        method = getattr(self.envs.env, method_name)
        return [method(*method_args, **kwargs) for _ in self._get_indices(indices)]

    def env_is_wrapped(
        self,
        wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]],
        indices: VecEnvIndices = None,
    ) -> list[bool]:
        """No: lanes have no wrappers of their own."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[np.ndarray | None]:
        """What the native vector environment renders, a picture a lane."""
        return self.envs.render()

    @staticmethod
    def _info(infos: dict[str, Any], lane: int) -> dict[str, Any]:
        return {key: infos[key][lane] for key in KEPT if key in infos and infos[f"_{key}"][lane]}
