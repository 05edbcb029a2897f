"""The exact agent: the best decision of a small problem, and a bound that says so."""

from dataclasses import dataclass
from time import perf_counter
from typing import ClassVar

import numpy as np

from go_gym.agent import Budget, option
from go_gym.baselines.bounds import tight_lower_bound_ns
from go_gym.baselines.priorities import critical_path
from go_gym.problem import Decision, Problem
from go_gym.simulator import Trace

from ..heuristics.portfolio import heuristic_placements
from .case import Case
from .model import Answer, Model, Transfers

MOST_CHOICES = 20_000
"""Ops × devices, and tensors × devices, beyond which nothing is proven: no model is built."""
MOST_SIMULATED = 16
"""Ops up to which waiting in queues is modelled as the simulator has it."""


@dataclass(frozen=True)
class ExactOptions:
    """Options of the exact agent."""

    seconds: float = option(60.0, "it stops after so many, with the bound proven by then", least=0)


@dataclass(frozen=True)
class Proof:
    """What was proven of a problem.

    Attributes:
        step_time_ns: of the decision, as simulated; None where none was valid.
        bound_ns: no valid decision has a shorter step time.
        seconds: that it took.
    """

    step_time_ns: int | None
    bound_ns: int
    seconds: float

    @property
    def optimal(self) -> bool:
        """Whether the decision is proven to be optimal."""
        return self.step_time_ns == self.bound_ns


class Exact:
    """Constraint programming (OR-Tools CP-SAT): the optimum of small problems, proven.

    Placement (or a given one) and order, with transfers under the contention models ``none`` and
    ``duplex``, memory and co-location. It starts from the classical heuristics and solves in turn,
    until a decision, simulated, is as short as the bound proven: a relaxation in which transfers
    wait as they like (under ``link`` and ``egress``: never); the same without any wait; and, up to
    ``MOST_SIMULATED`` ops, ports and queues exactly as the simulator has them. What it says of a
    decision is what the simulator says, so a bound can stay open where time ends. Orders are
    returned as strict ones, so that devices wait where the best schedule does.

    Attributes:
        proof: of the problem solved last.
    """

    Options: ClassVar[type] = ExactOptions
    version = "2"
    tasks = ("placement", "scheduling")

    def __init__(self, options: ExactOptions | None = None) -> None:
        self.options = options or ExactOptions()
        self.proof: Proof | None = None

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The best decision found; a simulator call for each start and each solution."""
        begun = perf_counter()
        run = _Run(problem, budget, seed, begun + self.options.seconds)
        run.start()
        if not run.done and run.small:
            run.prove()
        decision = run.best or run.fallback
        self.proof = Proof(run.step_ns, run.bound_ns, perf_counter() - begun)
        return decision


class _Run:
    """One problem's decisions and bound."""

    def __init__(self, problem: Problem, budget: Budget, seed: int, until: float) -> None:
        self.problem, self.budget, self.seed, self.until = problem, budget, seed, until
        self.case = Case(problem)
        self.bound_ns = tight_lower_bound_ns(problem)
        self.best: Decision | None = None
        self.step_ns: int | None = None
        self.trace: Trace | None = None

    @property
    def small(self) -> bool:
        """Whether a model of it is worth building."""
        graph, d = self.problem.graph, self.problem.num_devices
        return max(graph.num_ops, graph.num_tensors) * d * d <= MOST_CHOICES

    @property
    def done(self) -> bool:
        """Nothing is left to prove, or to prove it with."""
        over = perf_counter() >= self.until or self.budget.remaining == 0
        return over or self.step_ns == self.bound_ns

    @property
    def done_judging(self) -> bool:
        """Can no further decision be simulated, or be any shorter?"""
        return self.budget.remaining == 0 or self.step_ns == self.bound_ns

    def start(self) -> None:
        """The classical heuristics, under critical-path priorities."""
        given = self.problem.placement
        places = heuristic_placements(self.problem) if given is None else [np.asarray(given)]
        self.fallback = Decision(places[0])
        for place in places[: self.budget.remaining]:
            self.judge(Decision(place, priority=critical_path(self.problem, place)))

    def judge(self, decision: Decision) -> None:
        """Simulate, and keep the best."""
        result = self.budget.evaluate(decision, trace=True)
        if result.valid and (self.step_ns is None or result.step_time_ns < self.step_ns):
            self.best, self.step_ns, self.trace = decision, result.step_time_ns, result.trace

    def prove(self) -> None:
        """The models in turn, each with a part of the time that is left, the last with all."""
        duplex = self.problem.cluster.contention == "duplex"
        queues = self.problem.num_ops <= MOST_SIMULATED and (duplex or self.case.memory_binds)
        relaxed = self.run(Transfers.FREE, share=0.5 if duplex or queues else 1.0)
        if duplex and not self.done:
            most = relaxed.length if relaxed.proven else None
            self.run(Transfers.AT_ONCE, share=0.5 if queues else 1.0, most=most)
        if queues and not self.done:
            self.run(Transfers.SIMULATED)

    def run(self, transfers: Transfers, share: float = 1.0, most: int | None = None) -> Answer:
        """Solve one model, take its bound if it is one, and judge its solution."""
        case = self.case
        length = self._longest() if most is None else most
        model = Model(case, length, -(-self.bound_ns // case.unit), transfers)
        if self.best is not None and self.trace is not None and most is None:
            model.hint(np.asarray(self.best.placement), self.trace)
        answer = model.solve((self.until - perf_counter()) * share, self.seed)
        if transfers is not Transfers.AT_ONCE:
            self.bound_ns = max(self.bound_ns, answer.bound * case.unit)
        if answer.place is not None:
            for decision in self._decisions(answer):
                if not self.done_judging:
                    self.judge(decision)
        return answer

    def _longest(self) -> int:
        """Units of time that no step need exceed: the best known, or all work and transfers."""
        if self.step_ns is not None:
            return self.step_ns // self.case.unit
        moved = sum(max(map(max, delay)) for delay in self.case.delays) * self.problem.num_devices
        return sum(map(max, zip(*self.case.durations, strict=True))) + moved

    def _decisions(self, answer: Answer) -> list[Decision]:
        """The order of a solution, kept strictly, and as priorities: under contention, either can
        be the shorter one."""
        assert answer.place is not None and answer.start is not None
        order = np.argsort(answer.start, kind="stable")
        rank = np.empty(len(order), dtype=np.int64)
        rank[order] = np.arange(len(order))
        return [
            Decision(answer.place, order=rank),
            Decision(answer.place, priority=len(order) - rank),
        ]
