"""PPO, A2C and DQN from Stable-Baselines3 as agents."""

from pathlib import Path
from typing import ClassVar

from go_gym.agent import Budget
from go_gym.baselines.placements import single_device
from go_gym.envs.episode import Episode
from go_gym.envs.one_shot import OneShotEnv
from go_gym.problem import Decision, Problem

from ..common.training import TrainedAgent
from .settings import SB3Options, SB3Settings
from .training import SB3Training


class SB3Agent(TrainedAgent[SB3Training]):
    """PPO, A2C or DQN of Stable-Baselines3, trained on the very problem that it solves.

    PPO (Schulman et al. 2017) and A2C (Mnih et al. 2016) decide grouped placements all at once,
    or, ``stepwise``, a group a step, as DQN (Mnih et al. 2015) does.

    Args:
        options: what to run.
        settings: with which figures; default those of the options.
        checkpoint: see :class:`TrainedAgent`; gets TensorBoard's logs too. DQN's replay buffer is
            not kept.
        progress: show a progress bar.
    """

    version = "2"
    ran_on = "cpu"
    Options: ClassVar[type] = SB3Options

    def __init__(
        self,
        options: SB3Options | None = None,
        settings: SB3Settings | None = None,
        checkpoint: str | Path | None = None,
        progress: bool = False,
    ) -> None:
        super().__init__(checkpoint)
        self.options = options or SB3Options()
        self.settings = settings or self.options.settings
        self.progress = progress

    def begin(self, problem: Problem, budget: Budget, seed: int) -> SB3Training:
        """A training from fresh weights, on environments that draw on the budget."""
        return SB3Training(problem, budget, seed, self.settings, self.checkpoint)

    def run(self, training: SB3Training, budget: Budget) -> None:
        """Learn until the budget lacks calls for another step."""
        training.run(budget, self.progress)

    def answer(self, training: SB3Training, budget: Budget) -> Decision:
        """The best placement seen.

        Without a valid one: what the policy holds for best, or, where asking it would take
        simulator calls (step-wise), everything on one device.
        """
        if budget.best is not None:
            return budget.best
        env = training.env.envs.env
        if not isinstance(env, OneShotEnv):
            return Decision(single_device(budget.problem))
        action, _ = training.model.predict(env.observation(Episode()), deterministic=True)
        return env.decision(Episode(), action)
