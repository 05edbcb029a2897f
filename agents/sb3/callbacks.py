"""What happens while Stable-Baselines3 trains: the curve, the budget's end, checkpoints."""

from collections.abc import Callable

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from go_gym.agent import Budget

from ..common.curves import Recorder


class Watch(BaseCallback):
    """Notes a batch of the curve every ``every`` steps, and stops before the budget is overdrawn.

    TensorBoard gets ``go/best_step_time_ms``, ``go/mean_step_time_ms`` and ``go/valid``, beside
    what SB3 writes.

    Args:
        budget: that the environments draw on.
        record: of the training, to be continued.
        every: environment steps a batch of the record.
        save: called at each batch, to write a checkpoint.
    """

    def __init__(
        self,
        budget: Budget,
        record: Recorder,
        every: int,
        save: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self.budget, self.record, self.every, self.save = budget, record, every, save
        self._noted = 0  # of the budget's calls
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
        used = self.budget.used
        self.record.note_stretch(used - self._noted, self.budget.best_step_time_ns, self._times)
        self._noted = used
        best = self.record.best_step_time_ns
        if best is not None:
            self.logger.record("go/best_step_time_ms", best / 1e6)
        if self._times:
            self.logger.record("go/mean_step_time_ms", float(np.mean(self._times)) / 1e6)
        self.logger.record("go/valid", len(self._times) / self._seen)
        self._times, self._seen = [], 0
        if self.save is not None:
            self.save()
