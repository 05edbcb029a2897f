"""One problem being decided, round by round."""

import numpy as np
import torch

from go_gym.agent import Budget
from go_gym.partitions import Hierarchy
from go_gym.partitions.structure import dense_hierarchy, structural_partitions
from go_gym.partitions.units import chain_units
from go_gym.problem import Problem

from ..common.curves import Recorder
from ..common.step_view import StepView
from ..search.encoding import Encoding, Ranks
from ..search.starts import heuristic_genomes
from .canonical import canonical
from .chooser import MoveChooser, Trials
from .config import NetworkConfig, SearchConfig
from .evaluator import Evaluator
from .features import GraphInputs, State, graph_inputs, no_state, state_of
from .first_round import FirstRound
from .model import GONetwork, Scores
from .policy import greedy
from .refinement import Refinement
from .rollout import Batch, Rollout
from .scales import Scales
from .state import SearchState
from .tried import TriedMoves

BOOST = 0.5
"""How far priorities go from the critical path's, as a share of its length (our choice)."""


class Episode:
    """A problem, what is known of its decisions, and the rounds that find better ones.

    Args:
        problem: what is decided about.
        network, search: configurations.
        random: the only source of chance.
        device: where tensors are.
        scheduled: decide placements under critical-path priorities.
        from_best: look at what the classical heuristics decide first.

    Attributes:
        encoding: genomes and decisions.
        inputs: the graph as the network sees it.
        state: the best decision and the one that the next round goes on from.
        tried: moves so far.
        scales: what rewards are worth.
        record: what the samples were worth, round by round.
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
        self.search, self.random, self.from_best = search, random, from_best
        self.device = device
        units = chain_units(problem, most=search.most_units)
        ranks = Ranks(network.levels, BOOST, network.levels, around_default=True)
        self.encoding = Encoding(problem, units, ranks, scheduled)
        self.inputs: GraphInputs = graph_inputs(
            problem, units, network.type_buckets, device, search.most_rows
        )
        coarse = Hierarchy.of(structural_partitions(problem, units))
        coarse = coarse.at_most(search.first_round_parts)
        self.first_round = FirstRound(self.encoding, coarse, search, random)
        hierarchy = dense_hierarchy(problem, units, search.parts)
        self.refinement = Refinement(self.encoding, hierarchy, search, random)
        self.state = SearchState()
        self.tried = TriedMoves(search.memory)
        self.scales = Scales(float(problem.one_device_ns))  # takes no simulator call
        self.record = Recorder()

    def collect(
        self,
        network: GONetwork,
        budget: Budget,
        later: bool,
        progress: float = 0.0,
        temperature: float = 0.0,
        calls: int | None = None,
    ) -> Rollout:
        """A round: draw and simulate samples, scored in one state.

        In a first round (``later`` false, or nothing valid yet) each sample decides all parts of a
        coarse level, after one sample of the likeliest options. In later rounds a sample is the
        decision at hand with one of several moves on offer.

        Args:
            network: as it is; the state is encoded once.
            budget: at most ``calls`` of its calls are used, default ``search.samples``.
            later: whether the decision at hand is seen and refined.
            progress: share of the cooling round that is over; moves go from coarse to fine.
            temperature: how much worse a decision may be and still be gone on from, on average,
                in rises of the cost that a move typically brings.
        """
        current = self.state.current if later and self.search.refine else None
        calls = self.search.samples if calls is None else calls
        evaluate = Evaluator(self.encoding, self.scales, budget, calls)
        view = None
        if current is not None and self.search.critical and evaluate.left > 1:
            view = evaluate.look(current)
        state = self.network_state(current, view)
        with torch.no_grad():
            scores, _ = network(self.inputs, state, self.encoding.columns)
        batches: list[Batch] = []
        trials, advantage = None, torch.zeros(0, device=self.device)
        if current is None:
            batches = self._first_round(scores, evaluate)
        elif evaluate.left > 0:
            chooser = MoveChooser(
                scores, self.encoding.columns, network.move_head, self.search.sharpness
            )
            made = self.refinement.run(
                chooser, evaluate, self.state, self.tried, view, progress, temperature
            )
            self.tried.remember(made)
            trials = Trials.of(made, self.device)
            gains = np.array([trial.gain for trial in made])
            advantage = self._tensor(self.scales.gain_advantage(gains))
        self.record.note(evaluate.results)
        self.state.round += 1
        target = self._target(current is not None)
        return Rollout(
            self.inputs, state, self.encoding.columns, batches, trials, advantage, target
        )

    def network_state(self, genome: np.ndarray | None, view: StepView | None = None) -> State:
        """The network's view of a decision, or of none, and of a given placement."""
        columns, problem = self.encoding.columns, self.encoding.problem
        if genome is None and problem.placement is None:
            return no_state(self.inputs)
        choices = {} if genome is None else dict(zip(columns, genome, strict=True))
        if problem.placement is not None:
            choices["placement"] = self.encoding.given_placement
        return state_of(problem, self.encoding.units, self.inputs, choices, view)

    def likeliest(self, network: GONetwork) -> np.ndarray:
        """(columns, U): what the network finds likeliest in a first round; no simulator call."""
        with torch.no_grad():
            scores, _ = network(self.inputs, self.network_state(None), self.encoding.columns)
        return greedy(scores, self.encoding.columns)

    def _first_round(self, scores: dict[str, Scores], evaluate: Evaluator) -> list[Batch]:
        """Samples of whole decisions.

        Before them the likeliest options, and in the very first round, if asked for, what the
        classical heuristics decide, though it may take more calls than the round has.
        """
        search, state = self.search, self.state
        if state.current is None and evaluate.left > 0:
            given = [greedy(scores, self.encoding.columns)]
            if self.from_best and state.restarts == 1 and state.round == 0:
                given += heuristic_genomes(self.encoding)
            given = given[: evaluate.budget.remaining]
            state.take(given, evaluate.rewards(given), self.random)
        batches: list[Batch] = []
        while evaluate.left > 0:
            count = min(search.first_batch, evaluate.left)
            genomes, actions = self.first_round.draw(scores, count)
            reward = evaluate.rewards(list(genomes))
            state.take(list(genomes), reward, self.random)
            if search.first_round_policy and actions is not None:
                batches.append(Batch(actions, self._tensor(self.scales.advantage(reward))))
        return batches

    def _target(self, later: bool) -> np.ndarray | None:
        """The best genome, for states that are not yet as good.

        With canonical names of devices unless the state has the same names.
        """
        state = self.state
        if state.best is None or (later and state.current_reward >= state.best_reward):
            return None
        if later and state.best_restarts == state.restarts:
            return state.best
        return canonical(self.encoding, state.best)

    def _tensor(self, advantage: np.ndarray) -> torch.Tensor:
        return torch.as_tensor(advantage, dtype=torch.float32, device=self.device)
