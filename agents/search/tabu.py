"""Tabu search of strict orders, as for job shops."""

from dataclasses import dataclass

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.baselines.priorities import PRIORITIES, prioritised
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result

from .critical_moves import TABU, best_move, heads, move, remember, tails


@dataclass(frozen=True)
class TabuSettings:
    """Our choice, on random job shops of this package's own.

    Attributes:
        tenure: calls for which a turned pair is kept, at least; up to two fifths more by chance.
        patience: calls without a better schedule after which it goes on from the best again.
        shaken: random moves then.
    """

    tenure: int = 12
    patience: int = 400
    shaken: int = 4


class Sequences:
    """The ops of each device that take time, in turn.

    Attributes:
        sequence: (m,) int64 ops, device by device.
        first: (d + 1,) int64, where each device's begin.
        position: (n,) int64, where each op stands; -1 for those that take no time.
    """

    def __init__(self, problem: Problem, placement: np.ndarray) -> None:
        n, classes = problem.num_ops, problem.device_class[placement]
        self.duration = np.ascontiguousarray(problem.durations[classes, np.arange(n)])
        self.placement, self.devices = placement, problem.num_devices
        timed = np.flatnonzero(self.duration)
        count = np.bincount(placement[timed], minlength=self.devices)
        self.first = np.concatenate([[0], np.cumsum(count)])
        self.sequence = timed
        self.position = np.full(n, -1, dtype=np.int64)

    def follow(self, start: np.ndarray) -> None:
        """Take the order in which ops (n,) start."""
        ops = np.flatnonzero(self.duration)
        self.set(ops[np.lexsort((ops, start[ops], self.placement[ops]))])

    def set(self, sequence: np.ndarray) -> None:
        """Take a sequence (m,)."""
        self.sequence = sequence.copy()
        self.position[sequence] = np.arange(len(sequence))

    def order(self) -> np.ndarray:
        """(n,) int64 ranks, of ops that take no time last."""
        rank = self.position.copy()
        untimed = np.flatnonzero(rank < 0)
        rank[untimed] = len(self.sequence) + np.arange(len(untimed))
        return rank


class TabuSearch:
    """Tabu search over what each device runs when (Nowicki and Smutnicki 1996), by moves on the
    critical path that are estimated before one is simulated.

    Departures: one simulator call a move; the neighbourhood is Balas and Vazacopoulos's; instead of
    their list of elite schedules, it goes back to the best after a while and shakes it.
    """

    version = "1"
    reproducible = EXACT
    tasks = ("scheduling",)
    settings = TabuSettings()

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """Search until the budget is spent; the best that was evaluated."""
        placement = np.asarray(problem.placement)
        plain = [prioritised(problem, Decision(placement), rule) for rule in PRIORITIES]
        if budget.remaining < len(plain):
            return plain[-1]
        results = [budget.evaluate(each, trace=True) for each in plain]
        Search(problem, placement, budget, np.random.default_rng(seed), self.settings).run(results)
        return budget.best or plain[-1]


class Search:
    """A tabu search of one problem.

    Args:
        problem, placement: whose orders are searched; (n,) devices.
        budget: its calls are spent.
        random: the only source of chance.
        settings: see there.
    """

    def __init__(
        self,
        problem: Problem,
        placement: np.ndarray,
        budget: Budget,
        random: np.random.Generator,
        settings: TabuSettings,
    ) -> None:
        graph = problem.graph
        self.placement, self.budget = placement, budget
        self.random, self.settings = random, settings
        self.sequences = Sequences(problem, placement)
        source, target = placement[graph.use_producer], placement[graph.use_consumer]
        delay = problem.mean_delays[graph.use_tensor]
        self.delay = np.where(source == target, 0, np.rint(delay)).astype(np.int64)
        self.inputs = (graph.op_use_ptr, graph.op_uses, graph.use_producer, self.delay)
        self.outputs = (graph.op_tensor_ptr, graph.tensor_use_ptr, graph.use_consumer, self.delay)
        self.tabu = np.zeros(TABU, dtype=np.int64)

    def run(self, results: list[Result]) -> None:
        """Search on from the best of ``results``, which have traces, to the end of the budget."""
        now = min(results, key=lambda result: result.step_time_ns)
        best, since = now.step_time_ns, 0
        assert now.trace is not None
        self.sequences.follow(now.trace.op_start)
        best_sequence, best_result = self.sequences.sequence.copy(), now
        while self.budget.remaining:
            if since > self.settings.patience:
                self.sequences.set(best_sequence)
                now, since = best_result, 0
                self.tabu[:] = 0
                self._shake(now)
                now = self.evaluate()
                if not now.valid:
                    self.sequences.set(best_sequence)
                    now = best_result
                continue
            place = self._choose(now, best)
            if place[0] < 0:
                return  # no critical path has two ops of a device beside each other: the optimum
            before = self.sequences.sequence.copy()
            self._apply(*place)
            found = self.evaluate()
            since += 1
            if not found.valid:
                self.sequences.set(before)
                continue
            now = found
            if now.step_time_ns < best:
                best, since = now.step_time_ns, 0
                best_sequence, best_result = self.sequences.sequence.copy(), now

    def evaluate(self) -> Result:
        """The result of the sequences as they are, with its trace."""
        decision = Decision(self.placement, order=self.sequences.order())
        return self.budget.evaluate(decision, trace=True)

    def _choose(self, now: Result, best: int) -> tuple[int, int]:
        assert now.trace is not None
        s, start = self.sequences, now.trace.op_start
        tail, by_data = tails(
            s.sequence, s.first, s.position, s.duration, self.placement, start, *self.outputs
        )
        ready = heads(start, s.duration, *self.inputs)
        source, target = best_move(
            s.sequence, s.first, s.position, s.duration, self.placement, start,
            now.trace.op_finish, tail, by_data, ready,
            self.tabu, self.budget.used, best, self.random.random(2 * len(s.sequence)),
        )  # fmt: skip
        return int(source), int(target)

    def _apply(self, source: int, target: int) -> None:
        s, tenure = self.sequences, self.settings.tenure
        move(s.sequence, s.position, source, target)
        until = self.budget.used + tenure + int(self.random.integers(2 * tenure // 5 + 1))
        remember(s.sequence, source, target, self.tabu, until)

    def _shake(self, now: Result) -> None:
        """Swap some ops that run one right after the other."""
        assert now.trace is not None
        start, finish = now.trace.op_start, now.trace.op_finish
        s = self.sequences
        one, other = s.sequence[:-1], s.sequence[1:]
        close = np.flatnonzero(
            (finish[one] == start[other]) & (self.placement[one] == self.placement[other])
        )
        count = min(self.settings.shaken, len(close))
        for at in self.random.choice(close, count, replace=False).tolist():
            self._apply(at, at + 1)
