"""HDP's joint training of grouper and placer by REINFORCE (ICLR 2018, sections 2 and 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from go_gym.agent import Budget, option
from go_gym.envs.rewards import go_reward
from go_gym.problem import Decision, Problem

from ..common.learning import Learner
from ..common.sampling import draw, log_probability
from .embeddings import GroupEmbeddings, op_table
from .networks import Grouper, Placer, as_tensors
from .start import start_of

LARGEST_ADVANTAGE = 3.0
"""In units of the valid rewards' spread (our choice): an invalid placement's would drown theirs."""


@dataclass(frozen=True)
class HdpConfig:
    """The paper's figures where it gives them and they work; see :class:`Hdp` for departures."""

    groups: int = option(
        256, "most groups the grouper may use (256 in the paper, 64 to 1,024 tried)", least=1
    )
    groups_per_device: int = option(
        20, "no more groups than this for each device, as in the authors' release", least=1
    )
    most_units: int = option(2048, "units that the grouper decides about", least=1)
    hidden: int = option(256, "width of the placer", least=2)
    placements: int = option(8, "placements sampled for each grouping (4 in the paper)", least=1)
    learning_rate: float = option(0.001, "Adam's (0.1 in the paper)", least=0)
    clip: float = option(1.0, "largest norm of the gradient, of both networks together", least=0)
    entropy: float = option(0.01, "weight of the placer's entropy bonus (none in the paper)")
    noise: float = option(0.1, "largest amplitude of the noise on both networks' logits", least=0)
    noisy_updates: int = option(
        250,
        "updates with noise, and with invalid placements among those learned from (500 of 4 "
        "placements in the paper, which are as many)",
        least=0,
    )
    baseline_decay: float = option(
        0.9, "of the moving averages (0.9 in the authors' release)", least=0
    )


class Baseline:
    """Moving averages of the valid rewards and of their squared distance from that.

    Args:
        decay: of both.

    Attributes:
        mean, square: None before the first valid reward.
    """

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.mean: float | None = None
        self.square: float | None = None

    def advantages(self, reward: Tensor, valid: Tensor) -> Tensor:
        """Rewards (b,) less the baseline over their spread, within ± LARGEST_ADVANTAGE.

        Then the baseline moves towards the ``valid`` (b,) ones. The first are their own baseline;
        as long as there are none, the invalid ones teach nothing.
        """
        if not valid.any() and (self.mean is None or self.square is None):
            return torch.zeros_like(reward)
        good = reward[valid]
        mean = self.mean if self.mean is not None else float(good.mean())
        if len(good):
            square = float(((good - mean) ** 2).mean())
            self.square = self._moved(self.square, square)
            self.mean = self._moved(mean, float(good.mean()))
        assert self.square is not None
        spread = max(self.square**0.5, 1e-6)
        return ((reward - mean) / spread).clamp(-LARGEST_ADVANTAGE, LARGEST_ADVANTAGE)

    def _moved(self, before: float | None, now: float) -> float:
        return now if before is None else self.decay * before + (1 - self.decay) * now


class HdpLearner(Learner):
    """Grouper and placer in training on one problem.

    Attributes:
        baseline: moving averages of the rewards.
    """

    def __init__(self, problem: Problem, calls: int, seed: int, config: HdpConfig) -> None:
        super().__init__(problem, calls, seed)
        self.config = config
        most = min(config.groups, config.groups_per_device * problem.num_devices)
        start = start_of(problem, most, config.most_units)
        self.unit_of_op = start.units.part_of
        self.groups = len(start.stay)
        self.ops = as_tensors(op_table(problem, start.units))
        self.embed = GroupEmbeddings(problem, start.units, self.groups)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.grouper = Grouper(torch.from_numpy(start.logits))
            self.placer = Placer(
                self.embed.width, problem.num_devices, config.hidden, torch.from_numpy(start.stay)
            )
        self.model = nn.ModuleDict({"grouper": self.grouper, "placer": self.placer})
        self.optimizer = torch.optim.Adam(self.model.parameters(), config.learning_rate)
        self.baseline = Baseline(config.baseline_decay)

    def update(self, budget: Budget) -> bool:
        """One grouping, its placements, one step of Adam."""
        if budget.remaining < self.config.placements:
            return False
        group_logits, group = self._group()
        memory, start = self.placer(torch.from_numpy(self.embed(group.numpy())))
        noise = self._noise(self.config.placements, self.groups, self.problem.num_devices)
        devices = self.placer.decode(memory, start, noise, self.generator)
        of_op = group.numpy()[self.unit_of_op]
        placements = [row[of_op] for row in devices.numpy()]
        results = budget.evaluate_batch([Decision(placement) for placement in placements])
        self.note(placements, results)
        self._learn(
            log_probability(group_logits, group).sum(),
            self.placer.logits(memory, start, devices) + noise,
            devices,
            rewards(results.step_time_ns, results.valid, self.problem.one_device_ns),
            torch.from_numpy(results.valid),
        )
        self.updates += 1
        return True

    @torch.no_grad()
    def sample(self) -> np.ndarray:
        """(n,) int64: the device of each op, drawn from the policy."""
        _, group = self._group()
        memory, start = self.placer(torch.from_numpy(self.embed(group.numpy())))
        noise = torch.zeros(1, self.groups, self.problem.num_devices)
        devices = self.placer.decode(memory, start, noise, self.generator)
        placement: np.ndarray = devices[0].numpy()[group.numpy()[self.unit_of_op]]
        return placement

    def _group(self) -> tuple[Tensor, Tensor]:
        """(U, groups) logits, noise included, and the (U,) group drawn for each unit."""
        logits = self.grouper(*self.ops)
        logits = logits + self._noise(*logits.shape)
        return logits, draw(logits, self.generator)

    def _noise(self, *shape: int) -> Tensor:
        """Uniform in ± the largest amplitude at first, then zero."""
        if self.updates >= self.config.noisy_updates:
            return torch.zeros(shape)
        return self.config.noise * (2 * torch.rand(shape, generator=self.generator) - 1)

    def _learn(
        self, grouping: Tensor, logits: Tensor, devices: Tensor, reward: Tensor, valid: Tensor
    ) -> None:
        """Step along the policy gradient of both networks (section 2).

        Args:
            grouping: () log-probability of the grouping.
            logits: (placements, G, devices) of the placer, given the grouping.
            devices: (placements, G) int64, drawn from them.
            reward: (placements,).
            valid: (placements,) bool.
        """
        noisy = self.updates < self.config.noisy_updates
        kept = torch.ones_like(valid) if noisy else valid
        if not kept.any():
            return
        advantage = self.baseline.advantages(reward[kept], valid[kept])
        placing = log_probability(logits[kept], devices[kept]).sum(1)
        chances = logits.log_softmax(-1)
        entropy = -(chances.exp() * chances).sum((1, 2)).mean()
        gain = advantage.mean() * grouping + (advantage * placing).mean()
        self.optimizer.zero_grad()
        (-gain - self.config.entropy * entropy).backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()

    def state(self) -> dict[str, Any]:
        """With the reward's baseline."""
        return {**super().state(), "baseline": [self.baseline.mean, self.baseline.square]}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """With the reward's baseline."""
        super().restore(tensors, state)
        self.baseline.mean, self.baseline.square = state["baseline"]


def rewards(step_time_ns: np.ndarray, valid: np.ndarray, one_device_ns: int) -> Tensor:
    """(b,) float32: :func:`go_reward` against all work on one device."""
    return torch.from_numpy(go_reward(step_time_ns, valid, one_device_ns).astype(np.float32))
