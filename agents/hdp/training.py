"""HDP's joint training of grouper and placer by REINFORCE (ICLR 2018, sections 2 and 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from go_gym.agent import Budget
from go_gym.grouping import attached_groups
from go_gym.problem import Decision, Problem

from ..common.learning import Learner
from ..common.sampling import draw, log_probability
from .embeddings import GroupEmbeddings, op_table
from .networks import Grouper, Placer, as_tensors

INVALID_REWARD = -10.0


@dataclass(frozen=True)
class HdpConfig:
    """The paper's figures where it gives them and they work; see :class:`Hdp` for departures.

    Attributes:
        groups: most groups that the grouper may use (64 to 1,024 in the paper; 256 for its
            tables); a graph of fewer units has a group a unit.
        hidden: width of the placer.
        placements: placements sampled for each grouping.
        learning_rate: Adam's (0.1 in the paper).
        clip: largest norm of the gradient, of both networks together.
        noise: largest amplitude of the noise on both networks' logits.
        noisy_updates: updates with noise, and with invalid placements among those learned from.
        baseline_decay: of the rewards' moving average (our choice).
    """

    groups: int = 256
    hidden: int = 256
    placements: int = 4
    learning_rate: float = 0.001
    clip: float = 1.0
    noise: float = 0.1
    noisy_updates: int = 500
    baseline_decay: float = 0.9


class HdpLearner(Learner):
    """Grouper and placer in training on one problem.

    Attributes:
        baseline: moving average of the rewards, None before the first.
    """

    def __init__(self, problem: Problem, calls: int, seed: int, config: HdpConfig) -> None:
        super().__init__(problem, calls, seed)
        self.config = config
        units = attached_groups(problem)
        self.unit_of_op = units.of_op
        self.groups = min(config.groups, units.count)
        self.ops = as_tensors(op_table(problem, units))
        self.embed = GroupEmbeddings(problem, units, self.groups)
        self.one_device_ns = max(int(problem.durations.sum(axis=1).min()), 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.grouper = Grouper(self.groups)
            self.placer = Placer(self.embed.width, problem.num_devices, config.hidden)
        self.model = nn.ModuleDict({"grouper": self.grouper, "placer": self.placer})
        self.optimizer = torch.optim.Adam(self.model.parameters(), config.learning_rate)
        self.baseline: float | None = None

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
            log_probability(self.placer.logits(memory, start, devices) + noise, devices).sum(1),
            rewards(results.step_time_ns, results.valid, self.one_device_ns),
            results.valid,
        )
        self.updates += 1
        return True

    @torch.no_grad()
    def sample(self) -> np.ndarray:
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

    def _learn(self, grouping: Tensor, placing: Tensor, reward: Tensor, valid: np.ndarray) -> None:
        """Step along the policy gradient of both networks (section 2).

        Args:
            grouping: () log-probability of the grouping.
            placing: (placements,) log-probability of each placement, given the grouping.
            reward: (placements,).
            valid: (placements,) bool.
        """
        kept = torch.ones(len(reward), dtype=torch.bool)
        if self.updates >= self.config.noisy_updates:
            kept = torch.from_numpy(valid)
        if not kept.any():
            return
        advantage, self.baseline = advantages(
            reward[kept], self.baseline, self.config.baseline_decay
        )
        loss = -(advantage.mean() * grouping + (advantage * placing[kept]).mean())
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()

    def state(self) -> dict[str, Any]:
        return {**super().state(), "baseline": self.baseline}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        super().restore(tensors, state)
        self.baseline = state["baseline"]


def rewards(step_time_ns: np.ndarray, valid: np.ndarray, one_device_ns: int) -> Tensor:
    """(b,) float32: −sqrt(step time / all work on one device), −10 for an invalid decision."""
    earned = -np.sqrt(step_time_ns / one_device_ns)
    return torch.from_numpy(np.where(valid, earned, INVALID_REWARD).astype(np.float32))


def advantages(reward: Tensor, baseline: float | None, decay: float) -> tuple[Tensor, float]:
    """Rewards less the baseline, and the baseline moved towards their mean.

    The first baseline is the first mean.
    """
    mean = float(reward.mean())
    before = mean if baseline is None else baseline
    return reward - before, decay * before + (1 - decay) * mean
