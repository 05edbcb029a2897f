"""Placeto's training: episodes that re-place one group after another, REINFORCE a step."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from go_gym.agent import Budget, option
from go_gym.baselines.placements import single_device
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result

from ..common.learning import Learner
from ..common.sampling import draw, log_probability
from .features import features, group_graph, group_starts
from .network import PlacetoPolicy

GB = 2**30
CHUNK = 64
"""States in one backward pass, for memory."""


@dataclass(frozen=True)
class PlacetoConfig:
    """The paper's figures where it gives them; see :class:`Placeto` for departures."""

    groups: int = option(32, "most groups of ops, each one step of an episode's pass", least=1)
    passes: int = option(1, "times that an episode visits each group", least=1)
    workers: int = option(1, "episodes for each update", least=1)
    rounds: int = option(8, "of message passing in each direction", least=0)
    width: int = option(32, "of the embeddings (our choice)", least=1)
    learning_rate: float = option(1e-3, "Adam's first", least=0)
    last_learning_rate: float = option(
        1e-4, "Adam's last: it falls linearly over the training", least=0
    )
    clip: float = option(1.25, "largest norm of the gradient", least=0)
    entropy: float = option(
        0.01,
        "weight of the entropy bonus, falling linearly to zero over the training (the start is "
        "our choice)",
    )
    memory: float = option(2.0, "penalty for each GB over a device's memory", least=0)
    baseline_episodes: int = option(
        10, "episodes whose mean return at the same step is the baseline", least=1
    )


@dataclass(frozen=True, eq=False)
class Episodes:
    """Whole episodes, W of them side by side, T steps each.

    Attributes:
        features: (T, W, G, columns) float32, the states.
        current: (T,) int64, the group placed at each step.
        devices: (T, W) int64, where.
        rewards: (T, W) float64.
    """

    features: Tensor
    current: Tensor
    devices: Tensor
    rewards: np.ndarray


class PlacetoLearner(Learner):
    """A policy in training on one problem.

    Attributes:
        history: (T,) returns of the last episodes, at each step.
    """

    def __init__(self, problem: Problem, calls: int, seed: int, config: PlacetoConfig) -> None:
        super().__init__(problem, calls, seed)
        self.config = config
        self.graph = group_graph(problem, config.groups)
        self.first_device = int(single_device(problem)[0])
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.policy = PlacetoPolicy(
                self.graph, problem.num_devices, config.width, config.rounds
            )
        self.model = self.policy
        self.optimizer = torch.optim.Adam(self.policy.parameters(), config.learning_rate)
        self.history: deque[np.ndarray] = deque(maxlen=config.baseline_episodes)

    @property
    def progress(self) -> float:
        """Share of the training's simulator calls that are spent."""
        return min(self.record.calls / max(self.calls, 1), 1.0)

    def update(self, budget: Budget) -> bool:
        """Episodes side by side, and one step of Adam; those that the budget cuts teach nothing."""
        episodes = self._walk(budget)
        if episodes is None:
            return False
        self._learn(episodes)
        self.updates += 1
        return True

    @torch.no_grad()
    def sample(self) -> np.ndarray:
        """One pass in which every group starts at once: start times need the simulator."""
        count = self.graph.groups.count
        devices = np.full(count, self.first_device)
        done = np.zeros(count, dtype=bool)
        for group in range(count):
            state = self._state(devices, np.zeros(count, dtype=np.int64), group, done)
            logits = self.policy(torch.from_numpy(state)[None], torch.tensor([group]))
            devices[group], done[group] = int(draw(logits, self.generator)), True
        return devices[self.graph.groups.part_of]

    def _walk(self, budget: Budget) -> Episodes | None:
        """Place every group, passes times, simulating after each; None if calls run out."""
        count, workers = self.graph.groups.count, self.config.workers
        if budget.remaining < 1 + workers:
            return None
        devices = np.full((workers, count), self.first_device)
        done = np.zeros(count, dtype=bool)
        first = self._simulate(budget, devices[:1])[0]
        starts = np.tile(self._starts(first), (workers, 1))
        worth = np.full(workers, self.objective(first))
        states, chosen, earned = [], [], []
        order = np.tile(np.arange(count), self.config.passes)
        for group in order.tolist():
            if budget.remaining < workers:
                return None
            state = torch.from_numpy(
                np.stack(
                    [
                        self._state(mine, begun, group, done)
                        for mine, begun in zip(devices, starts, strict=True)
                    ]
                )
            )
            with torch.no_grad():
                logits = self.policy(state, torch.full((workers,), group))
            choice = draw(logits, self.generator)
            devices[:, group], done[group] = choice.numpy(), True
            results = self._simulate(budget, devices)
            now = np.array([self.objective(result) for result in results])
            states.append(state)
            chosen.append(choice)
            earned.append(worth - now)
            worth = now
            starts = np.stack([self._starts(result) for result in results])
        return Episodes(
            torch.stack(states), torch.from_numpy(order), torch.stack(chosen), np.stack(earned)
        )

    def objective(self, result: Result) -> float:
        """ρ: step time over all work on one device, plus the penalty for memory."""
        over = np.maximum(result.peak_memory - self.problem.cluster.memory_bytes, 0).sum()
        share = result.step_time_ns / self.problem.one_device_ns
        return share + self.config.memory * float(over) / GB

    def _simulate(self, budget: Budget, devices: np.ndarray) -> list[Result]:
        placements = [row[self.graph.groups.part_of] for row in devices]
        results = [budget.evaluate(Decision(each), trace=True) for each in placements]
        self.note(placements, results)
        return results

    def _starts(self, result: Result) -> np.ndarray:
        assert result.trace is not None
        return group_starts(self.graph, result.trace)

    def _state(
        self, devices: np.ndarray, starts: np.ndarray, group: int, done: np.ndarray
    ) -> np.ndarray:
        return features(self.graph, devices, starts, group, done, self.problem.num_devices)

    def _learn(self, episodes: Episodes) -> None:
        """REINFORCE with a baseline for each step, and the entropy bonus."""
        config, progress = self.config, self.progress
        advantage = torch.from_numpy(self._advantages(returns(episodes.rewards))).float().flatten()
        steps, workers = episodes.rewards.shape
        states = episodes.features.flatten(0, 1)
        current = episodes.current.repeat_interleave(workers)
        devices = episodes.devices.flatten()
        rate = config.learning_rate + progress * (config.last_learning_rate - config.learning_rate)
        for part in self.optimizer.param_groups:
            part["lr"] = rate
        self.optimizer.zero_grad()
        for begin in range(0, steps * workers, CHUNK):
            some = slice(begin, begin + CHUNK)
            logits = self.policy(states[some], current[some])
            chances = logits.log_softmax(1)
            entropy = -(chances.exp() * chances).sum(1)
            worth = advantage[some] * log_probability(logits, devices[some])
            bonus = config.entropy * (1 - progress) * entropy
            (-(worth + bonus).sum() / workers).backward()
        nn.utils.clip_grad_norm_(self.policy.parameters(), config.clip)
        self.optimizer.step()

    def _advantages(self, gain: np.ndarray) -> np.ndarray:
        """(T, W) returns ``gain`` less their baselines; the first episodes are each other's."""
        baseline = np.mean(self.history, axis=0) if self.history else gain.mean(axis=1)
        self.history.extend(gain.T)
        return gain - baseline[:, None]

    def state(self) -> dict[str, Any]:
        """With the gains that the reward's baseline is made of."""
        return {**super().state(), "history": [gain.tolist() for gain in self.history]}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """With the gains that the reward's baseline is made of."""
        super().restore(tensors, state)
        self.history.extend(np.array(gain) for gain in state["history"])


def returns(rewards: np.ndarray) -> np.ndarray:
    """(T, W): the sum of ``rewards`` (T, W) from each step on, undiscounted."""
    return rewards[::-1].cumsum(axis=0)[::-1]
