"""PPO, A2C and DQN from Stable-Baselines3 as agents."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import torch
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, ProgressBarCallback
from stable_baselines3.common.vec_env import VecMonitor

from go_gym.agent import Budget
from go_gym.baselines.placements import single_device
from go_gym.envs.backends import Budgeted
from go_gym.envs.episode import Episode
from go_gym.envs.one_shot import OneShotEnv
from go_gym.errors import AgentError
from go_gym.problem import Decision, Problem

from ..common.checkpoint import (
    load_checkpoint,
    restore_training,
    save_checkpoint,
    training_tensors,
)
from ..common.curves import CurvePoint, LearningCurve
from .callbacks import Watch
from .encoder import GraphFeatures
from .policy import NodePolicy
from .settings import ALGORITHMS, SB3Options, Settings
from .vec_env import BatchedVecEnv

POINT_EVERY = 256
"""Environment steps a point of the learning curve."""


class SB3Agent:
    """PPO, A2C or DQN of Stable-Baselines3, trained on the very problem that it solves.

    PPO (Schulman et al. 2017) and A2C (Mnih et al. 2016) decide grouped placements all at once,
    or, ``stepwise``, a group a step, as DQN (Mnih et al. 2015) does.

    Args:
        options: what to run.
        settings: with which figures; default those of the options.
        folder: gets a checkpoint at every point of the curve and TensorBoard's logs; None writes
            nothing. A training that was stopped goes on from there: ``load`` the folder into a
            new agent and ``train`` on the same problem. (DQN's replay buffer is not kept.)
        progress: show a progress bar.

    Attributes:
        model: SB3's, None before the first training.
        curve: what the samples were worth, over simulator calls.
    """

    version = "2"
    ran_on = "cpu"
    Options: ClassVar[type] = SB3Options

    def __init__(
        self,
        options: SB3Options | None = None,
        settings: Settings | None = None,
        folder: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        self.options = options or SB3Options()
        self.settings = settings or self.options.settings
        self.folder = None if folder is None else Path(folder)
        self.progress = progress
        self.model: BaseAlgorithm | None = None
        self.curve = LearningCurve()
        self._loaded: tuple[dict[str, torch.Tensor], dict[str, Any]] | None = None

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The best placement seen while training on ``problem`` until the budget is used up.

        Without a valid one among them: what the policy holds for best, or, where asking it would
        take simulator calls (step-wise), everything on one device.
        """
        self.train([problem], budget, seed)
        if budget.best is not None:
            return budget.best
        env = self._env.envs.env
        if not isinstance(env, OneShotEnv):
            return Decision(single_device(problem))
        assert self.model is not None
        action, _ = self.model.predict(env.observation(Episode()), deterministic=True)
        return env.decision(Episode(), action)

    def train(self, problems: Sequence[Problem], budget: Budget, seed: int) -> LearningCurve:
        """Train on the budget's problem until the budget lacks calls for another step.

        Goes on from a loaded checkpoint, once; otherwise begins afresh.

        Raises:
            AgentError: for another task than placement, several problems, a budget of another
                problem, or a checkpoint of other settings.
        """
        if len(problems) != 1 or problems[0] is not budget.problem:
            raise AgentError(
                f"{type(self).__name__}: trains on one problem, the budget's; got {len(problems)}"
            )
        if budget.problem.task != "placement":
            raise AgentError(
                f"{type(self).__name__}: decides placements; got task {budget.problem.task!r}"
            )
        self._env, self.model = self._made(problems[0], budget, seed)
        self.curve = LearningCurve()
        if self._loaded is not None:
            self._restore(*self._loaded)
            self._loaded = None
        save = None if self.folder is None else self._checkpoint
        watch = Watch(budget, self.curve, self.curve.calls, POINT_EVERY, save)
        callbacks: list[BaseCallback] = [watch]
        if self.progress:
            callbacks.append(ProgressBarCallback())
        if budget.remaining >= 3 * self.settings.num_envs + 1:  # beginnings, steps, the baseline
            with _one_thread():
                self.model.learn(
                    self.model.num_timesteps + budget.remaining,
                    callback=callbacks,
                    reset_num_timesteps=False,
                    tb_log_name=self.settings.algorithm,
                )
        return self.curve

    def save(self, path: str | Path) -> None:
        """Write a checkpoint folder; raises AgentError before any training."""
        if self.model is None:
            raise AgentError(f"{type(self).__name__}: nothing trained yet, nothing to save")
        policy = self.model.policy
        state = {
            "settings": _json(self.settings),
            "num_timesteps": self.model.num_timesteps,
            "curve": [list(vars(point).values()) for point in self.curve.points],
        }
        tensors = training_tensors(policy, policy.optimizer, torch.default_generator)
        # actor and critic share weights under two names; safetensors wants storage for each
        save_checkpoint(path, {name: tensor.clone() for name, tensor in tensors.items()}, state)

    def load(self, path: str | Path) -> None:
        """Read a checkpoint folder; the next ``train`` or ``solve`` goes on from it."""
        self._loaded = load_checkpoint(path)

    def _checkpoint(self) -> None:
        assert self.folder is not None
        self.save(self.folder)

    def _restore(self, tensors: dict[str, torch.Tensor], state: dict[str, Any]) -> None:
        assert self.model is not None
        if state["settings"] != _json(self.settings):
            raise AgentError(
                f"{type(self).__name__}: the checkpoint is of {state['settings']}, expected "
                f"{_json(self.settings)}"
            )
        policy = self.model.policy
        restore_training(tensors, policy, policy.optimizer, torch.default_generator)
        self.model.num_timesteps = state["num_timesteps"]
        self.curve = LearningCurve([CurvePoint(*point) for point in state["curve"]])

    def _made(
        self, problem: Problem, budget: Budget, seed: int
    ) -> tuple[BatchedVecEnv, BaseAlgorithm]:
        settings = self.settings
        env = BatchedVecEnv.make(
            settings.env,
            settings.num_envs,
            graph=problem.graph,
            cluster=problem.cluster,
            groups=settings.groups,
            backend=Budgeted(budget),
        )
        discrete = isinstance(env.action_space, spaces.Discrete)
        if not discrete and settings.algorithm == "dqn":
            raise AgentError(f"{type(self).__name__}: DQN decides one node a step, not all at once")
        policy_options: dict[str, Any] = {
            "features_extractor_kwargs": {"width": settings.width, "layers": settings.layers}
        }
        options = dict(settings.options)
        if discrete:
            policy_options |= {
                "features_extractor_class": GraphFeatures,
                "net_arch": [settings.width],
            }
        else:
            policy_options["apart"] = settings.apart
        if settings.algorithm == "ppo":
            steps = options.setdefault("n_steps", env.envs.env.length_of(0))
            batches = 2 if discrete else 1
            options.setdefault("batch_size", steps * settings.num_envs // batches)
        model = ALGORITHMS[settings.algorithm](
            "MultiInputPolicy" if discrete else NodePolicy,
            VecMonitor(env),
            policy_kwargs=policy_options,
            tensorboard_log=None if self.folder is None else str(self.folder / "tensorboard"),
            seed=seed,
            device="cpu",
            **options,
        )
        return env, model


@contextmanager
def _one_thread() -> Iterator[None]:
    """The networks are so small that more threads of torch only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _json(settings: Settings) -> dict[str, Any]:
    """The settings as JSON gives them back."""
    return asdict(settings) | {"options": dict(settings.options)}
