"""Traced steps: under fusion, what each kernel answers for is told of its ops."""

import numpy as np
from go_agents.common.critical import critical_ops
from go_agents.common.traced import traced
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.fusion.fused import fuse
from tests.fusion.examples import aten_problems, fused_decisions


@settings(max_examples=100, deadline=None)
@given(aten_problems(max_ops=24), st.data())
def test_kernels_are_found_again_in_the_trace_of_ops(problem, data):
    """Simulating the graph of kernels itself gives the trace that is told of them."""
    decision = data.draw(fused_decisions(problem))
    result = go_gym.simulate(problem, decision, trace=True)
    step = traced(problem, decision, result.trace)
    fused = fuse(problem, decision)
    of_kernels = go_gym.simulate(fused.problem, fused.decision, trace=True).trace
    for name, values in vars(of_kernels).items():
        np.testing.assert_array_equal(getattr(step.trace, name), values)
    np.testing.assert_array_equal(step.placement, fused.decision.placement)


@settings(max_examples=100, deadline=None)
@given(aten_problems(max_ops=24), st.data())
def test_a_kernel_s_share_is_divided_among_its_parts(problem, data):
    """The chain of the graph of kernels itself, its shares divided one by one."""
    decision = data.draw(fused_decisions(problem))
    result = go_gym.simulate(problem, decision, trace=True)
    step = traced(problem, decision, result.trace)
    ops, share = critical_ops(step)
    assert np.isclose(share.sum(), result.step_time_ns)
    fused = fuse(problem, decision)
    of_kernels = go_gym.simulate(fused.problem, fused.decision, trace=True).trace
    plan, expected = fused.plan, []
    for kernel, ns in zip(
        *critical_ops(traced(fused.problem, fused.decision, of_kernels)), strict=True
    ):
        parts = plan.parts[plan.part_ptr[kernel] : plan.part_ptr[kernel + 1]].tolist()
        devices = range(problem.num_devices)
        work = [1 + np.mean([problem.durations_on(d)[op] for d in devices]) for op in parts]
        expected += [(op, ns * w / sum(work)) for op, w in zip(parts, work, strict=True)]
    assert ops.tolist() == [op for op, _ in expected]
    assert np.allclose(share, [ns for _, ns in expected])
