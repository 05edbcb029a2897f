"""An Instance: a problem whose optimum, or an interval that holds it, is known."""

from dataclasses import dataclass

from go_gym.errors import DatasetError
from go_gym.problem import Decision, Problem


@dataclass(frozen=True, eq=False)
class Instance:
    """A problem, what is known of its optimum, and who says so.

    Attributes:
        name: ``SET:NAME``, as :func:`go_gym.catalogue.instances.load` takes it.
        problem: graph, cluster and task.
        lower_ns: no valid decision has a shorter step time.
        upper_ns: a step time that some decision reaches, possibly only with an order that waits;
            None where nobody says.
        source: who says so.
        decision: one that reaches ``upper_ns``, None where it is not at hand.

    Raises:
        DatasetError: for an interval that is empty or negative.
    """

    name: str
    problem: Problem
    lower_ns: int
    upper_ns: int | None
    source: str
    decision: Decision | None = None

    def __post_init__(self) -> None:
        if self.lower_ns < 0 or (self.upper_ns is not None and self.upper_ns < self.lower_ns):
            raise DatasetError(
                f"instance {self.name!r}: no optimum lies between {self.lower_ns} and "
                f"{self.upper_ns} ns"
            )

    @property
    def optimum_ns(self) -> int | None:
        """The optimum, None where only an interval is known."""
        return self.lower_ns if self.lower_ns == self.upper_ns else None

    def gap(self, step_time_ns: int) -> float | None:
        """How far above the optimum a step time is, 0.05 for 5 %; None without an optimum."""
        return step_time_ns / self.optimum_ns - 1 if self.optimum_ns else None

    def __repr__(self) -> str:
        known = (
            f"optimum {self.optimum_ns:,} ns"
            if self.optimum_ns is not None
            else f"optimum from {self.lower_ns:,} ns"
            + ("" if self.upper_ns is None else f" to {self.upper_ns:,} ns")
        )
        return f"Instance({self.name!r}: {self.problem.num_ops:,} ops, {known})"
