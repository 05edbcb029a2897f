"""The search around the network: an annealing that tries, of several moves, those that may gain."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from go_gym.agent import Budget
from go_gym.partitions import Hierarchy, Partition
from go_gym.simulator import LocalSearch, Result

from ..common.step_view import StepView, step_view
from ..common.traced import traced
from ..search.annealing import judged
from ..search.cooling import Acceptance, Cooling, length
from ..search.description import Describer
from ..search.encoding import Encoding
from ..search.keys import GenomeKeys
from ..search.neighbourhood import Moves, Neighbourhood
from .reading import Reader
from .scorer import Preferences, Scorer


@dataclass(frozen=True)
class GOSettings:
    """How the search runs; our choice, by problems of the validation families.

    Attributes:
        cooling: rounds and temperatures, as plain annealing's.
        offers: moves that are drawn at a time.
        tries: of them that are tried, if none changes the decision, before others are drawn.
        read_every: calls after which the network reads the decision at hand anew.
        trace_every: calls after which its trace is.
        fine: share of a round after which candidates are simulated as moves from what they change,
            and the network is not asked any more.
    """

    cooling: Cooling = field(default_factory=Cooling)
    offers: int = 64
    tries: int = 4
    read_every: int = 200
    trace_every: int = 20
    fine: float = 0.85


# Wide: what it is made of, and where its walk is: the decision, the moves offered, the last reading
class Chooser:
    """Draws moves from a decision and chooses one, never one that was tried before if it can.

    Args:
        encoding: the genomes.
        partitions: of its units, that moves are of.
        scorer: says which moves gain.
        reader: reads placements, None where none is decided.
        settings: how many moves are drawn, and how often the network is asked.
        random: the only source of chance.

    Attributes:
        log: of each move tried, what the scorer saw and whether it gained; None keeps none.
    """

    def __init__(
        self,
        encoding: Encoding,
        partitions: Sequence[Partition],
        scorer: Scorer,
        reader: Reader | None,
        settings: GOSettings,
        random: np.random.Generator,
    ) -> None:
        self.encoding, self.scorer, self.reader = encoding, scorer, reader
        self.settings, self.random = settings, random
        problem, units = encoding.problem, encoding.units
        self.neighbourhood = Neighbourhood(encoding, Hierarchy.of(partitions))
        self.describer = Describer(encoding, self.neighbourhood.parts.counts)
        self.keys = GenomeKeys(encoding)
        self.tried: set[int] = set()
        self.placing = -1
        row_of = np.zeros(units.count, dtype=np.int64)
        if reader is not None:
            self.placing = encoding.columns.index("placement")
            row_of = reader.rows.part_of[encoding.representative]
        self.preferences = Preferences(row_of, units.work)
        self.busy = np.zeros(problem.num_devices)
        self.view = StepView.unknown(units.count, problem.num_devices)
        self.since_read = settings.read_every
        self.read: np.ndarray | None = None
        self.log: list[tuple[np.ndarray, bool]] | None = None

    def start(self, genome: np.ndarray) -> None:
        """Go on from ``genome``."""
        self.genome, self.key = genome, self.keys.of(genome)
        self.tried.add(int(self.key))  # a move that changes nothing is not tried
        self._offered: list[int] = []

    def choose(self, progress: float) -> np.ndarray:
        """A candidate (columns, U): the decision at hand after a move."""
        if not self._offered:
            self._offer(progress)
        self.since_read += 1
        chosen = self._offered.pop()
        key = self._keys[chosen]
        self.tried.add(int(key))
        self._chosen, self._next = chosen, (self._moves.applied(chosen, self.genome), key)
        return self._next[0]

    def _offer(self, progress: float) -> None:
        """Draw moves, and choose which are tried from here, the last of ``_offered`` first."""
        self._read(progress)
        offers, tries = self.settings.offers, self.settings.tries
        self._moves = self.neighbourhood.draw(
            self.genome, self.view.focus, self.busy, progress, offers, self.random
        )
        self._keys = self.keys.of_moves(self.key, self.genome, self._moves)
        self._features = self.features(self._moves, progress)
        score = self.scorer(self._features) + self.random.gumbel(size=offers)
        order = np.argsort(-score, kind="stable").tolist()
        keys = self._keys.tolist()
        new: dict[int, int] = {}
        for each in order:
            if keys[each] not in self.tried:
                new.setdefault(keys[each], each)
                if len(new) == tries:
                    break
        self._offered = list(new.values())[::-1] or order[:1]

    def features(self, moves: Moves, progress: float) -> np.ndarray:
        """(M, INPUTS) float32: what the scorer sees of moves from the decision at hand."""
        placement = self.encoding.placement_of_units(self.genome)
        described = self.describer.describe(moves, placement, self.busy, self.view, progress)
        preferred = self.preferences.of_moves(moves, self.genome, self.placing)
        return np.concatenate([described, preferred], axis=1)

    def note(self, gained: bool) -> None:
        """Tell whether the candidate costs less."""
        chosen = self._chosen
        self.neighbourhood.levels.note(int(self._moves.drawn["level"][chosen]), gained)
        if self.log is not None:
            self.log.append((self._features[chosen], gained))

    def accept(self, result: Result) -> None:
        """Go on from the candidate, whose result that is."""
        (self.genome, self.key), self.busy = self._next, result.busy_ns
        self._offered = []

    def _read(self, progress: float) -> None:
        if self.reader is None or progress > self.settings.fine:
            return
        if self.since_read >= self.settings.read_every and self.read is not self.genome:
            placement = self.genome[self.placing][self.encoding.units.part_of]
            self.preferences.table = self.reader.read(placement)
            self.since_read, self.read = 0, self.genome


def anneal(chooser: Chooser, budget: Budget, starts: Sequence[tuple[np.ndarray, float]]) -> None:
    """Spend the rest of the budget from the best start; the budget keeps the best.

    As :func:`go_agents.search.annealing.anneal`, but that each call tries the chooser's move of
    several, and that every other round begins at the next best start.

    Args:
        chooser: of moves; may be asked by nobody else meanwhile.
        budget: its calls are spent.
        starts: genomes and their costs, the best first.
    """
    settings, encoding, random = chooser.settings, chooser.encoding, chooser.random
    problem, cooling = encoding.problem, settings.cooling
    acceptance = Acceptance()
    best, best_cost = starts[0]
    calls = cooling.calls_of_a_round(encoding.units.count, budget.remaining)
    since_trace = settings.trace_every
    by_moves = encoding.columns == ("placement",) and not encoding.scheduled
    for number in itertools.count():
        if not budget.remaining:
            return
        current, current_cost = best, best_cost
        if number % 2:
            current, current_cost = starts[(number // 2 + 1) % len(starts)]
        chooser.start(current)
        delta: LocalSearch | None = None
        in_all = length(budget.remaining, calls)
        for call in range(in_all):
            progress = call / in_all
            candidate = chooser.choose(progress)
            decision = encoding.decision(candidate)
            temperature = cooling.temperature(number, progress)
            tried = judged(
                problem, budget, delta, decision, current_cost, acceptance, temperature, random
            )
            since_trace += 1
            chooser.note(tried.cost < current_cost)
            if not tried.accepted:
                continue
            current_cost = tried.cost
            chooser.accept(tried.result)
            if delta:
                delta.adopt()
            elif by_moves and progress > settings.fine:
                delta = budget.delta(decision)
            if since_trace > settings.trace_every:
                step = traced(problem, decision, budget.trace())
                chooser.view, since_trace = step_view(encoding.units, step), 0
            if current_cost < best_cost:
                best, best_cost = candidate, current_cost
