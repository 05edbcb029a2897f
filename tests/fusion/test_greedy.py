"""The greedy default against its definition: the best single step, again and again."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.fusion.fused import fuse_plan
from go_gym.fusion.greedy import default_fusion, greedy_order
from go_gym.fusion.plan import plan_order
from tests.fusion.examples import aten_problems, fused_decisions


def work_ns(problem: go_gym.Problem, decision: go_gym.Decision, order: list[int]) -> int:
    """The work of all kernels together."""
    plan = plan_order(problem.graph, decision.placement, np.array(order, dtype=np.int64))
    fused = fuse_plan(problem, decision, plan)
    row = problem.device_class[fused.decision.placement]
    return int(fused.problem.durations[row, np.arange(plan.num_kernels)].sum())


@settings(max_examples=60, deadline=None)
@given(aten_problems(max_ops=12), st.data())
def test_each_step_is_the_best_and_none_is_left(problem, data):
    decision = replace(data.draw(fused_decisions(problem)), priority=None)
    order = greedy_order(problem, decision.placement).tolist()
    for done in range(len(order) + 1):
        so_far = order[:done]
        now = work_ns(problem, decision, so_far)
        gains = {
            op: now - work_ns(problem, decision, [*so_far, op])
            for op in range(problem.num_ops)
            if op not in so_far
        }
        best = max(gains.values(), default=0)
        if done == len(order):
            assert best <= 0
        else:
            assert best > 0
            assert order[done] == min(op for op, gain in gains.items() if gain == best)


@settings(max_examples=60, deadline=None)
@given(aten_problems(max_ops=20), st.data())
def test_levels_stand_for_the_order(problem, data):
    placement = data.draw(fused_decisions(problem)).placement
    levels = default_fusion(problem, placement)
    order = greedy_order(problem, placement)
    assert np.argsort(-levels, kind="stable")[: len(order)].tolist() == order.tolist()
    assert (levels > 0).sum() == len(order)
