"""GO in one shot, as an agent: the network's own decision, the best of several, then search."""

from pathlib import Path

import numpy as np
import torch

from go_gym.agent import SAME_MACHINE, Budget
from go_gym.baselines.metis import metis_placement
from go_gym.baselines.placements import contiguous_balanced, human_expert
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from go_gym.problem import Decision, Problem

from ...common.devices import device_name, own_torch, training_device
from ...heuristics.baechi import m_etf_schedule
from ...heuristics.cpop import cpop_schedule
from ...heuristics.heft import contention_schedules
from ...search.annealing import AnnealingSettings, anneal
from ...search.costs import costs
from ...search.encoding import Encoding
from .decoding import Decoding, decide
from .features import features_of, memory_needed
from .rows import ROWS, decision_rows
from .weights import SHIPPED, families_of, load_network

STARTS = 16
"""Decisions that are simulated, if there are calls, before a search goes on from the best."""
LARGE = 8192
"""Rows times devices times samples that are decoded at once, about, for the sake of time."""


class OneShotGO:
    """A trained network decides a graph it never saw, without any simulator call.

    With a budget of calls the decisions that it ranks first and those of the classical heuristics
    are simulated in turn, up to STARTS together; with more, an annealing goes on from the best.
    The weights that ship with the package saw synthetic graphs and models of this package's own,
    and none of the catalogue's.

    The human expert's placement and the contiguous one are ranked with the network's. Where what
    the network decides may not fit into memory, the answer without a call is METIS's or the human
    expert's, see :func:`roomy`.

    Args:
        weights: a checkpoint's folder; default what ships with the package.
        decoding: how decisions are sampled.
        device: where the network is: ``"cpu"``, ``"cuda"``, …; default the GPU where there is one.
        rows: rows that a graph is decided in, at most.
    """

    version = "2"
    tasks = ("placement",)
    reproducible = SAME_MACHINE

    def __init__(
        self,
        weights: str | Path = SHIPPED,
        decoding: Decoding | None = None,
        device: torch.device | str | None = None,
        rows: int = ROWS,
    ) -> None:
        self.weights, self.decoding, self.rows = Path(weights), decoding, rows
        self.device = training_device(device)
        self.network = load_network(self.weights, self.device)

    @property
    def ran_on(self) -> str:
        """The device that the network runs on."""
        return device_name(self.device)

    def track(self, problem: Problem) -> str:
        """Tuned on graphs of families that the weights have seen, generalising on others."""
        seen = problem.graph.metadata.get("family") in families_of(self.weights)
        return "tuned" if seen else "generalising"

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Without calls the decision ranked first; with calls the best that was evaluated."""
        placements = self.placements(problem, seed)
        if not budget.remaining:
            return Decision(placements[0])
        encoding = Encoding(problem, smallest_units(problem))
        partitions = structural_partitions(problem, encoding.units)
        starts = in_turn(placements, heuristic_starts(problem))
        starts = starts[: min(STARTS, budget.remaining)]
        genomes = [encoding.neutral(each) for each in starts]
        found = costs(problem, budget.evaluate_batch(encoding.decisions(genomes)))
        best = int(found.argmin())
        random = np.random.default_rng(seed)
        anneal(
            encoding,
            partitions,
            budget,
            random,
            genomes[best],
            float(found[best]),
            AnnealingSettings(),
        )
        return budget.best or Decision(placements[0])

    def placements(self, problem: Problem, seed: int) -> list[np.ndarray]:
        """(n,) placements, those ranked first first; no simulator call."""
        expert = human_expert(problem)
        if problem.num_devices == 1:
            return [expert]
        rows, _ = decision_rows(problem, self.rows)
        features = features_of(problem, rows)
        heaviest = rows.partition.longest(problem.mean_durations)
        others = np.stack([expert[heaviest], contiguous_balanced(problem)[heaviest]])
        with own_torch():
            decided = decide(
                self.network,
                features,
                seed,
                self.decoding or _affordable(features.count * problem.num_devices),
                self.device,
                others,
            )
        order = decided.ranked()
        found = [decided.rows[each][rows.part_of] for each in order]
        if decided.memory[order[0]] > 1.0:
            found.insert(0, roomy(problem))
        return found


def roomy(problem: Problem) -> np.ndarray:
    """(n,) int64: METIS's placement where it is thought to fit, or to need no more than the human
    expert's does; else the human expert's."""
    metis, expert = metis_placement(problem), human_expert(problem)
    need, most = (float(memory_needed(problem, each).max()) for each in (metis, expert))
    return metis if need <= max(1.0, most) else expert


def heuristic_starts(problem: Problem) -> list[np.ndarray]:
    """(n,) placements of the classical heuristics, those that were best most often first, and list
    schedules of many kinds before all of one kind (by the validation families)."""
    plans = [plan.placement for plan in contention_schedules(problem)]
    made = [
        metis_placement(problem),
        m_etf_schedule(problem).placement,
        *plans[::2],
        human_expert(problem),
        cpop_schedule(problem).placement,
        *plans[1::2],
    ]
    return list({np.asarray(each, dtype=np.int64).tobytes(): each for each in made}.values())


def in_turn(first: list[np.ndarray], second: list[np.ndarray]) -> list[np.ndarray]:
    """Two of the first and one of the second in turn, then what is left of either."""
    turns = range(max(len(first), len(second)))
    return [each for t in turns for each in (*first[2 * t : 2 * t + 2], *second[t : t + 1])]


def _affordable(size: int) -> Decoding:
    """The default, of fewer samples where there are many devices."""
    default = Decoding()
    samples = int(np.clip(LARGE // max(size, 1), 8, default.samples))
    return Decoding(samples=samples)
