"""A traced step as units and devices see it: slack, idle time, and what it hangs on."""

import itertools

import numpy as np
from go_agents.common.step_view import BINS, slacks, step_view
from go_agents.common.traced import traced
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.partitions.units import smallest_units
from tests.agents.go.test_network import layered
from tests.fusion.examples import aten_problems, fused_decisions
from tests.strategies import problems


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_slack_is_by_how_much_an_op_may_be_longer(problem):
    """Each device's order and the transfers as they were: longest paths written out."""
    placement = np.random.default_rng(0).integers(0, problem.num_devices, problem.graph.num_ops)
    placement = placement[problem.colocation_leader]
    decision = go_gym.Decision(placement)
    trace = go_gym.simulate(problem, decision, trace=True).trace
    slack, graph = slacks(traced(problem, decision, trace)), problem.graph
    took = {
        (int(t), int(d)): int(finish - trace.op_finish[graph.tensor_producer[t]])
        for t, d, finish in zip(
            trace.transfer_tensor,
            trace.transfer_destination,
            trace.transfer_finish,
            strict=True,
        )
    }
    after: list[list[tuple[int, int]]] = [[] for _ in range(graph.num_ops)]
    for use in range(graph.num_uses):
        producer, consumer = int(graph.use_producer[use]), int(graph.use_consumer[use])
        apart = placement[producer] != placement[consumer]
        key = int(graph.use_tensor[use]), int(placement[consumer])
        after[producer].append((consumer, took[key] if apart else 0))
    order = sorted(range(graph.num_ops), key=lambda i: (trace.op_start[i], trace.op_finish[i], i))
    for device in range(problem.num_devices):
        mine = [op for op in order if placement[op] == device]
        for first, second in itertools.pairwise(mine):
            after[first].append((second, 0))
    tail = np.zeros(graph.num_ops)
    for op in reversed(order):
        for other, delay in after[op]:
            duration = trace.op_finish[other] - trace.op_start[other]
            tail[op] = max(tail[op], delay + duration + tail[other])
    expected = trace.op_finish.max() - trace.op_finish - tail
    assert np.allclose(slack, np.maximum(expected, 0))


def test_idle_time_is_what_ops_leave():
    problem = layered(60)
    placement = np.random.default_rng(0).integers(0, 3, problem.num_ops)
    decision = go_gym.Decision(placement)
    result = go_gym.simulate(problem, decision, trace=True)
    view = step_view(smallest_units(problem), traced(problem, decision, result.trace))
    left = view.idle[:, -1] / BINS * view.step
    assert np.allclose(left, result.step_time_ns - result.busy_ns)


@settings(max_examples=60, deadline=None)
@given(aten_problems(max_ops=24), st.data())
def test_a_view_of_a_fused_step(problem, data):
    """Units begin and end with their ops in the trace, which kernels run together; the chain takes
    the whole step, and what is on it cannot end later."""
    decision = data.draw(fused_decisions(problem))
    result = go_gym.simulate(problem, decision, trace=True)
    units = smallest_units(problem)
    view = step_view(units, traced(problem, decision, result.trace))
    for unit in range(units.count):
        mine = units.part_of == unit
        assert view.start[unit] == result.trace.op_start[mine].min()
        assert view.finish[unit] == result.trace.op_finish[mine].max()
    assert (view.slack >= 0).all() and np.isfinite(view.slack).all()
    if result.step_time_ns:
        assert np.isclose(view.share.sum(), 1)
    busy = view.step - view.idle[:, -1] / BINS * view.step
    assert np.allclose(busy, result.busy_ns)
