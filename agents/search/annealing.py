"""Simulated annealing over parts of the graph and single ops, from nothing or the best rule."""

import itertools
import math
from dataclasses import dataclass

import numpy as np

from go_gym.agent import EXACT, Budget, Moves
from go_gym.problem import TASKS, Decision, Problem
from go_gym.simulator import Trace

from ..common.critical import critical_ops
from ..common.rises import Rises
from ..common.separate import one_after_another
from ..common.traced import traced
from .space import Space
from .starts import random_genomes, starting_points


@dataclass(frozen=True)
class Schedule:
    """How an annealing runs; all our choice, found on four of the paper's graphs.

    Attributes:
        hot, hotter, cold: first temperature of the first round and of the others, and the last
            one, as shares of the rise in cost that a worse move usually brings.
        calls_per_unit: calls a round, for each unit; at least one round, at most ``rounds``.
        rounds: every other one starts from a random genome, the others from the best.
        width: how sharply a round goes from coarse scales to fine ones, as a share of the scales.
        trace_every: calls after which the critical ops are read anew.
        on_critical: share of moves that begin at a critical op.
        learn, least: rate at which scales that led to improvements are preferred, and the weight
            that each scale keeps.
        whole: share of moves that take a whole cluster, whatever values its units have; the
            others take those with the value of one of them.
        halve: share of moves that take only the front or the back of these.
        swap: share of moves that send another cluster the other way.
        follow, relieve: share of moves to a neighbour's device, and to the least busy device.
        fine: share of a round after which candidates, by then mostly of one unit, are simulated as
            moves from what they change (a tenth to a fifth less time a search).
    """

    hot: float = 0.1
    hotter: float = 10.0
    cold: float = 0.001
    calls_per_unit: int = 10
    rounds: int = 12
    width: float = 0.15
    trace_every: int = 20
    on_critical: float = 0.5
    learn: float = 0.03
    least: float = 0.1
    whole: float = 0.6
    halve: float = 0.3
    swap: float = 0.15
    follow: float = 0.5
    relieve: float = 0.15
    fine: float = 0.85


class Proposer:
    """Proposes moves and remembers at which scales they paid."""

    def __init__(self, space: Space, schedule: Schedule, rng: np.random.Generator) -> None:
        self.space, self.schedule, self.rng = space, schedule, rng
        self.hierarchy = space.hierarchy
        self.progress = 0.0
        self.credit = np.full(len(self.hierarchy), 0.5)
        self.scale = 0  # of the last proposal
        self.critical = np.empty(0, dtype=np.int64)  # units
        self.chance = np.empty(0)  # cumulative

    def look(self, decision: Decision, trace: Trace) -> None:
        """Read the critical units from the trace of a decision."""
        ops, share = critical_ops(traced(self.space.problem, decision, trace))
        if share.sum() > 0:
            self.critical = self.space.units.part_of[ops]
            self.chance = np.cumsum(share) / share.sum()

    def propose(self, genome: np.ndarray, busy: np.ndarray) -> np.ndarray:
        """A changed copy of ``genome``; ``busy`` (d,) ns is what its devices compute."""
        rng = self.rng
        row = 0 if len(genome) == 1 or rng.random() < 0.5 else int(rng.integers(len(genome)))
        position = np.arange(len(self.credit)) / max(len(self.credit) - 1, 1)
        away = (position - self.progress) / self.schedule.width
        weights = np.cumsum((self.credit + self.schedule.least) * np.exp(-away * away))
        self.scale = int(np.searchsorted(weights, rng.random() * weights[-1]))
        partition = self.hierarchy[self.scale]
        if len(self.critical) and rng.random() < self.schedule.on_critical:
            pivot = self.critical[np.searchsorted(self.chance, rng.random())]
            members = partition.members(partition.part_of[pivot])
        else:
            members = partition.members(int(rng.integers(partition.count)))
            pivot = members[rng.integers(len(members))]
        changed = genome.copy()
        old = genome[row, pivot]
        if rng.random() >= self.schedule.whole:
            members = members[genome[row, members] == old]
        if len(members) > 1 and rng.random() < self.schedule.halve:
            cut = rng.integers(1, len(members))
            members = members[:cut] if rng.random() < 0.5 else members[cut:]
        new = self._value(genome, row, members, old, busy)
        if self.space.columns[row] == "placement" and rng.random() < self.schedule.swap:
            other = partition.members(int(rng.integers(partition.count)))
            changed[row, other[genome[row, other] == new]] = old
        changed[row, members] = new
        return changed

    def reward(self, better: bool) -> None:
        """Tell whether the last proposal improved on the current genome."""
        rate = self.schedule.learn
        self.credit[self.scale] += rate * (float(better) - self.credit[self.scale])

    def _value(self, genome, row, members, old, busy) -> int:
        rng, values = self.rng, self.space.values[row]
        kind = rng.random()
        if self.space.columns[row] == "placement":
            if kind < self.schedule.follow:
                pointers, others = self.space.units.neighbours
                for _ in range(4):
                    unit = members[rng.integers(len(members))]
                    low, high = pointers[unit], pointers[unit + 1]
                    if low < high:
                        device = genome[row, others[rng.integers(low, high)]]
                        if device != old:
                            return int(device)
            elif kind < self.schedule.follow + self.schedule.relieve and busy.argmin() != old:
                return int(busy.argmin())
        elif kind < 0.5:
            step = 1 if rng.random() < 0.5 else -1
            return int(min(max(old + step, 0), values - 1))
        return int((old + rng.integers(1, values)) % values) if values > 1 else 0


def anneal(
    space: Space,
    budget: Budget,
    rng: np.random.Generator,
    start: np.ndarray,
    start_cost: float,
    schedule: Schedule,
) -> None:
    """Spend the rest of the budget on annealing from ``start``; the budget keeps the best.

    The temperature is in proportion to what the moves at hand cost, so that it fits problems of
    any size. Costs are step times with lack of memory added (:meth:`Space.costs`). At the fine end
    of a round, placements under FIFO are simulated by what changes (``Budget.delta``), which gives
    the same; large clusters, and priorities that follow the placement, take whole simulations.
    """
    proposer = Proposer(space, schedule, rng)
    rises = Rises()
    best, best_cost = start, start_cost
    busy = np.zeros(space.problem.num_devices)
    calls = max(schedule.calls_per_unit * space.units.count, budget.remaining // schedule.rounds)
    since_look = schedule.trace_every
    by_moves = space.columns == ("placement",) and not space.scheduled
    for number in itertools.count():
        if not budget.remaining:
            return
        current, cost = best, best_cost
        if number % 2:
            current = random_genomes(space, 2, rng)[1]
            cost = space.cost(budget.evaluate(space.decision(current)))
        moves: Moves | None = None
        hot = schedule.hot if number == 0 else schedule.hotter
        length = budget.remaining if budget.remaining < 2 * calls else calls
        for call in range(length):
            proposer.progress = call / length
            candidate = proposer.propose(current, busy)
            decision = space.decision(candidate)
            look = since_look >= schedule.trace_every
            since_look += 1
            result = moves.try_decision(decision) if moves else budget.evaluate(decision)
            new = space.cost(result)
            rise = new / cost - 1
            if rise > 0:
                rises.note(rise)
            proposer.reward(rise < 0)
            heat = rises.usual * hot * (schedule.cold / hot) ** proposer.progress
            if rise <= 0 or rng.random() < math.exp(-rise / heat):
                current, cost, busy = candidate, new, result.busy_ns
                if moves:
                    moves.adopt()
                elif by_moves and proposer.progress > schedule.fine:
                    moves = budget.delta(decision)
                if look:
                    proposer.look(decision, budget.trace())
                    since_look = 0
                if cost < best_cost:
                    best, best_cost = current, cost


class SimulatedAnnealing:
    """Simulated annealing of groups and single ops."""

    version = "1"
    reproducible = EXACT
    tasks: tuple[str, ...] = TASKS
    from_best = False
    scheduled = False
    schedule = Schedule()

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Anneal until the budget is spent; the best that was evaluated."""
        rng = np.random.default_rng(seed)
        space = Space(problem, self.scheduled)
        if not budget.remaining:
            return space.decision(space.neutral())
        genomes, costs = starting_points(space, budget, rng, self.from_best)
        anneal(space, budget, rng, genomes[0], float(costs[0]), self.schedule)
        return budget.best or space.decision(genomes[0])


class AnnealingFromBest(SimulatedAnnealing):
    """Simulated annealing that starts from the best of the classical heuristics."""

    version = "2"  # m-ETF, one of the starts, loses no op any more
    from_best = True


class SeparateAnnealing:
    """Simulated annealing of placement, then of priorities, then of fusion, a third each."""

    version = "1"
    reproducible = EXACT
    tasks = ("joint",)

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """See :func:`one_after_another`."""
        return one_after_another(SimulatedAnnealing(), problem, budget, seed)
