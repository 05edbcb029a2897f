"""The lists of the devices: everything is there when it is used, and gone afterwards."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym.hardware.runtime.schedule import Action, build_schedule, simulated_order
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate
from tests.strategies import problems


@given(problems(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_replaying_the_lists_never_misses_a_tensor(problem: Problem, seed: int):
    """An interpreter of the lists that holds sets of tensors: each device in turn as far as it
    can go; nothing is used before it is there, nothing is left, nobody waits for ever."""
    rng = np.random.default_rng(seed)
    graph = problem.graph
    placement = rng.integers(problem.num_devices, size=graph.num_ops)
    order = simulated_order(problem, Decision(placement))
    schedule = build_schedule(graph, placement, order, problem.num_devices)
    held: list[set[int]] = [set() for _ in range(problem.num_devices)]
    posted: set[int] = set()
    at = [0] * problem.num_devices
    ran: list[int] = []
    moved = True
    while moved:
        moved = False
        for device, todo in enumerate(schedule.devices):
            while at[device] < len(todo):
                action, number = todo[at[device]]
                if action == Action.RECEIVE:
                    if number not in posted:
                        break
                    assert schedule.channels[number].destination == device
                    held[device].add(schedule.channels[number].tensor)
                elif action == Action.SEND:
                    assert schedule.channels[number].tensor in held[device]
                    posted.add(number)
                elif action == Action.FREE:
                    held[device].remove(number)
                else:
                    inputs = graph.use_tensor[graph.use_consumer == number]
                    assert set(inputs.tolist()) <= held[device]
                    held[device] |= set(range(*graph.op_tensor_ptr[number : number + 2].tolist()))
                    ran.append(number)
                at[device] += 1
                moved = True
    assert sorted(ran) == list(range(graph.num_ops))
    assert not any(held)
    assert len(schedule.channels) == len(simulated_transfers(problem, placement))


def simulated_transfers(problem: Problem, placement: np.ndarray) -> set[tuple[int, int]]:
    trace = simulate(problem, Decision(placement), trace=True).trace
    assert trace is not None
    return set(
        zip(trace.transfer_tensor.tolist(), trace.transfer_destination.tolist(), strict=True)
    )


@given(problems())
@settings(max_examples=30, deadline=None)
def test_each_device_keeps_the_order_of_the_simulated_starts(problem: Problem):
    decision = Decision(
        np.arange(problem.num_ops) % problem.num_devices, priority=np.arange(problem.num_ops)
    )
    trace = simulate(problem, decision, trace=True).trace
    assert trace is not None
    order = simulated_order(problem, decision)
    assert (np.diff(trace.op_start[order]) >= 0).all()
    rank = np.empty(problem.num_ops, dtype=np.int64)
    rank[order] = np.arange(problem.num_ops)
    graph = problem.graph
    assert (rank[graph.use_producer] < rank[graph.use_consumer]).all()


def test_results_stay_to_the_end():
    from go_gym import Cluster, ComputationGraph

    graph = ComputationGraph.from_costs([1, 1], [(0, 8), (1, 8)], [(0, 1)])
    problem = Problem(graph, Cluster.uniform(2, 1e9))
    order = simulated_order(problem, Decision([0, 1]))
    dropped = {
        keep: sorted(
            number
            for todo in build_schedule(graph, np.array([0, 1]), order, 2, keep).devices
            for action, number in todo
            if action == Action.FREE
        )
        for keep in [(), (1,), (0, 1)]
    }
    assert dropped == {(): [0, 0, 1], (1,): [0, 0], (0, 1): [0]}
