"""The ready queues: of the same events, they choose what the simulator chose."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym import Cluster, ComputationGraph
from go_gym.hardware.runtime.ready import build_queues
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate


@st.composite
def decided(draw):
    """A problem in which everything takes time, so that a moment is one moment; a decision."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ops, devices = draw(st.integers(1, 25)), draw(st.integers(1, 3))
    edges = [(a, b) for b in range(ops) for a in range(b) if rng.random() < 2.5 / ops]
    graph = ComputationGraph.from_costs(
        rng.integers(1, 9, size=ops).tolist(), [(op, 8) for op in range(ops)], edges
    )
    cluster = Cluster.uniform(devices, 8e9)
    levels = rng.integers(3, size=ops) if draw(st.booleans()) else None
    return Problem(graph, cluster), Decision(rng.integers(devices, size=ops), levels)


@given(decided())
@settings(max_examples=100, deadline=None)
def test_the_queues_choose_what_the_simulator_chose(case):
    problem, decision = case
    trace = simulate(problem, decision, trace=True).trace
    place = np.asarray(decision.placement)
    devices = problem.num_devices
    queues = build_queues(problem.graph, place, decision.priority, devices)
    number = {(each.tensor, each.destination): n for n, each in enumerate(queues.channels)}
    for device in range(devices):
        arrivals = sorted(
            (int(finish), number[int(tensor), device])
            for tensor, to, finish in zip(
                trace.transfer_tensor,
                trace.transfer_destination,
                trace.transfer_finish,
                strict=True,
            )
            if to == device
        )
        expected = sorted(np.flatnonzero(place == device), key=lambda op: trace.op_start[op])
        assert list(replay(queues.ready[device], problem.num_ops, trace.op_finish, arrivals)) == [
            (int(trace.op_start[op]), op) for op in expected
        ]


def replay(queue, num_ops, finish, arrivals):
    """When each op of a device is chosen, and which, if arrivals are noticed between ops."""
    now = 0
    queue.begin(now)
    while queue.remaining:
        while arrivals and arrivals[0][0] <= now:
            time, channel = arrivals.pop(0)
            queue.notify(num_ops + channel, time)
        op = queue.pop(now)
        if op is None:
            now = arrivals[0][0]
            continue
        yield now, op
        now = int(finish[op])
        queue.notify(op, now)


def test_a_silent_op_has_its_turn_but_is_not_given_out():
    """Two inputs of the program, of which the second is more urgent: its reader runs first."""
    graph = ComputationGraph.from_costs([0, 0, 5, 5], [(0, 8), (1, 8)], [(0, 2), (1, 3)])
    priority = np.array([1, 2, 3, 0])
    queue = build_queues(graph, np.zeros(4, int), priority, 1, resident=[0, 1]).ready[0]
    queue.begin(0)
    assert queue.remaining == 4
    assert queue.pop(0) == 2  # op 1 went, then op 0, which made op 2 ready before op 3's turn
    assert (queue.pop(0), queue.pop(0), queue.remaining) == (3, None, 0)


def test_what_was_noticed_late_counts_from_when_it_was_there():
    """Op 3 waits for what was there at 20 and at 10, op 4 for what was at 15, noticed last."""
    graph = ComputationGraph.from_costs([1] * 5, [(0, 8), (1, 8), (2, 8)], [(0, 3), (1, 3), (2, 4)])
    queue = build_queues(graph, np.array([0, 0, 0, 1, 1]), None, 2).ready[1]
    queue.begin(0)
    for channel, time in enumerate([20, 10, 15]):
        queue.notify(graph.num_ops + channel, time)
    assert (queue.pop(30), queue.pop(30)) == (4, 3)


@given(decided())
@settings(max_examples=50, deadline=None)
def test_what_is_freed_is_what_nobody_needs(case):
    """After each op, what lies on its device is what is still to be read there, or a result."""
    problem, decision = case
    graph, place = problem.graph, np.asarray(decision.placement)
    results = [int(graph.num_tensors) - 1]
    queues = build_queues(graph, place, None, problem.num_devices, results=results)
    for device, uses in enumerate(queues.uses):
        ops = np.flatnonzero(place == device).tolist()
        values = [None] * graph.num_tensors
        for channel in queues.channels:
            if channel.destination == device:
                values[channel.tensor] = "arrived"
        for _ in range(2):  # a second step begins anew
            held = list(values)
            uses.begin()
            for number, op in enumerate(ops):
                for tensor in graph.use_tensor[graph.use_consumer == op].tolist():
                    assert held[tensor] is not None
                for tensor in np.flatnonzero(graph.tensor_producer == op).tolist():
                    held[tensor] = "made"
                uses.free_after(op, held)
                to_come = np.isin(graph.use_consumer, ops[number + 1 :])
                needed = {*graph.use_tensor[to_come].tolist()}
                made = set(np.flatnonzero(np.isin(graph.tensor_producer, ops[: number + 1])))
                there = {t for t, value in enumerate(held) if value is not None}
                arrived = {t for t, value in enumerate(values) if value is not None}
                assert there == (needed & (made | arrived)) | (set(results) & made)
