"""A training of Stable-Baselines3 on one problem, and the checkpoint that it goes on from."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, ProgressBarCallback
from stable_baselines3.common.vec_env import VecMonitor
from torch import Tensor

from go_gym.agent import Budget
from go_gym.envs.backends import Budgeted
from go_gym.errors import AgentError
from go_gym.problem import Problem

from ..common.checkpoint import restore_training, training_tensors
from ..common.curves import Recorder
from ..common.devices import one_thread
from ..common.training import save_training
from .callbacks import Watch
from .encoder import GraphFeatures
from .policy import UnitPolicy
from .settings import ALGORITHMS, SB3Settings
from .vec_env import BatchedVecEnv

POINT_EVERY = 256
"""Environment steps a batch of the curve."""


class SB3Training:
    """An algorithm of Stable-Baselines3, its environments on a budget, and its curve.

    Args:
        problem: what is decided about.
        budget: that the environments draw on.
        seed: all chance comes from it.
        settings: what to run.
        folder: gets a checkpoint at every batch of the curve and TensorBoard's logs; None writes
            nothing.

    Attributes:
        env: the environments side by side.
        model: SB3's.
        record: what the samples were worth, over simulator calls.
    """

    def __init__(
        self,
        problem: Problem,
        budget: Budget,
        seed: int,
        settings: SB3Settings,
        folder: Path | None,
    ) -> None:
        self.problem, self.seed, self.settings, self.folder = problem, seed, settings, folder
        self.env = BatchedVecEnv.make(
            settings.env,
            settings.num_envs,
            graph=problem.graph,
            cluster=problem.cluster,
            groups=settings.groups,
            backend=Budgeted(budget),
        )
        self.model = self._model()
        self.record = Recorder()

    def run(self, budget: Budget, progress: bool = False) -> None:
        """Learn until the budget lacks calls for another step of all episodes."""
        save = None if self.folder is None else self._save
        callbacks: list[BaseCallback] = [Watch(budget, self.record, POINT_EVERY, save)]
        if progress:
            callbacks.append(ProgressBarCallback())
        if budget.remaining >= 3 * self.settings.num_envs + 1:  # beginnings, steps, the baseline
            with one_thread():
                self.model.learn(
                    self.model.num_timesteps + budget.remaining,
                    callback=callbacks,
                    reset_num_timesteps=False,
                    tb_log_name=self.settings.algorithm,
                )

    def identity(self) -> dict[str, Any]:
        """What must be the same for it to go on from a checkpoint."""
        return {
            "agent": "sb3",
            "graph": self.problem.graph.content_hash,
            "cluster": self.problem.cluster.content_hash,
            "seed": self.seed,
            "settings": asdict(self.settings) | {"options": dict(self.settings.options)},
        }

    def state(self) -> dict[str, Any]:
        """Numbers that it goes on from, as JSON."""
        return {"num_timesteps": self.model.num_timesteps, "record": self.record.numbers()}

    def tensors(self) -> dict[str, Tensor]:
        """Weights, optimizer and chance; DQN's replay buffer is not among them."""
        policy = self.model.policy
        found = training_tensors(policy, policy.optimizer, torch.default_generator)
        # actor and critic share weights under two names; safetensors wants storage for each
        return {name: tensor.clone() for name, tensor in found.items()}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Put back what :meth:`tensors` and :meth:`state` gave."""
        policy = self.model.policy
        restore_training(tensors, policy, policy.optimizer, torch.default_generator)
        self.model.num_timesteps = state["num_timesteps"]
        self.record = Recorder.of(state["record"])

    def _save(self) -> None:
        assert self.folder is not None
        save_training(self, self.folder)

    def _model(self) -> BaseAlgorithm:
        settings, options = self.settings, dict(self.settings.options)
        stepwise = isinstance(self.env.action_space, spaces.Discrete)
        if not stepwise and settings.algorithm == "dqn":
            raise AgentError("DQN decides one unit a step, not all at once")
        policy_options: dict[str, Any] = {
            "features_extractor_kwargs": {"width": settings.width, "layers": settings.layers}
        }
        if stepwise:
            policy_options |= {
                "features_extractor_class": GraphFeatures,
                "net_arch": [settings.width],
            }
        else:
            policy_options["apart"] = settings.apart
        if settings.algorithm == "ppo":
            steps = options.setdefault("n_steps", self.env.envs.env.length_of(0))
            batches = 2 if stepwise else 1
            options.setdefault("batch_size", steps * settings.num_envs // batches)
        return ALGORITHMS[settings.algorithm](
            "MultiInputPolicy" if stepwise else UnitPolicy,
            VecMonitor(self.env),
            policy_kwargs=policy_options,
            tensorboard_log=None if self.folder is None else str(self.folder / "tensorboard"),
            seed=self.seed,
            device="cpu",
            **options,
        )
