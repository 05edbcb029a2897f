"""Measured step times in the place of simulated ones: for environments, and for agents."""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from go_gym.agent import Budget
from go_gym.errors import BudgetError
from go_gym.hardware.measure.measurement import Measurement
from go_gym.hardware.process.session import Session
from go_gym.problem import Decision, Problem
from go_gym.simulator import BatchResult, FullSimulator, LocalSearch, Result, simulate


class Hardware:
    """The backend ``"hardware"``: decisions run on the devices that the cluster names.

    A Result's step time is the median of measured steps; what is not measured (peak memory, bytes
    moved, the trace, an invalid decision) is the simulator's. One process is kept for the graph
    that was run last; it ends with this object, or with :meth:`close`.

    Args:
        runs: how many measurements are allowed, None for any number; invalid decisions are not
            measured and do not count.
        steps, warmups, patience: of each measurement, see ``Session.measure``.
        maker, memory, urgent: see ``Session``.

    Attributes:
        used: measurements so far.
        last: the last one, None before the first.
    """

    name = "hardware"
    deterministic = False

    def __init__(
        self,
        runs: int | None = None,
        steps: int = 10,
        warmups: int = 3,
        patience: float = 60.0,
        maker: str | None = None,
        memory: int | None = None,
        urgent: bool = False,
    ) -> None:
        if runs is not None and runs < 0:
            raise BudgetError(f"runs: {runs}, expected 0 or more")
        self.runs, self.steps, self.warmups, self.patience = runs, steps, warmups, patience
        self.maker, self.memory, self.urgent = maker, memory, urgent
        self.used = 0
        self.last: Measurement | None = None
        self._session: Session | None = None
        self._end = weakref.finalize(self, lambda: None)

    def run(self, problem: Problem, decision: Decision, trace: bool = False) -> Result:
        """Measure ``decision``.

        Raises:
            BudgetError: if no run is left.
            HardwareError: if the decision cannot be run here, or its run failed.
        """
        result = simulate(problem, decision, trace)
        if not result.valid:
            return result
        if self.runs is not None and self.used >= self.runs:
            raise BudgetError(f"a hardware run was asked for, and all {self.runs} are used")
        session = self._opened(problem)
        self.used += 1
        self.last = session.measure(problem, decision, self.steps, self.warmups, self.patience)
        return replace(result, step_time_ns=self.last.median_ns)

    def run_batch(self, problem: Problem, decisions: Sequence[Decision]) -> BatchResult:
        """Measure several decisions, one after another."""
        return BatchResult.of([self.run(problem, each) for each in decisions])

    def close(self) -> None:
        """End the process that measures; the next run starts another."""
        self._end()
        self._session = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the process that measures: a copy starts its own."""
        return {**self.__dict__, "_session": None, "_end": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state
        self._end = weakref.finalize(self, lambda: None)

    def _opened(self, problem: Problem) -> Session:
        if self._session is None or self._session.graph is not problem.graph:
            self.close()
            self._session = Session(problem.graph, self.maker, self.memory, self.urgent)
            self._end = weakref.finalize(self, self._session.close)
        return self._session


class HardwareBudget(Budget):
    """A budget of hardware runs in the place of simulator calls, for any agent.

    Args:
        problem: what is decided about.
        runs: how many measurements are allowed; invalid decisions count as well.
        hardware: what measures.
    """

    def __init__(self, problem: Problem, runs: int, hardware: Hardware) -> None:
        super().__init__(problem, runs)
        self.hardware = hardware

    def evaluate(
        self, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
    ) -> Result:
        """Measure ``decision``, to the end; raises BudgetError if no run is left."""
        self._take(1)
        result = self.hardware.run(self.problem, decision, trace)
        self._note(decision, result, self.used)
        return result

    def evaluate_batch(self, decisions: Sequence[Decision]) -> BatchResult:
        """Measure several decisions; raises BudgetError if there are too few runs."""
        if len(decisions) > self.remaining:
            self._take(len(decisions))
        return BatchResult.of([self.evaluate(each) for each in decisions])

    def _search_from(self, decision: Decision, known: Result | None = None) -> LocalSearch:
        """Moves are measured, each by itself."""
        run = partial(self.hardware.run, self.problem)
        return FullSimulator(self.problem, decision, run, known)
