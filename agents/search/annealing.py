"""Simulated annealing over parts of the graph and single ops, from nothing or the best rule."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.partitions import Hierarchy, Partition
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from go_gym.problem import Decision, Problem
from go_gym.simulator import LocalSearch, Result, simulate

from ..common.critical import Focus
from ..common.separate import one_after_another
from ..common.traced import traced
from .agent import SearchAgent
from .cooling import Acceptance, Cooling, length
from .costs import cost
from .encoding import Encoding
from .neighbourhood import Neighbourhood
from .starts import random_genomes, starting_points


@dataclass(frozen=True)
class AnnealingSettings:
    """How an annealing runs; our choice but for the method itself.

    Attributes:
        cooling: rounds and temperatures. Every other round starts from a random genome, the
            others from the best one.
        trace_every: calls after which the critical ops are read anew.
        fine: share of a round after which candidates, by then mostly of one unit, are simulated as
            moves from what they change (a tenth to a fifth less time a search).
    """

    cooling: Cooling = field(default_factory=Cooling)
    trace_every: int = 20
    fine: float = 0.85


def anneal(
    encoding: Encoding,
    partitions: Sequence[Partition],
    budget: Budget,
    random: np.random.Generator,
    start: np.ndarray,
    start_cost: float,
    settings: AnnealingSettings,
) -> None:
    """Spend the rest of the budget on annealing from ``start``; the budget keeps the best.

    Each call tries the first move that the neighbourhood gives. Costs are step times with lack of
    memory added (:func:`.costs.costs`). At the fine end of a round, placements under FIFO are
    simulated by what changes (``Budget.delta``), which gives the same; large moves, and priorities
    that follow the placement, take whole simulations.
    """
    problem, cooling = encoding.problem, settings.cooling
    neighbourhood = Neighbourhood(encoding, Hierarchy.of(partitions))
    acceptance = Acceptance()
    best, best_cost = start, start_cost
    busy, focus = np.zeros(problem.num_devices), Focus.unknown()
    calls = cooling.calls_of_a_round(encoding.units.count, budget.remaining)
    since_trace = settings.trace_every
    by_moves = encoding.columns == ("placement",) and not encoding.scheduled
    for number in itertools.count():
        if not budget.remaining:
            return
        current, current_cost = best, best_cost
        if number % 2:
            current = random_genomes(encoding, partitions, 2, random)[1]
            current_cost = cost(problem, budget.evaluate(encoding.decision(current)))
        delta: LocalSearch | None = None
        in_all = length(budget.remaining, calls)
        for call in range(in_all):
            progress = call / in_all
            move = neighbourhood.draw(current, focus, busy, progress, 1, random)
            candidate = move.applied(0, current)
            decision = encoding.decision(candidate)
            trace = since_trace >= settings.trace_every
            since_trace += 1
            temperature = cooling.temperature(number, progress)
            tried = judged(
                problem, budget, delta, decision, current_cost, acceptance, temperature, random
            )
            neighbourhood.levels.note(int(move.drawn["level"][0]), tried.cost < current_cost)
            if tried.accepted:
                current, current_cost, busy = candidate, tried.cost, tried.result.busy_ns
                if delta:
                    delta.adopt()
                elif by_moves and progress > settings.fine:
                    delta = budget.delta(decision)
                if trace:
                    focus = Focus.of(encoding.units, traced(problem, decision, budget.trace()))
                    since_trace = 0
                if current_cost < best_cost:
                    best, best_cost = current, current_cost


class Judged(NamedTuple):
    """A candidate that was evaluated: its result and cost, and whether to go on from it."""

    result: Result
    cost: float
    accepted: bool


def judged(
    problem: Problem,
    budget: Budget,
    delta: LocalSearch | None,
    decision: Decision,
    current_cost: float,
    acceptance: Acceptance,
    temperature: float,
    random: np.random.Generator,
) -> Judged:
    """Evaluate a candidate, by ``delta`` if given, as far as Metropolis's rule may accept it.

    What the rule will reject need not be simulated to its end: its random number is drawn first and
    gives the limit. Decisions, and the random numbers after them, are the same as without.
    """
    drawn = random.bit_generator.state
    rise = acceptance.limit(temperature, random.random())
    limit = None if math.isinf(rise) else math.ceil(current_cost * (1 + rise))
    if delta:
        result = delta.try_decision(decision, limit_ns=limit)
    else:
        result = budget.evaluate(decision, limit_ns=limit)
    new_cost = cost(problem, result)
    rise = new_cost / current_cost - 1
    if result.over_limit:
        acceptance.note(rise, partial(_rise, problem, decision, current_cost))
        return Judged(result, new_cost, False)
    random.bit_generator.state = drawn
    if rise > 0:
        acceptance.note(rise)
    return Judged(result, new_cost, acceptance.accepts(rise, temperature, random))


def _rise(problem: Problem, decision: Decision, before: float) -> float:
    """By what share a decision costs more than ``before``, simulated to the end."""
    return cost(problem, simulate(problem, decision)) / before - 1


class SimulatedAnnealing(SearchAgent):
    """Simulated annealing of groups and single ops."""

    presets: ClassVar[Mapping[str, str]] = {
        "separate": "go_agents.search.annealing:SeparateAnnealing"
    }
    settings = AnnealingSettings()

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Anneal until the budget is spent; the best that was evaluated."""
        random = np.random.default_rng(seed)
        encoding = Encoding(problem, smallest_units(problem), scheduled=self.scheduled)
        if not budget.remaining:
            return encoding.decision(encoding.neutral())
        partitions = structural_partitions(problem, encoding.units)
        genomes, costs = starting_points(encoding, partitions, budget, random, self.from_best)
        anneal(encoding, partitions, budget, random, genomes[0], float(costs[0]), self.settings)
        return budget.best or encoding.decision(genomes[0])


class SeparateAnnealing:
    """Simulated annealing of placement, then of priorities, then of fusion, a third each."""

    version = "1"
    reproducible = EXACT
    tasks = ("joint",)

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """See :func:`one_after_another`."""
        return one_after_another(SimulatedAnnealing(), problem, budget, seed)
