"""A step over several hosts: a process a device, tensors sent by torch.distributed.

Every process does its device's list of the schedule that all of them build alike. Started by
torchrun, which tells each its rank (device ``r`` of the cluster is rank ``r``) and where to meet:

    torchrun --nproc-per-node 2 -m go_gym.hardware.distributed GRAPH DECISION --cluster FILE

prints the measurement as JSON on rank 0. Cores talk by gloo, GPUs by NCCL.
"""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from typing import Annotated, Any

import numpy as np
import torch
import torch.distributed as dist
import typer
from torch._subclasses.fake_tensor import FakeTensorMode

from go_gym.capture.program import Program
from go_gym.cluster import load_cluster
from go_gym.errors import GoGymError, HardwareError
from go_gym.graph import ComputationGraph
from go_gym.hardware.process.machine import describe
from go_gym.hardware.process.session import check_runnable
from go_gym.hardware.program.code import compile_step
from go_gym.hardware.program.source import program_of_graph
from go_gym.hardware.runtime.lanes import Lane, make_lane
from go_gym.hardware.runtime.orders import program_schedule
from go_gym.hardware.runtime.places import places
from go_gym.hardware.runtime.platform import check_platform
from go_gym.hardware.runtime.schedule import Action, Schedule, simulated_order
from go_gym.problem import Decision, Problem
from go_gym.problem.decision_file import load_decision


class Rank:
    """This process's device and its part of the step.

    Args:
        program, inputs: what runs; every rank has them all.
        schedule: what each rank does.
        lane: this rank's device.
        placement: (n,) rank of each op.
    """

    def __init__(
        self,
        program: Program,
        inputs: Sequence[torch.Tensor],
        schedule: Schedule,
        lane: Lane,
        placement: np.ndarray,
    ) -> None:
        self.program, self.schedule, self.lane = program, schedule, lane
        self.placement = placement
        self.rank = dist.get_rank()
        self.forms = tensor_forms(program)
        self.groups = _directions(dist.get_world_size())
        self.resident: dict[int, torch.Tensor] = {}
        self.values: list[Any] = []
        self.todo: list[tuple[Action, Any]] = []
        for action, number in schedule.devices[self.rank]:
            if action != Action.RUN:
                self.todo.append((action, number))
                continue
            step = program.steps[number].on(lane.device)
            call = compile_step(program, step)
            if call is not None:
                self.todo.append((action, call))
                continue
            held = step.constant if step.placeholder is None else inputs[step.placeholder]
            assert held is not None
            self.resident[step.tensors[0]] = held.to(lane.device)
        self.incoming = [
            number
            for source in range(dist.get_world_size())
            for action, number in schedule.devices[source]
            if action == Action.SEND and schedule.channels[number].destination == self.rank
        ]

    def run_step(self) -> int:
        """Run one step with all other ranks; its ns here, from the moment all were ready."""
        values: list[Any] = [None] * self.program.graph.num_tensors
        for tensor, held in self.resident.items():
            values[tensor] = held
        dist.barrier()
        start = time.perf_counter_ns()
        arriving = {number: self._expect(number) for number in self.incoming}
        leaving = []
        for action, what in self.todo:
            if action == Action.RUN:
                what(values)
            elif action == Action.FREE:
                values[what] = None
            elif action == Action.SEND:
                leaving.append(self._send(what, values))
            else:
                work, copy = arriving.pop(what)
                work.wait()
                values[self.schedule.channels[what].tensor] = copy
        for work, _ in leaving:
            work.wait()
        self.lane.finish()
        self.values = values
        return time.perf_counter_ns() - start

    def _expect(self, number: int) -> tuple[Any, torch.Tensor]:
        channel = self.schedule.channels[number]
        shape, dtype = self.forms[channel.tensor]
        copy = torch.empty(shape, dtype=dtype, device=self.lane.device)
        group = self.groups[channel.source, self.rank]
        return dist.irecv(copy, channel.source, group=group, tag=number), copy

    def _send(self, number: int, values: list[Any]) -> tuple[Any, torch.Tensor]:
        channel = self.schedule.channels[number]
        tensor = values[channel.tensor].contiguous()  # kept until it has left
        group = self.groups[self.rank, channel.destination]
        return dist.isend(tensor, channel.destination, group=group, tag=number), tensor

    def results(self) -> dict[str, torch.Tensor]:
        """The program's results that this rank made, on the CPU."""
        return {
            name: self.values[self.program.steps[v.op].tensors[v.position]].cpu()
            for name, v in self.program.outputs.items()
            if self.placement[v.op] == self.rank
        }


def tensor_forms(program: Program) -> dict[int, tuple[torch.Size, torch.dtype]]:
    """Shape and dtype of every tensor of the graph, without computing any."""
    forms: dict[int, tuple[torch.Size, torch.dtype]] = {}
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        made: list[Any] = []
        for step in program.steps:
            if step.placeholder is not None:
                known = program.inputs[step.placeholder]
                out: Any = (torch.empty(known.shape, dtype=known.dtype),)
            else:
                out = step.call([made[value.op][value.position] for value in step.inputs])
            made.append(out)
            for tensor, value in zip(step.tensors, out, strict=True):
                if tensor >= 0:
                    forms[tensor] = (value.shape, value.dtype)
    return forms


def _directions(count: int) -> dict[tuple[int, int], Any]:
    """A group for each ordered pair: what waits one way must not hold up the other way."""
    return {(a, b): dist.new_group([a, b]) for a in range(count) for b in range(count) if a != b}


def run(
    program: Program, problem: Problem, decision: Decision, steps: int, warmups: int
) -> tuple[list[int], dict[str, torch.Tensor]]:
    """Run a decision as this process's rank; all ranks call it alike.

    Returns:
        The step times in ns (of the slowest rank), and the results that this rank made.

    Raises:
        HardwareError: if there are not as many ranks as devices.
    """
    world, rank = dist.get_world_size(), dist.get_rank()
    if world != problem.num_devices:
        raise HardwareError(
            f"{world} ranks for {problem.num_devices} devices: start one for each "
            f"(torchrun --nproc-per-node …)"
        )
    placement = np.asarray(decision.placement)
    schedule = program_schedule(program, placement, simulated_order(problem, decision), world)
    lane = make_lane(places(problem.cluster)[rank])
    with ExitStack() as stack:
        lane.enter(stack)
        part = Rank(program, program.sample_inputs(), schedule, lane, placement)
        times = [part.run_step() for _ in range(warmups + steps)][warmups:]
        slowest = torch.tensor(times, device=lane.device)
        dist.all_reduce(slowest, dist.ReduceOp.MAX)
        return slowest.tolist(), part.results()


def check_measurable(problem: Problem, decision: Decision) -> str:
    """The backend by which ranks talk; raises HardwareError if hosts cannot run the decision."""
    check_platform(forked=False)
    check_runnable(problem, decision)
    if decision.fusion is not None and np.any(np.asarray(decision.fusion) > 0):
        raise HardwareError("fused kernels are not supported over several hosts: measure without")
    kinds = {place.kind for place in places(problem.cluster)}
    if len(kinds) > 1:
        raise HardwareError("cores and GPUs in one cluster of several hosts: neither gloo nor NCCL")
    return "nccl" if kinds == {"cuda"} else "gloo"


def measure_ranks(
    problem: Problem,
    decision: Decision,
    maker: str | None,
    steps: int,
    warmups: int,
    patience: float,
) -> dict[str, Any]:
    """Meet the other ranks and run the decision with them.

    Returns:
        Step times and their median in ns, the results that are single numbers, and the machine.

    Raises:
        HardwareError: if it cannot be run here, or by so many ranks.
    """
    dist.init_process_group(
        check_measurable(problem, decision), timeout=timedelta(seconds=patience)
    )
    try:
        program = program_of_graph(problem.graph, maker)
        times, results = run(program, problem, decision, steps, warmups)
        found: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(found, {k: float(v) for k, v in results.items() if v.numel() == 1})
        return {
            "step_ns": times,
            "median_ns": int(np.median(times)),
            "results": {name: value for part in found for name, value in part.items()},
            "machine": describe(places(problem.cluster)),
        }
    finally:
        dist.destroy_process_group()


def main(
    graph: Annotated[str, typer.Argument(help="Path of the graph's .npz.")],
    decision: Annotated[str, typer.Argument(help="Decision file.")],
    cluster: Annotated[str, typer.Option(help="Preset or .toml path: a device a rank.")] = "cpu2",
    model: Annotated[
        str | None, typer.Option(help="path.py:function, for graphs that are not the zoo's.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Steps that count.")] = 10,
    warmups: Annotated[int, typer.Option(min=0, help="Steps that come first.")] = 3,
    patience: Annotated[float, typer.Option(help="Seconds for a message.")] = 300.0,
) -> None:
    """Run a decision, a rank for each device, and print the measurement as JSON on rank 0."""
    try:
        problem = Problem(ComputationGraph.load(graph), load_cluster(cluster))
        chosen, _ = load_decision(decision)
        found = measure_ranks(problem, chosen, model, steps, warmups, patience)
    except GoGymError as error:
        typer.echo(f"rank {os.environ.get('RANK', 0)}: {error}", err=True)
        raise typer.Exit(2) from None
    if int(os.environ["RANK"]) == 0:
        typer.echo(json.dumps(found))


if __name__ == "__main__":
    typer.run(main)
