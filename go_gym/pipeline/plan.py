"""A pipeline plan, and what the simulator says of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from go_gym.baselines.placements import follow_inputs, unite_groups
from go_gym.errors import GoGymError
from go_gym.pipeline.cuts import check_cuts
from go_gym.pipeline.microbatches import ONCE, MicroBatched, micro_batched
from go_gym.pipeline.passes import Kind
from go_gym.pipeline.schedules import (
    BACKWARD,
    CHUNKS,
    FORWARD,
    SCHEDULES,
    WEIGHTS,
    Pass,
    forward_only,
    in_one_sequence,
)
from go_gym.pipeline.stages import Blocks
from go_gym.problem import Decision, Problem
from go_gym.simulator import Result, simulate


@dataclass(frozen=True)
class PipelinePlan:
    """A pipeline: which blocks are a stage, how many micro-batches, in which order.

    Attributes:
        cuts: (stages + 1,) rising block numbers from 0 to the number of blocks.
        micro: micro-batches.
        schedule: one of ``SCHEDULES``. Stage s runs on device s, with ``"interleaved"`` on device
            s modulo half of the stages.
    """

    cuts: Sequence[int]
    micro: int
    schedule: str = "1f1b"

    @property
    def stages(self) -> int:
        """How many there are."""
        return len(self.cuts) - 1

    @property
    def devices(self) -> int:
        """How many devices they run on."""
        return self.stages // CHUNKS.get(self.schedule, 1)


@dataclass(frozen=True, eq=False)
class PipelineRun:
    """A plan in the simulator.

    Attributes:
        problem: the step in micro-batches, N ops.
        decision: where they run, in a strict order.
        result: the simulator's, with its trace if that was asked for.
        devices: that the plan uses, the first ones.
    """

    problem: Problem
    decision: Decision
    result: Result
    devices: int

    @property
    def bubble(self) -> float:
        """Share of the step, over the plan's devices, in which they compute nothing."""
        busy = int(self.result.busy_ns[: self.devices].sum())
        return 1 - busy / max(self.devices * self.result.step_time_ns, 1)


def run_plan(blocks: Blocks, plan: PipelinePlan, trace: bool = False) -> PipelineRun:
    """Simulate a plan; raises GoGymError for one that does not fit graph and cluster."""
    cuts = np.asarray(plan.cuts, dtype=np.int64)
    check_cuts(cuts, blocks)
    if plan.schedule not in SCHEDULES:
        raise GoGymError(f"schedule {plan.schedule!r}: expected one of {', '.join(SCHEDULES)}")
    chunks = CHUNKS.get(plan.schedule, 1)
    if plan.stages % chunks:
        raise GoGymError(f"{plan.schedule}: {plan.stages} stages, expected a multiple of {chunks}")
    captured = blocks.problem
    if plan.devices > captured.num_devices:
        raise GoGymError(
            f"{plan.stages} stages need {plan.devices} devices, {captured.cluster.name!r} has "
            f"{captured.num_devices}"
        )
    step = micro_batched(captured.graph, plan.micro)
    stage = follow_inputs(captured.graph, blocks.stages(cuts))[step.op]
    problem = Problem(step.graph, captured.cluster)
    placement = unite_groups(problem, stage % plan.devices)
    decision = Decision(placement, order=_order(step, stage, plan))
    result = simulate(problem, decision, trace)
    return PipelineRun(problem, decision, result, plan.devices)


def _order(step: MicroBatched, stage: np.ndarray, plan: PipelinePlan) -> np.ndarray:
    """(N,) int64: the rank of each op, by the schedule's passes; the update comes last."""
    sequences = SCHEDULES[plan.schedule](plan.devices, plan.micro)
    kind = step.parts.kind[step.op]
    if not np.isin(kind, (Kind.BACKWARD, Kind.WEIGHTS)).any():
        sequences = forward_only(sequences)
    passes = in_one_sequence(sequences, plan.stages)
    number = {each: i for i, each in enumerate(passes)}
    apart = Pass(WEIGHTS, 0, 0) in number
    kinds = {
        Kind.FORWARD: FORWARD,
        Kind.BACKWARD: BACKWARD,
        Kind.WEIGHTS: WEIGHTS if apart else BACKWARD,
    }
    when = np.where(kind == Kind.RESIDENT, -1, len(passes))
    for op in np.flatnonzero(step.micro != ONCE).tolist():
        when[op] = number[Pass(kinds[Kind(kind[op])], int(stage[op]), int(step.micro[op]))]
    graph = step.graph
    for op in range(graph.num_ops):  # what a layer without a place feeds may be of an earlier pass
        inputs = graph.op_uses[graph.op_use_ptr[op] : graph.op_use_ptr[op + 1]]
        when[op] = max(when[op], when[graph.use_producer[inputs]].max(initial=-1))
    rank = np.empty(graph.num_ops, dtype=np.int64)
    rank[np.lexsort((np.arange(graph.num_ops), when))] = np.arange(graph.num_ops)
    return rank
