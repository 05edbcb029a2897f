"""Rounds of decisions about one problem: sampling, simulating, and what is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from go_gym.agent import Budget
from go_gym.problem import Problem
from go_gym.simulator import Result

from ..common.critical import critical_ops
from ..common.curves import CurvePoint, LearningCurve
from ..common.units import UnitGraph, unit_graph
from .config import NetworkConfig, SearchConfig
from .decisions import DECIDES, Choices, Decoder, canonical
from .features import GraphInputs, State, graph_inputs, no_state, state_of
from .levels import LevelChooser, cluster_levels, refined
from .model import GONetwork, Scores
from .policy import Actions, apply, draw, greedy

INVALID = -10.0
"""Reward of an invalid decision (GO, section 4)."""
WORST = -3.0
"""Least advantage, in spreads: an invalid decision is bad, but not more than that (ours)."""
NUMBERS = (
    *("best_reward", "current_reward", "mean", "spread", "seen", "round"),
    *("restarts", "best_restarts"),
)


@dataclass(frozen=True, eq=False)
class Batch:
    """B simulated samples: their actions by decision, and advantages (B,) float32."""

    actions: dict[str, Actions]
    advantage: torch.Tensor


@dataclass(frozen=True, eq=False)
class Rollout:
    """What an update learns from: samples drawn in one state of one problem.

    Attributes:
        target: the best choices known, for imitation; None before a valid one.
    """

    inputs: GraphInputs
    state: State
    decides: tuple[str, ...]
    batches: list[Batch]
    target: Choices | None


class Episode:
    """One problem being decided, round by round.

    Attributes:
        best, best_reward: the best choices so far by name, None before a valid one.
        current, current_reward: those that the next round starts from.
        round: rounds since the start, or the last restart.
        curve: what the samples were worth, round by round.
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
        self.problem, self.search = problem, search
        self.random, self.device = random, device
        self.decides = DECIDES[problem.task]
        self.units: UnitGraph = unit_graph(problem, most=search.most_units)
        self.decoder = Decoder(problem, self.units, network.levels, scheduled)
        self.inputs = graph_inputs(
            problem, self.units, network.type_buckets, device, search.most_rows
        )
        self.levels = cluster_levels(problem, self.units, search.coarse, device)
        self.chooser = LevelChooser(self.levels, search.first_round_clusters)
        self.baseline = max(float(problem.durations.sum(axis=1).min()), 1.0)
        self.mean = self.spread = 0.0
        self.seen = 0
        self.best: Choices | None = None
        self.best_reward = INVALID
        self.restarts = self.best_restarts = 0
        self.curve = LearningCurve()
        self.restart()

    def restart(self) -> None:
        """Begin with a first round again; the best decision so far stays known."""
        self.current: Choices | None = None
        self.current_reward = INVALID
        self.round = 0
        self.restarts += 1

    def resume_best(self) -> None:
        """Go on from the best decision so far, whichever start it comes from."""
        self.current, self.current_reward = self.best, self.best_reward
        self.restarts += 1
        self.best_restarts = self.restarts

    def collect(self, network: GONetwork, budget: Budget, later: bool, heat: float) -> Rollout:
        """A round: draw and simulate samples in one state, in small batches.

        In a first round (``later`` false, or nothing valid yet) each sample decides all clusters
        of a coarse level, after one sample of the likeliest options. In later rounds it changes a
        few clusters of the previous decision; the best of a batch, or all that helped in it
        together, is where the next batch starts from.

        Args:
            network: as it is; the state is encoded once.
            budget: at most ``search.samples`` of its calls are used.
            later: whether the previous decision is seen and kept.
            heat: how much worse, on average, a reward may be and still be gone on from.
        """
        later = later and self.current is not None and self.search.refine
        results: list[Result] = []
        left = min(self.search.samples, budget.remaining)
        focus = self._critical(budget, results) if later and left > 1 else None
        state = self.state(later, focus)
        with torch.no_grad():
            scores, _ = network(self.inputs, state, self.decides)
        if self.round == 0 and left:
            likeliest = greedy(scores)
            self._keep([likeliest], self._evaluate([likeliest], budget, results), heat=0.0)
        batches: list[Batch] = []
        merged: Choices | None = None
        while left > len(results):
            previous = self.current if later else None
            level = self.chooser.choose(later, self.random)
            extra = [merged] if merged is not None else []
            count = min(self.search.batch, left - len(results))
            actions = self._draw(scores, level, previous, focus, max(count - len(extra), 0))
            tried = [*self._samples(actions, previous), *extra]
            reward = self._evaluate(tried, budget, results)
            drawn = reward[: len(tried) - len(extra)]
            if len(drawn) and (later or self.search.first_round_policy):
                base = self.current_reward if later else None
                batches.append(Batch(actions, self._advantage(drawn, base)))
            merged = self._together(previous, tried, drawn) if previous is not None else None
            gained = self._keep(tried, reward, heat)
            if later:
                self.chooser.note(level, gained)
        self.curve.note(results)
        self.round += 1
        return Rollout(self.inputs, state, self.decides, batches, self._target(later))

    def state(self, later: bool, focus: np.ndarray | None = None) -> State:
        """The network's view of the previous round's decision, and of a given placement."""
        choices = dict(self.current or {}) if later else {}
        if "placement" not in self.decides:
            choices["placement"] = self._given_placement()
        if not choices:
            return no_state(self.inputs)
        return state_of(self.problem, self.units, self.inputs, choices, focus)

    def likeliest(self, network: GONetwork) -> Choices:
        """What the network finds likeliest for each unit in a first round; no simulator call."""
        with torch.no_grad():
            scores, _ = network(self.inputs, self.state(later=False), self.decides)
        return greedy(scores)

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        """Choices and the levels' success, for a checkpoint."""
        found = {f"{prefix}.success": torch.tensor(self.chooser.success)}
        for label, choices in (("best", self.best), ("current", self.current)):
            for name, rows in (choices or {}).items():
                found[f"{prefix}.{label}.{name}"] = torch.tensor(rows)
        return found

    def numbers(self) -> dict[str, object]:
        """The rest, as JSON."""
        points = [list(vars(point).values()) for point in self.curve.points]
        return {**{name: getattr(self, name) for name in NUMBERS}, "curve": points}

    def restore(
        self, prefix: str, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, object]
    ) -> None:
        """Put back what :meth:`tensors` and :meth:`numbers` gave."""
        self.chooser.success = tensors[f"{prefix}.success"].numpy().copy()
        for label in ("best", "current"):
            choices = {
                name: tensors[f"{prefix}.{label}.{name}"].numpy()
                for name in self.decides
                if f"{prefix}.{label}.{name}" in tensors
            }
            setattr(self, label, choices or None)
        for name in NUMBERS:
            setattr(self, name, numbers[name])
        points = numbers["curve"]
        assert isinstance(points, list)
        self.curve = LearningCurve([CurvePoint(*point) for point in points])

    def _target(self, later: bool) -> Choices | None:
        """The best choices, with canonical names of devices unless the state has the same names."""
        if self.best is None or (later and self.best_restarts == self.restarts):
            return self.best
        return canonical(self.problem, self.best)

    def _given_placement(self) -> np.ndarray:
        """(U,) the given placement of each unit: its first op's."""
        _, first = np.unique(self.units.groups.of_op, return_index=True)
        assert self.problem.placement is not None
        return np.asarray(self.problem.placement)[first]

    def _critical(self, budget: Budget, results: list[Result]) -> np.ndarray | None:
        """(U,) float64 shares of the current step's critical chain; costs a simulator call.

        None for tasks that fuse, whose trace is of another graph.
        """
        if "fusion" in self.decides or self.current is None or not self.search.critical:
            return None
        decision = self.decoder.decision(self.current)
        result = budget.evaluate(decision, trace=True)
        results.append(result)
        assert result.trace is not None
        ops, share = critical_ops(self.problem, np.asarray(decision.placement), result.trace)
        by_unit = np.bincount(self.units.groups.of_op[ops], share, self.units.count)
        return by_unit / by_unit.sum() if by_unit.any() else None

    def _draw(
        self,
        scores: dict[str, Scores],
        level: int,
        previous: Choices | None,
        focus: np.ndarray | None,
        count: int,
    ) -> dict[str, Actions]:
        search, random = self.search, self.random
        halve = random.random() < search.halve
        actions = {}
        for name in self.decides:
            before = None if previous is None else previous[name]
            clusters = refined(self.levels[level], before, search.split, halve, random)
            changes = search.changes / len(self.decides)
            actions[name] = draw(scores[name], clusters, before, changes, focus, count, random)
        return actions

    def _samples(self, actions: dict[str, Actions], previous: Choices | None) -> list[Choices]:
        columns = {
            name: apply(each, None if previous is None else previous[name])
            for name, each in actions.items()
        }
        count = len(next(iter(columns.values())))
        return [{name: rows[i] for name, rows in columns.items()} for i in range(count)]

    def _evaluate(
        self, tried: Sequence[Choices], budget: Budget, results: list[Result]
    ) -> np.ndarray:
        """(B,) float64 rewards: -sqrt(step time / that of one device), -10 if invalid.

        One device's step time is the sum of its ops', and takes no simulator call.
        """
        batch = budget.evaluate_batch([self.decoder.decision(choices) for choices in tried])
        results.extend(batch)
        return np.where(batch.valid, -np.sqrt(batch.step_time_ns / self.baseline), INVALID)

    def _advantage(self, reward: np.ndarray, base: float | None) -> torch.Tensor:
        """(B,) float32: reward against the state's (None: the mean), in this problem's spread."""
        against = self.mean if base is None else base
        for value in reward[reward > INVALID].tolist():
            self.seen += 1
            rate = max(1 / self.seen, 0.01)
            self.mean += rate * (value - self.mean)
            deviation = abs(value - (self.mean if base is None else base))
            self.spread += rate * (deviation - self.spread)
        scaled = (reward - against) / max(self.spread, 1e-6)
        clipped = np.clip(scaled, WORST, -WORST)
        return torch.as_tensor(clipped, dtype=torch.float32, device=self.device)

    def _keep(self, tried: Sequence[Choices], reward: np.ndarray, heat: float) -> bool:
        """Go on from the best of ``tried`` if it is good enough; True if it is better."""
        top = int(reward.argmax())
        gained = bool(reward[top] > self.current_reward)
        if reward[top] > max(self.current_reward - heat * self.random.exponential(), INVALID):
            self.current, self.current_reward = tried[top], float(reward[top])
        if reward[top] > self.best_reward:
            self.best, self.best_reward = tried[top], float(reward[top])
            self.best_restarts = self.restarts
        return gained

    def _together(
        self, previous: Choices, tried: Sequence[Choices], reward: np.ndarray
    ) -> Choices | None:
        """The changes of all samples that helped; where two disagree, those of the better one."""
        better = [i for i in np.argsort(reward) if reward[i] > self.current_reward]
        if len(better) < 2 or not self.search.merge:
            return None
        merged = {name: rows.copy() for name, rows in previous.items()}
        for i in better:
            for name, rows in tried[i].items():
                changed = rows != previous[name]
                merged[name][changed] = rows[changed]
        return merged
