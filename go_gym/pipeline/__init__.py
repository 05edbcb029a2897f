"""Pipelines: a captured step in micro-batches, cut into stages, in the order of a schedule.

A plan is simulated by the one simulator: each micro-batch's ops are ops, the schedule is a strict
order of them (:class:`go_gym.Decision`), so that step time, bubble and each device's peak of memory
are exact. Degrees of tensor and data parallelism are not decided.
"""

from go_gym.pipeline.compare import Compared, best_of, compare
from go_gym.pipeline.cuts import CUTS, balanced, uniform, uniform_parameters
from go_gym.pipeline.microbatches import MicroBatched, micro_batched
from go_gym.pipeline.plan import PipelinePlan, PipelineRun, run_plan
from go_gym.pipeline.schedules import SCHEDULES, Pass, held, in_one_sequence
from go_gym.pipeline.stages import Blocks

__all__ = [
    "CUTS",
    "SCHEDULES",
    "Blocks",
    "Compared",
    "MicroBatched",
    "Pass",
    "PipelinePlan",
    "PipelineRun",
    "balanced",
    "best_of",
    "compare",
    "held",
    "in_one_sequence",
    "micro_batched",
    "run_plan",
    "uniform",
    "uniform_parameters",
]
