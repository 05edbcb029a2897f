"""GO as an agent: a trained network decides, and stays in the loop of the search that follows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch

from go_gym.agent import SAME_MACHINE, Budget, option
from go_gym.fusion.greedy import default_fusion
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from go_gym.problem import TASKS, Decision, Problem

from ..common.devices import device_name, own_torch
from ..heuristics.portfolio import placements_on_fewer
from ..search.costs import costs
from ..search.encoding import Encoding
from .annealing import Chooser, GOSettings, anneal
from .oneshot.agent import OneShotGO, heuristic_starts, in_turn
from .oneshot.decoding import Decoding
from .oneshot.network import Network
from .oneshot.rows import ROWS
from .oneshot.weights import SHIPPED
from .reading import Reader
from .scorer import Scorer, load_scorer

STARTS = 16
"""Decisions that are simulated first, or a hundredth of the budget if that is more (our choice)."""
SIZE = 4096
"""Samples times rows times devices that are decoded before a search, about, for its time."""


@dataclass(frozen=True)
class GOOptions:
    """What its decisions are judged under, and what its weights know."""

    priorities: Literal["fifo", "critical-path"] = option(
        "fifo",
        "what placements are judged under: first in, first out, or the critical-path priorities of "
        "each one's own, which then are part of the answer (no other task is decided)",
    )
    weights: Literal["shipped", "untrained"] = option(
        "shipped", "those that ship with the package, or drawn at random: what learning is worth"
    )


class GO:
    """A network trained on other graphs decides, and chooses the moves of the search that follows.

    Without a call the answer is that of ``go:one-shot``. With calls the decisions that the network
    ranks first and those of the classical heuristics are simulated in turn, and an annealing goes
    on from the best: from coarse parts of the graph to single ops, trying, of 64 moves that the
    neighbourhood draws, the four that a second, small network thinks likeliest to gain. That
    network sees what a move would change in loads, transfers and idle times, and how much likelier
    the first network finds what follows; that one reads the decision at hand every 200 calls.

    Nothing is learned of the problem at hand. GO as published (Zhou et al., NeurIPS 2020), which
    trains on it by PPO, is :class:`go_agents.go.paper.agent.PaperGO`. This departs from it in:

    - **Training**: both networks are trained once, by imitation of decisions that a search found
      (:mod:`.oneshot.training`) and on moves that a search tried (:mod:`.scorer_training`), on
      families that no board measures.
    - **Network**: rows of ops instead of ops, devices scored by what lies on them, decisions
      completed in rounds, surest rows first (:mod:`.oneshot.network`).
    - **Search**: the paper samples; here annealing's moves refine the best sample.
    - **Tasks**: priorities and fusion have no head of their own. They begin at the critical path
      and the framework's default; moves of them are chosen as those of placements are.

    Args:
        options: what placements are judged under, and which weights.
        weights: a checkpoint's folder of the network; default what ships with the package.
        settings: how the search runs.
        device: where the network is: ``"cpu"``, ``"cuda"``, …; default the GPU where there is one.
        rows: rows that a graph is decided in, at most.
        scorer: of moves; default what ships with the package.
    """

    version = "5"
    reproducible = SAME_MACHINE
    Options: ClassVar[type | None] = GOOptions
    presets: ClassVar[Mapping[str, str]] = {
        "one-shot": "go_agents.go.oneshot.agent:OneShotGO",
        "paper": "go_agents.go.paper.agent:PaperGO",
        "separate": "go_agents.go.separate:SeparateGO",
    }

    def __init__(
        self,
        options: GOOptions | None = None,
        weights: str | Path = SHIPPED,
        settings: GOSettings | None = None,
        device: torch.device | str | None = None,
        rows: int = ROWS,
        scorer: Scorer | None = None,
    ) -> None:
        self.options, self.settings = options or GOOptions(), settings or GOSettings()
        self.scheduled = self.options.priorities == "critical-path"
        self.tasks = TASKS[:1] if self.scheduled else TASKS
        untrained = self.options.weights == "untrained"
        with own_torch():
            self.one_shot = OneShotGO(weights, device=device, rows=rows)
            self.scorer = scorer or (Scorer.untrained() if untrained else load_scorer())
            if untrained:
                torch.manual_seed(0)
                network = Network(self.one_shot.network.sizes).eval()
                self.one_shot.network = network.to(self.one_shot.device)

    @property
    def ran_on(self) -> str:
        """The device that the network runs on."""
        return device_name(self.one_shot.device)

    def track(self, problem: Problem) -> str:
        """Tuned on graphs of families that the weights have seen, generalising on others."""
        return self.one_shot.track(problem)

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Without calls the decision ranked first; with calls the best that was evaluated."""
        encoding = Encoding(problem, smallest_units(problem), scheduled=self.scheduled)
        placements = self._placements(problem, budget, seed)
        starts = self._genomes(encoding, placements)
        if not budget.remaining:
            return encoding.decision(starts[0])
        starts = starts[: min(max(STARTS, budget.remaining // 100), budget.remaining)]
        found = costs(problem, budget.evaluate_batch(encoding.decisions(starts)))
        order = np.argsort(found, kind="stable")
        if budget.remaining and (problem.num_devices > 1 or problem.task != "placement"):
            chooser = self.chooser(encoding, seed)
            anneal(chooser, budget, [(starts[each], float(found[each])) for each in order])
        return budget.best or encoding.decision(starts[order[0]])

    def chooser(self, encoding: Encoding, seed: int) -> Chooser:
        """What chooses the search's moves."""
        problem, own, reader = encoding.problem, self.one_shot, None
        if "placement" in encoding.columns and problem.num_devices > 1:
            reader = Reader(own.network, problem, own.device, own.rows)
        partitions = structural_partitions(problem, encoding.units)
        random = np.random.default_rng(seed)
        return Chooser(encoding, partitions, self.scorer, reader, self.settings, random)

    def _placements(self, problem: Problem, budget: Budget, seed: int) -> list[np.ndarray]:
        """Placements to begin with, those to be simulated first first."""
        if problem.placement is not None:
            return [np.asarray(problem.placement)]
        self.one_shot.decoding = None
        if budget.remaining:
            size = min(problem.num_ops, self.one_shot.rows) * problem.num_devices
            self.one_shot.decoding = Decoding(samples=int(np.clip(SIZE // size, 8, 32)))
        own = self.one_shot.placements(problem, seed)
        if not budget.remaining:
            return own
        return [*in_turn(own, heuristic_starts(problem)), *placements_on_fewer(problem)]

    def _genomes(self, encoding: Encoding, placements: list[np.ndarray]) -> list[np.ndarray]:
        """Each placement; where fusion is decided, with the framework's default first."""
        found = []
        for placement in placements:
            if "fusion" in encoding.columns:
                fusion = default_fusion(encoding.problem, placement)
                found.append(encoding.neutral(placement, fusion))
            if len(found) < 1 or "fusion" not in encoding.columns:
                found.append(encoding.neutral(placement))
        return found
