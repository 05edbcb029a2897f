"""What happens while Stable-Baselines3 trains: the curve, the budget's end, checkpoints."""

from collections.abc import Callable

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from go_gym.agent import Budget

from ..common.curves import CurvePoint, LearningCurve


class Watch(BaseCallback):
    """Notes a point of the curve every ``every`` steps, and stops before the budget is overdrawn.

    TensorBoard gets ``go/best_step_time_ms``, ``go/mean_step_time_ms`` and ``go/valid``, beside
    what SB3 writes.

    Args:
        budget: that the environments draw on.
        curve: to be continued.
        spent: calls of earlier budgets that the curve already tells of.
        every: environment steps a point.
        save: called at each point, to write a checkpoint.
    """

    def __init__(
        self,
        budget: Budget,
        curve: LearningCurve,
        spent: int,
        every: int,
        save: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self.budget, self.curve, self.spent, self.every = budget, curve, spent, every
        self.save = save
        self._times: list[int] = []
        self._seen = 0

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            self._seen += 1
            if info["valid"]:
                self._times.append(info["step_time_ns"])
        if self._seen >= self.every:
            self._note()
        # a step of every episode, and a new beginning of each
        return self.budget.remaining >= 2 * self.training_env.num_envs

    def _on_training_end(self) -> None:
        if self._seen:
            self._note()

    def _note(self) -> None:
        known = self.curve.points[-1].best_step_time_ns if self.curve.points else -1
        found = self.budget.best_step_time_ns
        both = [time for time in (known, found) if time is not None and time >= 0]
        mean = float(np.mean(self._times)) if self._times else float("nan")
        point = CurvePoint(
            calls=self.spent + self.budget.used,
            best_step_time_ns=min(both, default=-1),
            mean_step_time_ns=mean,
            valid=len(self._times) / self._seen,
        )
        self.curve.points.append(point)
        self.logger.record("go/best_step_time_ms", point.best_step_time_ns / 1e6)
        self.logger.record("go/mean_step_time_ms", mean / 1e6)
        self.logger.record("go/valid", point.valid)
        self._times, self._seen = [], 0
        if self.save is not None:
            self.save()
