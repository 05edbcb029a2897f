"""Rounds of decisions about one problem: sampling, simulating, and what is kept."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from go_gym.agent import Budget
from go_gym.partitions import Hierarchy
from go_gym.partitions.structure import dense_hierarchy, structural_partitions
from go_gym.partitions.units import chain_units
from go_gym.problem import Problem
from go_gym.simulator import BatchResult, Result

from ..common.curves import CurvePoint, LearningCurve
from ..common.step_view import StepView, step_view
from ..common.traced import traced
from ..search.levels import LevelChooser
from .beginnings import heuristic_choices, stretched_placements
from .config import NetworkConfig, SearchConfig
from .decisions import DECIDES, Choices, Decoder, canonical
from .features import GraphInputs, State, graph_inputs, no_state, state_of
from .model import GONetwork, Scores
from .moves import MOVE_FEATURES, MoveOffer, Moves
from .policy import Actions, MoveChooser, Trials, apply, draw, greedy
from .scales import INVALID, Scales

NUMBERS = ("best_reward", "current_reward", "round", "restarts", "best_restarts")


@dataclass(frozen=True, eq=False)
class Batch:
    """B simulated samples of a first round: actions by decision, and advantages (B,) float32."""

    actions: dict[str, Actions]
    advantage: torch.Tensor


@dataclass(frozen=True, eq=False)
class Rollout:
    """What an update learns from: samples drawn in one state of one problem.

    Attributes:
        batches: of a first round.
        trials: moves of a later round, None in a first one; ``advantage`` (B,) float32 of each.
        target: the best choices known, for imitation; None before a valid one.
    """

    inputs: GraphInputs
    state: State
    decides: tuple[str, ...]
    batches: list[Batch]
    trials: Trials | None
    advantage: torch.Tensor
    target: Choices | None


class Episode:
    """One problem being decided, round by round.

    Attributes:
        best, best_reward: the best choices so far by name, None before a valid one.
        current, current_reward: those that the next round starts from.
        round: rounds since the start, or the last restart.
        curve: what the samples were worth, round by round.
        tried: (N, MOVE_FEATURES) float32 features of the last moves, and ``gained`` (N,) float32
            whether they helped.
    """

    def __init__(
        self,
        problem: Problem,
        network: NetworkConfig,
        search: SearchConfig,
        random: np.random.Generator,
        device: torch.device,
        scheduled: bool = False,
        from_best: bool = False,
    ) -> None:
        self.problem, self.search, self.from_best = problem, search, from_best
        self.random, self.device = random, device
        self.decides = DECIDES[problem.task]
        self.units = chain_units(problem, most=search.most_units)
        self.decoder = Decoder(problem, self.units, network.levels, scheduled)
        self.inputs = graph_inputs(
            problem, self.units, network.type_buckets, device, search.most_rows
        )
        self.hierarchy = dense_hierarchy(problem, self.units, search.coarse)
        structure = Hierarchy.of(structural_partitions(problem, self.units))
        self.first_levels = structure.at_most(search.first_round_clusters)
        self.chooser = LevelChooser(len(self.hierarchy))
        values = tuple(
            problem.num_devices if name == "placement" else network.levels for name in self.decides
        )
        self.moves = MoveOffer(problem, self.units, self.hierarchy, self.decides, values)
        one_device = float(problem.durations.sum(axis=1).min())  # takes no simulator call
        self.scales = Scales(max(one_device, 1.0))
        self.known: set[int] = set()
        self.tried = np.empty((0, MOVE_FEATURES), dtype=np.float32)
        self.gained = np.empty(0, dtype=np.float32)
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
        self.round = 0
        self.restarts += 1
        self.best_restarts = self.restarts

    def collect(
        self,
        network: GONetwork,
        budget: Budget,
        later: bool,
        progress: float = 0.0,
        heat: float = 0.0,
        calls: int | None = None,
    ) -> Rollout:
        """A round: draw and simulate samples, scored in one state.

        In a first round (``later`` false, or nothing valid yet) each sample decides all clusters
        of a coarse level, after one sample of the likeliest options. In later rounds a sample is
        the previous decision with one of several moves on offer.

        Args:
            network: as it is; the state is encoded once.
            budget: at most ``calls`` of its calls are used, default ``search.samples``.
            later: whether the previous decision is seen and kept.
            progress: share of the search that is over; moves go from coarse to fine.
            heat: how much worse a decision may be and still be gone on from, on average, in
                rises of the cost that a move typically brings.
        """
        later = later and self.current is not None and self.search.refine
        results: list[Result] = []
        left = min(self.search.samples if calls is None else calls, budget.remaining)
        view = self._look(budget, results) if later and left > 1 else None
        state = self.state(later, view)
        with torch.no_grad():
            scores, _ = network(self.inputs, state, self.decides)
        batches: list[Batch] = []
        trials, advantage = None, torch.zeros(0, device=self.device)
        if later:
            trials, advantage = self._refine(
                network, scores, budget, view, left, progress, heat, results
            )
        else:
            batches = self._first_round(scores, budget, left, results)
        self.curve.note(results)
        self.round += 1
        return Rollout(
            self.inputs, state, self.decides, batches, trials, advantage, self._target(later)
        )

    def state(self, later: bool, view: StepView | None = None) -> State:
        """The network's view of the previous round's decision, and of a given placement."""
        choices = dict(self.current or {}) if later else {}
        if "placement" not in self.decides:
            choices["placement"] = self._given_placement()
        if not choices:
            return no_state(self.inputs)
        return state_of(self.problem, self.units, self.inputs, choices, view)

    def likeliest(self, network: GONetwork) -> Choices:
        """What the network finds likeliest for each unit in a first round; no simulator call."""
        with torch.no_grad():
            scores, _ = network(self.inputs, self.state(later=False), self.decides)
        return greedy(scores)

    def tensors(self, prefix: str) -> dict[str, torch.Tensor]:
        """Choices, the levels' success and what was tried, for a checkpoint."""
        found = {
            f"{prefix}.success": torch.tensor(self.chooser.success),
            f"{prefix}.known": torch.tensor(np.array(sorted(self.known), np.uint64).view(np.int64)),
            f"{prefix}.tried": torch.tensor(self.tried),
            f"{prefix}.gained": torch.tensor(self.gained),
        }
        for label, choices in (("best", self.best), ("current", self.current)):
            for name, rows in (choices or {}).items():
                found[f"{prefix}.{label}.{name}"] = torch.tensor(rows)
        return found

    def numbers(self) -> dict[str, object]:
        """The rest, as JSON."""
        points = [list(vars(point).values()) for point in self.curve.points]
        numbers = {name: getattr(self, name) for name in NUMBERS}
        return {**numbers, "scales": self.scales.numbers(), "curve": points}

    def restore(
        self, prefix: str, tensors: Mapping[str, torch.Tensor], numbers: Mapping[str, object]
    ) -> None:
        """Put back what :meth:`tensors` and :meth:`numbers` gave."""
        self.chooser.success = tensors[f"{prefix}.success"].numpy().copy()
        self.known = set(tensors[f"{prefix}.known"].numpy().view(np.uint64).tolist())
        self.tried = tensors[f"{prefix}.tried"].numpy()
        self.gained = tensors[f"{prefix}.gained"].numpy()
        for label in ("best", "current"):
            choices = {
                name: tensors[f"{prefix}.{label}.{name}"].numpy()
                for name in self.decides
                if f"{prefix}.{label}.{name}" in tensors
            }
            setattr(self, label, choices or None)
        for name in NUMBERS:
            setattr(self, name, numbers[name])
        points, scales = numbers["curve"], numbers["scales"]
        assert isinstance(points, list) and isinstance(scales, dict)
        self.scales = Scales.of(scales)
        self.curve = LearningCurve([CurvePoint(*point) for point in points])

    def _target(self, later: bool) -> Choices | None:
        """The best choices, for states that are not yet as good.

        With canonical names of devices unless the state has the same names.
        """
        if self.best is None or (later and self.current_reward >= self.best_reward):
            return None
        if later and self.best_restarts == self.restarts:
            return self.best
        return canonical(self.problem, self.best)

    def _given_placement(self) -> np.ndarray:
        """(U,) the given placement of each unit: its first op's."""
        _, first = np.unique(self.units.part_of, return_index=True)
        assert self.problem.placement is not None
        return np.asarray(self.problem.placement)[first]

    def _look(self, budget: Budget, results: list[Result]) -> StepView | None:
        """The current step as its trace shows it; costs a simulator call."""
        if self.current is None or not self.search.critical:
            return None
        decision = self.decoder.decision(self.current)
        result = budget.evaluate(decision, trace=True)
        results.append(result)
        assert result.trace is not None
        return step_view(self.units, traced(self.problem, decision, result.trace))

    def _first_round(
        self, scores: dict[str, Scores], budget: Budget, left: int, results: list[Result]
    ) -> list[Batch]:
        """Samples of whole decisions; every other one with devices by stretches of the order.

        Before them the likeliest options, and in the very first round, if asked for, what the
        classical heuristics decide, though it takes more than ``left`` calls.
        """
        if self.current is None and left:
            given: list[Choices] = [greedy(scores)]
            if self.from_best and self.restarts == 1 and self.round == 0:
                levels = self.decoder.levels
                given += heuristic_choices(self.problem, self.units, self.decides, levels)
            given = given[: budget.remaining]
            self._keep(given, self._evaluate(given, budget, results)[0])
        batches: list[Batch] = []
        while left > len(results):
            level = self.first_levels[int(self.random.integers(len(self.first_levels)))]
            count = min(self.search.first_batch, left - len(results))
            actions = {name: draw(scores[name], level, count, self.random) for name in self.decides}
            columns = {name: apply(each) for name, each in actions.items()}
            stretched = "placement" in columns and self.random.random() < self.search.stretched
            if stretched:
                columns["placement"] = stretched_placements(
                    self.problem, self.units, count, self.random
                )
            tried = [{name: rows[i] for name, rows in columns.items()} for i in range(count)]
            reward, _ = self._evaluate(tried, budget, results)
            self._keep(tried, reward)
            if self.search.first_round_policy and not stretched:
                batches.append(Batch(actions, self._tensor(self.scales.advantage(reward))))
        return batches

    def _refine(
        self,
        network: GONetwork,
        scores: dict[str, Scores],
        budget: Budget,
        view: StepView | None,
        left: int,
        progress: float,
        heat: float,
        results: list[Result],
    ) -> tuple[Trials | None, torch.Tensor]:
        """Moves from the current decision, a few at a time, and what they taught."""
        search, random = self.search, self.random
        unknown = StepView.unknown(self.units.count, self.problem.num_devices)
        chooser = MoveChooser(scores, self.decides, network.move_head, search.sharpness)
        busy = results[-1].busy_ns if results else np.zeros(self.problem.num_devices)
        kept: list[Trials] = []
        gains: list[np.ndarray] = []
        looked = 0
        while left > len(results):
            assert self.current is not None
            genome = np.stack([self.current[name] for name in self.decides])
            placement = self.current.get("placement")
            if placement is None:
                placement = self._given_placement()
            count = min(search.batch, left - len(results))
            weight = self.chooser.cumulative(progress)
            levels = np.searchsorted(weight, random.random(count * search.offers) * weight[-1])
            moves = self.moves.offer(
                genome, placement, busy, view or unknown, levels, progress, random
            )
            chosen, allowed, log = chooser.choose(moves, self.known, search.offers, random)
            taken = chosen + np.arange(count) * search.offers
            self.known.update(moves.key[taken].tolist())
            tried = [
                dict(zip(self.decides, moves.applied(move, genome), strict=True)) for move in taken
            ]
            before = self.current_reward
            reward, batch = self._evaluate(tried, budget, results)
            top = self._keep(tried, reward, heat)
            if top is not None:
                busy = batch.busy_ns[top]
                if view is not None and looked >= search.look_every and top == count - 1:
                    decision = self.decoder.decision(tried[top])
                    step = traced(self.problem, decision, budget.trace())
                    view, looked = step_view(self.units, step), 0
            for level, value in zip(levels[taken], reward, strict=True):
                self.chooser.note(int(level), bool(value > before))
            kept.append(self._trials(moves, allowed, chosen, log, reward > before))
            gains.append(reward - before)
            looked += count
        if not kept:
            return None, torch.zeros(0, device=self.device)
        trials = Trials.joined(kept)
        self._remember(trials)
        return trials, self._tensor(self.scales.gain_advantage(np.concatenate(gains)))

    def _trials(
        self,
        moves: Moves,
        allowed: np.ndarray,
        chosen: np.ndarray,
        log: np.ndarray,
        gained: np.ndarray,
    ) -> Trials:
        shape = (len(chosen), self.search.offers)

        def tensor(values: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(values, device=self.device)

        return Trials(
            tensor(moves.sampled.reshape(*shape, -1)),
            tensor(moves.column.reshape(shape)),
            tensor(moves.value.reshape(shape)),
            tensor(moves.features.reshape(*shape, -1)),
            tensor(allowed),
            tensor(chosen),
            tensor(log),
            tensor(gained.astype(np.float32)),
        )

    def _remember(self, trials: Trials) -> None:
        """Keep the features of the moves that were tried, and whether they helped."""
        rows = trials.features[torch.arange(len(trials.chosen)), trials.chosen].cpu().numpy()
        most = self.search.memory
        self.tried = np.concatenate([self.tried, rows])[-most:]
        self.gained = np.concatenate([self.gained, trials.gained.cpu().numpy()])[-most:]

    def _evaluate(
        self, tried: Sequence[Choices], budget: Budget, results: list[Result]
    ) -> tuple[np.ndarray, BatchResult]:
        """Simulate ``tried``; (B,) float64 rewards and the results, added to ``results``."""
        batch = budget.evaluate_batch([self.decoder.decision(choices) for choices in tried])
        results.extend(batch)
        return self.scales.rewards(batch), batch

    def _tensor(self, advantage: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(advantage, dtype=torch.float32, device=self.device)

    def _keep(self, tried: Sequence[Choices], reward: np.ndarray, heat: float = 0.0) -> int | None:
        """Go on from the best of ``tried`` if it is good enough; its number then, else None."""
        top = int(reward.argmax())
        value, kept = float(reward[top]), None
        if self.current is None or self.current_reward <= INVALID:
            accepted = value > INVALID
        else:
            now = min(self.current_reward, -1e-9)
            self.scales.note_rises(reward, now)
            rise, hot = value / now - 1, max(heat * self.scales.acceptance.typical_rise, 1e-12)
            accepted = value > INVALID and (
                rise <= 0 or (heat > 0 and self.random.random() < math.exp(-rise / hot))
            )
        if accepted:
            self.current, self.current_reward, kept = tried[top], value, top
        if value > self.best_reward:
            self.best, self.best_reward = tried[top], value
            self.best_restarts = self.restarts
        return kept
