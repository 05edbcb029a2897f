"""Every cut by rule, schedule and number of micro-batches beside each other."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from go_gym.errors import GoGymError
from go_gym.pipeline.cuts import CUTS
from go_gym.pipeline.plan import PipelinePlan, PipelineRun, run_plan
from go_gym.pipeline.schedules import CHUNKS, SCHEDULES
from go_gym.pipeline.stages import Blocks


class Compared(NamedTuple):
    """A plan by rule: its cut's name, and what the simulator says, or why it cannot be."""

    cut: str
    schedule: str
    micro: int
    plan: PipelinePlan | None
    run: PipelineRun | None
    reason: str


def compare(
    blocks: Blocks,
    micro: Iterable[int],
    schedules: Sequence[str] = tuple(SCHEDULES),
    cuts: Sequence[str] = tuple(CUTS),
) -> Iterator[Compared]:
    """Simulate each combination on all devices of the cluster, one after the other."""
    for number in micro:
        for schedule in schedules:
            for cut in cuts:
                stages = blocks.problem.num_devices * CHUNKS.get(schedule, 1)
                try:
                    plan = PipelinePlan(CUTS[cut](blocks, stages).tolist(), number, schedule)
                    run = run_plan(blocks, plan)
                except GoGymError as error:
                    yield Compared(cut, schedule, number, None, None, str(error))
                    continue
                reason = "" if run.result.valid else run.result.reason
                yield Compared(cut, schedule, number, plan, run, reason)


def best_of(compared: Iterable[Compared]) -> Compared | None:
    """The fastest valid one, the first of several; None where there is none."""
    valid = [each for each in compared if each.run is not None and not each.reason]
    return min(valid, key=lambda each: each.run.result.step_time_ns, default=None)  # type: ignore[union-attr]
