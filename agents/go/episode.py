"""Rounds of decisions about one problem: sampling, simulating, and what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from go_gym.agent import Budget
from go_gym.partition import partition
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result

from ..common.units import UnitGraph, coarsened, unit_graph, unit_layers
from ..search.critical import critical_ops
from .config import NetworkConfig, SearchConfig
from .decisions import DECIDES, Choices, to_decision
from .features import GraphInputs, State, graph_inputs, no_state, state_of
from .model import GONetwork, Scores
from .policy import Actions, Clusters, apply, draw, greedy

STRETCHES = (1, 2, 4, 8, 32)
"""Into how many stretches of equal work the layers are cut."""
INVALID = -10.0
"""Reward of an invalid decision (GO, section 4)."""
NUMBERS = ("best_reward", "current_reward", "mean", "spread", "seen", "moved")
METIS_PARTS = 64
"""The finest level that METIS makes; it fails on parts of few vertices."""
FIRST_ROUND_CLUSTERS = 32
"""The finest level of a first round: with more, chance alone never keeps neighbours together."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B simulated samples: their actions by decision, and advantages (B,) float32."""

    actions: dict[str, Actions]
    advantage: torch.Tensor


@dataclass(frozen=True, eq=False)
class Rollout:
    """What one update learns from: samples drawn in one state of one problem."""

    inputs: GraphInputs
    state: State
    decides: tuple[str, ...]
    batches: list[Batch]
    target: Choices | None
    results: list[Result]


class Episode:
    """One problem being decided, round by round.

    Attributes:
        best: the best choices so far by name, None before a valid one.
        best_reward: their reward.
    """

    def __init__(
        self,
        problem: Problem,
        network: NetworkConfig,
        search: SearchConfig,
        random: np.random.Generator,
        device: torch.device,
        scheduled: bool = False,
    ) -> None:
        self.problem, self.network, self.search = problem, network, search
        self.random, self.device, self.scheduled = random, device, scheduled
        self.decides = DECIDES[problem.task]
        self.units: UnitGraph = unit_graph(problem, most=search.most_units)
        self.inputs = graph_inputs(problem, self.units, network.type_buckets, device)
        self.levels = cluster_levels(problem, self.units, search.coarse, device)
        self.success = np.ones(len(self.levels))
        self.baseline = max(float(problem.durations.sum(axis=1).min()), 1.0)
        self.mean = self.spread = 0.0
        self.seen = 0
        self.best: Choices | None = None
        self.best_reward = INVALID
        self.current: Choices | None = None
        self.current_reward = INVALID
        self.focus: np.ndarray | None = None
        self.moved = True

    def state(self, later: bool) -> State:
        """The network's view of the previous round: nothing, or the best decision so far."""
        if not later or self.current is None:
            return no_state(self.inputs)
        placement = self.current.get("placement")
        if placement is None:
            placement = self._given_placement()
        return state_of(
            self.problem,
            self.units,
            self.inputs,
            placement,
            self.current.get("priority"),
            self.current.get("fusion"),
            self.focus,
        )

    def collect(
        self, network: GONetwork, budget: Budget, samples: int, later: bool, heat: float = 0.0
    ) -> Rollout:
        """Draw and simulate up to ``samples`` decisions in one state, in small batches.

        In later rounds each sample changes a few clusters of the best decision so far; what helped
        in a batch, apart and together, is the best that the next batch starts from.
        """
        self.heat = heat
        later = later and self.best is not None and self.search.refine
        self.focus = self._critical(budget) if later and self.search.critical else None
        state = self.state(later)
        with torch.no_grad():
            scores, _ = network(self.inputs, state, self.decides)
        batches = []
        self.results: list[Result] = []
        merged: Choices | None = None
        looked = budget.used
        left = min(samples - (self.focus is not None), budget.remaining)
        while left > 0:
            if self.focus is not None and self.moved and budget.used - looked >= 24 and left > 8:
                self.focus, looked, left = self._critical(budget), budget.used, left - 1
            level = self._level(later)
            previous = self.current if later else None
            count = min(self.search.batch, left)
            actions = self._draw(scores, level, previous, count)
            tried = [
                {name: rows[i] for name, rows in self._choices(actions, previous).items()}
                for i in range(count)
            ]
            extra = [merged] if merged is not None and left > count else []
            reward = self._evaluate([*tried, *extra], budget)
            left -= len(reward)
            base = self.current_reward if later else None
            batches.append(Batch(actions, self._advantage(reward[:count], base)))
            better = [
                i for i in np.argsort(-reward[:count]) if base is not None and reward[i] > base
            ]
            gained = self._keep_best([*tried, *extra], reward)
            self.success[level] += 0.1 * (float(gained) - self.success[level])
            merged = None
            if previous is not None and self.search.merge and len(better) > 1:
                merged = _together(previous, [tried[i] for i in better])
        return Rollout(self.inputs, state, self.decides, batches, self.best, self.results)

    def likeliest(self, network: GONetwork) -> Choices:
        """What the network finds likeliest for each unit in a first round; no simulator call."""
        with torch.no_grad():
            scores, _ = network(self.inputs, no_state(self.inputs), self.decides)
        return greedy(scores)

    def decision(self, choices: Choices) -> Decision:
        """The Decision about every op that ``choices`` stand for."""
        levels = self.network.levels
        return to_decision(self.problem, self.units, choices, levels, self.scheduled)

    def _critical(self, budget: Budget) -> np.ndarray | None:
        """(U,) float64 shares of the current step's critical chain; costs a simulator call."""
        if "fusion" in self.decides or self.current is None or budget.remaining < 2:
            return None
        decision = self.decision(self.current)
        result = budget.evaluate(decision, trace=True)
        self.results.append(result)
        trace = result.trace
        assert trace is not None
        self.moved = False
        ops, share = critical_ops(self.problem, decision.placement, trace)
        by_unit = np.bincount(self.units.groups.of_op[ops], share, self.units.count)
        return by_unit / by_unit.sum() if by_unit.any() else None

    def tensors(self) -> dict[str, torch.Tensor]:
        """Choices and levels' success, for a checkpoint."""
        found = {"episode.success": torch.from_numpy(self.success)}
        for label, choices in (("best", self.best), ("current", self.current)):
            for name, rows in (choices or {}).items():
                found[f"episode.{label}.{name}"] = torch.from_numpy(rows)
        return found

    def numbers(self) -> dict[str, float]:
        """The rest, as JSON."""
        return {name: float(getattr(self, name)) for name in NUMBERS}

    def restore(self, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, float]) -> None:
        """Put back what :meth:`tensors` and :meth:`numbers` gave."""
        self.success = tensors["episode.success"].numpy().copy()
        for label in ("best", "current"):
            choices = {
                name: tensors[f"episode.{label}.{name}"].numpy()
                for name in self.decides
                if f"episode.{label}.{name}" in tensors
            }
            setattr(self, label, choices or None)
        for name in NUMBERS:
            setattr(self, name, numbers[name])

    def _given_placement(self) -> np.ndarray:
        """(U,) the given placement of each unit: its first op's."""
        _, first = np.unique(self.units.groups.of_op, return_index=True)
        assert self.problem.placement is not None
        return np.asarray(self.problem.placement[first])

    def _level(self, later: bool) -> int:
        """A level of clusters: levels that lately brought gains come more often."""
        weight = self.success + 0.02
        if not later:
            weight = np.array([float(c.count <= FIRST_ROUND_CLUSTERS) for c in self.levels])
            if not weight.any():
                weight[:] = 1.0
        return int(self.random.choice(len(weight), p=weight / weight.sum()))

    def _draw(
        self, scores: dict[str, Scores], level: int, previous: Choices | None, count: int
    ) -> dict[str, Actions]:
        changes = self.search.changes / len(self.decides)
        return {
            name: draw(
                scores[name],
                self.levels[level],
                None if previous is None else previous[name],
                changes,
                self.focus,
                count,
                self.random,
            )
            for name in self.decides
        }

    def _choices(self, actions: dict[str, Actions], previous: Choices | None) -> Choices:
        return {
            name: apply(each, None if previous is None else previous[name])
            for name, each in actions.items()
        }

    def _evaluate(self, tried: Sequence[Choices], budget: Budget) -> np.ndarray:
        """(B,) float64 rewards: -sqrt(step time / that of one device), -10 if invalid."""
        results = budget.evaluate_batch([self.decision(choices) for choices in tried])
        self.results.extend(results)
        reward = -np.sqrt(results.step_time_ns / self.baseline)
        return np.where(results.valid, reward, INVALID)

    def _advantage(self, reward: np.ndarray, base: float | None) -> torch.Tensor:
        """(B,) float32: reward against the state's (else the mean), in units of this problem's
        spread, clipped to [-3, 3] so that an invalid decision is only bad."""
        valid = reward[reward > INVALID]
        for value in valid.tolist():
            self.seen += 1
            step = max(1 / self.seen, 0.01)
            self.mean += step * (value - self.mean)
            deviation = abs(value - (self.mean if base is None else base))
            self.spread += step * (deviation - self.spread)
        against = self.mean if base is None else base
        scaled = (reward - against) / max(self.spread, 1e-6)
        return torch.as_tensor(np.clip(scaled, -3, 3), dtype=torch.float32, device=self.device)

    def _keep_best(self, tried: Sequence[Choices], reward: np.ndarray) -> bool:
        top = int(reward.argmax())
        slack = self.heat * self.random.exponential()
        if reward[top] > max(self.current_reward - slack, INVALID):
            self.current, self.current_reward = tried[top], float(reward[top])
            self.moved = True
        if reward[top] <= max(self.best_reward, INVALID):
            return False
        self.best, self.best_reward = tried[top], float(reward[top])
        return True


def cluster_levels(
    problem: Problem, units: UnitGraph, coarse: Sequence[int], device: torch.device
) -> list[Clusters]:
    """The levels of clusters that samples decide by, and last the units themselves.

    METIS's parts, equal in work, up to METIS_PARTS; beyond, clusters by heavy edges. Then the
    layers of the model (the tags that the human expert cuts along too), whole and cut into
    stretches of the topological order.
    """
    labels = []
    weight = units.work + units.work.mean()  # METIS fails on many vertices of no weight
    for parts in coarse:
        if 1 < parts < units.count / 2:
            small = parts <= METIS_PARTS and 8 * parts <= units.count
            labels.append(
                partition(problem, units.groups, weight, parts)
                if small
                else coarsened(units, parts)
            )
    layer = unit_layers(problem, units)
    stretch = ((np.cumsum(units.work) - units.work / 2) / max(units.work.sum(), 1.0)).clip(0, 0.999)
    for cuts in STRETCHES:
        labels.append(layer * cuts + (stretch * cuts).astype(np.int64))
    labels.append(np.arange(units.count))
    levels = [Clusters.of(np.unique(each, return_inverse=True)[1], device) for each in labels]
    return [level for level in levels if level.count > 1 or units.count == 1]


def _together(previous: Choices, better: Sequence[Choices]) -> Choices:
    """All changes of ``better`` (best first) at once; where two disagree, the better one's."""
    merged = {name: rows.copy() for name, rows in previous.items()}
    for choices in reversed(better):
        for name, rows in choices.items():
            changed = rows != previous[name]
            merged[name][changed] = rows[changed]
    return merged
