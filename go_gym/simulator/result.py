"""What a simulation says: Result, its trace, and the typed reasons of an invalid decision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np


@dataclass(frozen=True)
class OutOfMemory:
    """A device held more than its capacity."""

    device: int
    device_name: str
    time_ns: int

    def __str__(self) -> str:
        return f"out of memory on device {self.device} ({self.device_name}) at {self.time_ns} ns"


@dataclass(frozen=True)
class ColocationBroken:
    """An op is not on the device of its co-location group."""

    op: int
    op_name: str
    leader: int

    def __str__(self) -> str:
        return (
            f"co-location broken: op {self.op} ({self.op_name!r}) is not on the device of op "
            f"{self.leader}, the first of its group"
        )


@dataclass(frozen=True)
class OrderStuck:
    """A strict order can never proceed: each of these ops waits for the next, the last for the
    first."""

    ops: tuple[int, ...]
    op_names: tuple[str, ...]

    def __str__(self) -> str:
        shown = [f"{op} ({name!r})" for op, name in zip(self.ops, self.op_names, strict=True)]
        if len(shown) > 8:
            shown = [*shown[:7], f"… {len(shown) - 8} more …", shown[-1]]
        return f"the order can never proceed: ops wait for each other: {', '.join(shown)}"


Violation = OutOfMemory | ColocationBroken | OrderStuck


@dataclass(frozen=True, eq=False)
class Trace:
    """When everything happened; ns from the start of the step.

    Attributes:
        op_start, op_finish: (n,) int64.
        transfer_tensor, transfer_source, transfer_destination: (m,) int64, in order of start
            time, then tensor, then destination.
        transfer_start, transfer_finish: (m,) int64.
    """

    op_start: np.ndarray
    op_finish: np.ndarray
    transfer_tensor: np.ndarray
    transfer_source: np.ndarray
    transfer_destination: np.ndarray
    transfer_start: np.ndarray
    transfer_finish: np.ndarray


@dataclass(frozen=True, eq=False)
class Result:
    """One simulated step.

    Attributes:
        step_time_ns: makespan in ns, given for invalid decisions too (as if memory sufficed).
        violation: why the decision is invalid, None if it is valid. A broken co-location is
            named first, then an order that can never proceed (the step time and all
            else are those up to where it stops), then a lack of memory.
        busy_ns: (d,) int64 ns that each device computes.
        peak_memory: (d,) int64 bytes, the most that each device holds at any time.
        bytes_moved: bytes that arrive on other devices, each copy counted.
        trace: on request, else None.
        over_limit: does the step take longer than the limit that was given? Then the simulation
            stopped: ``step_time_ns`` is 1 ns more than the limit, memory is not judged, and the
            other figures are those up to there.
    """

    step_time_ns: int
    violation: Violation | None
    busy_ns: np.ndarray
    peak_memory: np.ndarray
    bytes_moved: int
    trace: Trace | None = None
    over_limit: bool = False

    @property
    def valid(self) -> bool:
        """Is there no violation?"""
        return self.violation is None

    @property
    def reason(self) -> str:
        """Why the decision is invalid; empty if it is valid."""
        return "" if self.violation is None else str(self.violation)


@dataclass(frozen=True, eq=False)
class BatchResult(Sequence[Result]):
    """The results of b decisions: a sequence of Result, and their figures as arrays.

    Attributes:
        step_time_ns: (b,) int64.
        valid: (b,) bool.
        violations: b times Violation or None.
        busy_ns, peak_memory: (b, d) int64.
        bytes_moved: (b,) int64.
        over_limit: (b,) bool.
    """

    step_time_ns: np.ndarray
    valid: np.ndarray
    violations: tuple[Violation | None, ...]
    busy_ns: np.ndarray
    peak_memory: np.ndarray
    bytes_moved: np.ndarray
    over_limit: np.ndarray

    @classmethod
    def of(cls, results: Sequence[Result]) -> "BatchResult":
        """The batch of one or more results, without their traces."""
        return cls(
            step_time_ns=np.array([result.step_time_ns for result in results], dtype=np.int64),
            valid=np.array([result.valid for result in results]),
            violations=tuple(result.violation for result in results),
            busy_ns=np.stack([result.busy_ns for result in results]),
            peak_memory=np.stack([result.peak_memory for result in results]),
            bytes_moved=np.array([result.bytes_moved for result in results], dtype=np.int64),
            over_limit=np.array([result.over_limit for result in results]),
        )

    def __len__(self) -> int:
        return len(self.step_time_ns)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> list[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | list[Result]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Result(
            step_time_ns=int(self.step_time_ns[index]),
            violation=self.violations[index],
            busy_ns=self.busy_ns[index],
            peak_memory=self.peak_memory[index],
            bytes_moved=int(self.bytes_moved[index]),
            over_limit=bool(self.over_limit[index]),
        )
