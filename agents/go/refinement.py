"""Later rounds: moves from the decision at hand, as an annealing makes them.

Moves, temperatures and acceptance are those of :mod:`go_agents.search.annealing`; instead of the
first move that the neighbourhood gives, the policy's choice of several is tried.
"""

import numpy as np

from go_gym.partitions import Hierarchy

from ..common.step_view import StepView
from ..search.description import Describer
from ..search.encoding import Encoding
from ..search.keys import GenomeKeys
from ..search.neighbourhood import Neighbourhood
from .chooser import MoveChooser, Offer, Trial
from .config import SearchConfig
from .evaluator import Evaluator
from .state import SearchState
from .tried import TriedMoves


class Refinement:
    """Refines a decision move by move.

    Args:
        encoding: the genomes.
        hierarchy: partitions of the units that moves are of.
        search: how many moves are on offer, and how often the step is traced.
        random: the only source of chance.
    """

    def __init__(
        self,
        encoding: Encoding,
        hierarchy: Hierarchy,
        search: SearchConfig,
        random: np.random.Generator,
    ) -> None:
        self.encoding, self.search, self.random = encoding, search, random
        self.neighbourhood = Neighbourhood(encoding, hierarchy)
        self.describer = Describer(encoding, self.neighbourhood.parts.counts)
        self.keys = GenomeKeys(encoding)

    def offer(
        self,
        genome: np.ndarray,
        key: np.uint64,
        busy: np.ndarray,
        view: StepView,
        progress: float,
    ) -> Offer:
        """Moves from ``genome`` to choose among.

        Args:
            genome: (columns, U) int64, with its ``key``.
            busy: (D,) ns that each device computes.
            view: of a decision near it.
            progress: share of the cooling round that is over.
        """
        moves = self.neighbourhood.draw(
            genome, view.focus, busy, progress, self.search.offers, self.random
        )
        placement = self.encoding.placement_of_units(genome)
        return Offer(
            moves,
            self.describer.describe(moves, placement, busy, view, progress),
            self.keys.of_moves(key, genome, moves),
        )

    def run(
        self,
        chooser: MoveChooser,
        evaluate: Evaluator,
        state: SearchState,
        tried: TriedMoves,
        view: StepView | None,
        progress: float,
        temperature: float,
    ) -> list[Trial]:
        """Try moves until the round's calls are used.

        Args:
            chooser: the policy.
            evaluate: simulates, as often as it may.
            state: its current decision is refined.
            tried: what is known of moves and decisions; gets what is tried here.
            view: of the current decision, None without a trace.
            progress: share of the cooling round that is over.
            temperature: how much worse a decision may be and still be gone on from, in rises of
                the cost that a move typically brings.
        """
        devices = self.encoding.problem.num_devices
        busy = evaluate.results[-1].busy_ns if evaluate.results else np.zeros(devices)
        seen = view or StepView.unknown(self.encoding.units.count, devices)
        assert state.current is not None  # a later round has something to refine
        key = self.keys.of(state.current)
        tried.keys.add(int(key))  # a move that changes nothing is not tried
        trials: list[Trial] = []
        since_trace = 0
        while evaluate.left > 0:
            genome, before = state.current, state.current_reward
            offer = self.offer(genome, key, busy, seen, progress)
            allowed = tried.unknown(offer.keys)
            chosen, log_probability = chooser.choose(offer, allowed, self.random)
            candidate = offer.moves.applied(chosen, genome)
            tried.keys.add(int(offer.keys[chosen]))
            reward = evaluate.rewards([candidate])
            gain = float(reward[0]) - before
            self.neighbourhood.levels.note(int(offer.moves.drawn["level"][chosen]), gain > 0)
            trials.append(Trial(offer, allowed, chosen, log_probability, gain))
            trace = view is not None and since_trace >= self.search.trace_every
            since_trace += 1
            if state.take([candidate], reward, self.random, temperature):
                busy, key = evaluate.results[-1].busy_ns, offer.keys[chosen]
                if trace:
                    seen, since_trace = evaluate.look_again(candidate), 0
        return trials
