"""The ops that a step's length hangs on."""

from go_agents.common.critical import critical_ops
from go_agents.common.traced import traced
from hypothesis import given, settings

import go_gym
from tests.strategies import decisions, problems


def test_critical_ops_of_a_small_case():
    """op0 (5) → tensor of 10 → op2 (4) on device 1, kept waiting by op1 (3), which is done."""
    graph = go_gym.ComputationGraph.from_costs([5, 3, 4], [(0, 10)], [(0, 2)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9))
    decision = go_gym.Decision([0, 1, 1])
    trace = go_gym.simulate(problem, decision, trace=True).trace
    ops, share = critical_ops(traced(problem, decision, trace))
    assert ops.tolist() == [2, 0]
    assert share.tolist() == [4 + 10, 5]


@settings(max_examples=150, deadline=None)
@given(problem=problems().flatmap(lambda p: decisions(p).map(lambda d: (p, d))))
def test_critical_ops_answer_for_the_whole_step(problem):
    problem, decision = problem
    result = go_gym.simulate(problem, decision, trace=True)
    ops, share = critical_ops(traced(problem, decision, result.trace))
    assert share.sum() == result.step_time_ns
    assert (share >= 0).all()
    assert len(set(ops.tolist())) == len(ops)
