"""Measuring in a process of its own, which is ended whatever happens in it.

The parent needs no torch. A worker that raises, hangs, is killed or runs out of memory ends the
measurement with one error that says so; leaving the session leaves no process behind.
"""

from dataclasses import fields
from typing import Any

import numpy as np

from go_gym.cluster import Cluster
from go_gym.errors import HardwareError
from go_gym.files import pack_arrays
from go_gym.fusion.fused import fuse
from go_gym.graph import ComputationGraph
from go_gym.hardware.measure.measurement import Measurement
from go_gym.hardware.process.parent import MeasuringProcess
from go_gym.hardware.runtime.places import Place, places
from go_gym.hardware.runtime.platform import check_platform
from go_gym.hardware.runtime.schedule import Order, simulated_order
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate

START_SECONDS = 300.0
"""The longest that starting the process and capturing the program may take (our choice)."""
EXTRA_SECONDS = 15.0
"""What an answer may take beyond the patience of its steps before the process is killed."""
COMPILE_SECONDS = 30.0
"""The longest that compiling a fused kernel may take, on average."""


class Session:
    """A graph's program, ready in a process of its own for any number of measurements.

    A context manager. After a failure the process is ended, and the next call starts another.

    Args:
        graph: what runs.
        maker: ``file.py:function`` that gives its Program, for graphs that are not the zoo's.
        memory: bytes of address space that the process may take, None for no limit.
        urgent: ask the OS to run the workers before other programs (needs the right to).
    """

    def __init__(
        self,
        graph: ComputationGraph,
        maker: str | None = None,
        memory: int | None = None,
        urgent: bool = False,
    ) -> None:
        self.graph, self.maker, self.memory, self.urgent = graph, maker, memory, urgent
        self._process: MeasuringProcess | None = None

    @property
    def process_id(self) -> int | None:
        """That of the process that measures, None while there is none."""
        return None if self._process is None else self._process.number

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def measure(
        self,
        problem: Problem,
        decision: Decision,
        steps: int = 10,
        warmups: int = 3,
        patience: float = 60.0,
        seconds: float = 120.0,
        order: Order = "ready",
    ) -> Measurement:
        """Run ``decision`` and time its steps.

        Args:
            problem: the session's graph (measured durations may differ) on devices of this
                machine.
            decision: placement and priorities.
            steps: how many steps count.
            warmups: how many come first and do not.
            patience: seconds that one step may take.
            seconds: noisy steps are repeated for so long at most.
            order: "ready": devices decide at run time what goes next, as in the simulator;
                "simulated": each runs its ops in the order of the simulated step.

        Raises:
            HardwareError: if the decision cannot be run here, or its run failed; if it fuses ops
                and torch.compile cannot make its kernels.
        """
        if steps < 1 or warmups < 0 or patience <= 0:
            raise HardwareError(
                f"steps {steps}, warmups {warmups}, patience {patience}: expected at least 1, 0 "
                "and more than 0 s"
            )
        found = _measurable(problem.cluster)
        result = check_runnable(problem, decision)
        none = np.zeros(problem.num_ops, dtype=np.int64)
        arrays = {
            "placement": np.asarray(decision.placement),
            "priority": none if decision.priority is None else np.asarray(decision.priority),
        }
        if _fuses(decision):
            fused = fuse(problem, decision)
            arrays |= {field.name: getattr(fused.plan, field.name) for field in fields(fused.plan)}
            problem, decision = fused.problem, fused.decision
        if decision.order is not None:  # its own, which the simulated step follows
            order = "simulated"
        if order == "simulated":
            arrays["order"] = simulated_order(problem, decision)
        data = pack_arrays(arrays)
        request = {
            "do": "measure",
            "places": found,
            "order": order,
            "peaks": result.peak_memory.tolist(),
            "steps": steps,
            "warmups": warmups,
            "patience": patience,
            "seconds": seconds,
        }
        longest = patience * (steps + warmups) + seconds + EXTRA_SECONDS
        if "roots" in arrays:
            longest += COMPILE_SECONDS * np.count_nonzero(np.diff(arrays["part_ptr"]) > 1)
        return Measurement.from_dict(self._ask(request, data, longest))

    def profile(self, cluster: Cluster, steps: int = 10, patience: float = 60.0) -> dict[str, Any]:
        """Durations of ops and transfers on the devices of ``cluster``; see ``calibrate``."""
        request = {
            "do": "profile",
            "places": _measurable(cluster),
            "steps": steps,
            "patience": patience,
        }
        longest = (patience * steps + EXTRA_SECONDS) * cluster.num_devices + 60.0
        return self._ask(request, b"", longest)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close()
            self._process = None

    def _ask(self, request: dict[str, Any], data: bytes, seconds: float) -> dict[str, Any]:
        try:
            if self._process is None:
                self._process = MeasuringProcess()
                opening = {
                    "do": "open",
                    "maker": self.maker,
                    "memory": self.memory,
                    "urgent": self.urgent,
                }
                self._process.ask(opening, self.graph.to_bytes(), START_SECONDS)
            return self._process.ask(request, data, seconds)
        except HardwareError as error:
            self.close()
            raise HardwareError(f"graph {self.graph.name!r}: {error}") from None
        except BaseException:  # Ctrl-C as well: nothing is left behind
            self.close()
            raise


def _measurable(cluster: Cluster) -> list[Place]:
    """Where the devices of ``cluster`` are; raises HardwareError if they cannot be measured."""
    found = places(cluster)
    check_platform(forked=all(place.kind == "cpu" for place in found))
    return found


def _fuses(decision: Decision) -> bool:
    return decision.fusion is not None and bool(np.any(np.asarray(decision.fusion) > 0))


def check_runnable(problem: Problem, decision: Decision) -> Result:
    """What is simulated; raises HardwareError unless the executor can run the decision."""
    result = simulate(problem, decision)
    if not result.valid:
        raise HardwareError(f"the decision is invalid and was not run: {result.reason}")
    return result


def measure_decision(
    problem: Problem,
    decision: Decision,
    *,
    steps: int = 10,
    warmups: int = 3,
    patience: float = 60.0,
    maker: str | None = None,
    memory: int | None = None,
    urgent: bool = False,
    order: Order = "ready",
) -> Measurement:
    """Run a decision on the real devices that ``problem.cluster`` names, and time its steps.

    One measurement with a process of its own; for several of one graph use :class:`Session`,
    whose arguments and errors are the same.
    """
    with Session(problem.graph, maker, memory, urgent) as session:
        return session.measure(problem, decision, steps, warmups, patience, order=order)
