"""What fused graphs cost and hold: by hand, by sets, and through both simulators."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.baselines.bounds import lower_bound_ns
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.fusion.fused import fuse
from go_gym.fusion.greedy import default_fusion
from go_gym.graph import Alias, Outlives
from go_gym.simulator import ColocationBroken, simulate, simulate_batch, simulate_reference
from tests.fusion.examples import Rules, aten_problems, fused_decisions

FIELDS = ("step_time_ns", "violation", "bytes_moved")
ARRAYS = ("busy_ns", "peak_memory")


def assert_equal(one, other):
    for name in FIELDS:
        assert getattr(one, name) == getattr(other, name)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    if one.trace is not None:
        for name in vars(one.trace):
            np.testing.assert_array_equal(getattr(one.trace, name), getattr(other.trace, name))


@settings(max_examples=80, deadline=None)
@given(aten_problems(max_ops=24), st.data())
def test_both_simulators_agree_on_kernels(problem, data):
    decision = data.draw(fused_decisions(problem))
    result = simulate(problem, decision, trace=True)
    assert_equal(result, simulate_reference(problem, decision, trace=True))
    unfused = go_gym.Decision(decision.placement)
    batch = simulate_batch(problem, [decision, unfused, decision])
    for one, other in ((decision, batch[0]), (unfused, batch[1]), (decision, batch[2])):
        assert_equal(simulate(problem, one), other)


@settings(max_examples=100, deadline=None)
@given(aten_problems(max_ops=24), st.data())
def test_level_zero_changes_nothing(problem, data):
    decision = data.draw(fused_decisions(problem))
    none = replace(decision, fusion=None)
    zero = replace(decision, fusion=np.zeros(problem.num_ops, dtype=int))
    assert_equal(simulate(problem, none, trace=True), simulate(problem, zero, trace=True))


@settings(max_examples=100, deadline=None)
@given(aten_problems(), st.data())
def test_figures_of_each_kernel(problem, data):
    """FLOPs, bytes and durations from sets of tensors."""
    decision = data.draw(fused_decisions(problem))
    rules, graph = Rules(problem, decision.placement), problem.graph
    fused = fuse(problem, decision)
    for i, root in enumerate(fused.plan.roots.tolist()):
        members = fused.plan.parts[fused.plan.part_ptr[i] : fused.plan.part_ptr[i + 1]].tolist()
        if len(members) == 1:
            own = problem.durations[:, root]
            assert fused.problem.durations[:, i].tolist() == own.tolist()
            continue
        read, seen = 0, set()
        for op in members:
            left = int(graph.bytes_read[op])
            for tensor in sorted(rules.inputs[op]):
                if rules.base(rules.maker[tensor]) in members or tensor in seen:
                    left -= min(left, int(graph.tensor_bytes[tensor]))
                seen.add(tensor)
            read += left
        assert fused.problem.graph.flops[i] == sum(int(graph.flops[op]) for op in members)
        assert fused.problem.graph.bytes_read[i] == read
        size = read + int(graph.bytes_written[root]) + int(fused.plan.written[i])
        for number, device in enumerate(problem.cluster.devices):
            work = sum(int(graph.flops[op]) / device.rates()[graph.dtype[op]] for op in members)
            expected = 2 + max(work, size / device.memory_bandwidth) * 1e9
            assert fused.problem.durations_on(number)[i] == pytest.approx(expected, abs=1.001)


@settings(max_examples=100, deadline=None)
@given(aten_problems(max_ops=24, devices=1), st.data())
def test_fusing_without_copies_never_takes_longer_on_one_device(problem, data):
    decision = data.draw(fused_decisions(problem))
    fused = fuse(problem, decision)
    members, times = np.unique(fused.plan.parts, return_counts=True)
    flops = int(fused.problem.graph.flops.sum())
    assert flops == int((problem.graph.flops[members] * times).sum())
    if times.max() == 1:
        assert flops == problem.graph.flops.sum()
        before = simulate(problem, replace(decision, fusion=None))
        assert simulate(problem, decision).step_time_ns <= before.step_time_ns


@settings(max_examples=100, deadline=None)
@given(aten_problems(), st.data())
def test_the_bound_holds_under_fusion(problem, data):
    decision = data.draw(fused_decisions(problem))
    step = simulate(problem, decision).step_time_ns
    assert lower_bound_ns(problem) <= step
    given_one = make_problem(problem.graph, problem.cluster, "fusion", decision.placement)
    assert lower_bound_ns(problem) <= lower_bound_ns(given_one) <= step
    unfused = simulate(problem, replace(decision, fusion=None)).step_time_ns
    scheduling = make_problem(problem.graph, problem.cluster, "scheduling", decision.placement)
    assert lower_bound_ns(scheduling) <= unfused


# -- by hand: 10 ns of launch, 1 byte a ns in memory, 1 FLOP a ns

DEVICES = go_gym.Cluster.uniform(
    2, 1e9, peak_flops=1e9, memory_bandwidth=1e9, launch_overhead=1e-8, memory=1000
)


def made(types, tensors, uses, read, written, flops=None, **more):
    graph = go_gym.ComputationGraph.from_arrays(
        "hand",
        num_ops=len(types),
        tensors=tensors,
        uses=uses,
        op_types=types,
        flops=flops or [0] * len(types),
        bytes_read=read,
        bytes_written=written,
        **more,
    )
    return go_gym.Problem(graph, DEVICES, "joint")


def step(problem, levels, placement=None):
    place = [0] * problem.num_ops if placement is None else placement
    return simulate(problem, go_gym.Decision(place, fusion=levels))


def test_a_chain_of_three():
    """Apart 3 × (10 + 8 + 8); together 10 + 8 + 8, and 8 bytes of memory instead of 16."""
    problem = made(
        ["aten.exp", "aten.relu", "aten.neg"],
        [(0, 8), (1, 8), (2, 8)],
        [(0, 1), (1, 2)],
        [8, 8, 8],
        [8, 8, 8],
    )
    apart, first, whole = step(problem, [0] * 3), step(problem, [1, 0, 0]), step(problem, [2, 1, 0])
    assert [each.step_time_ns for each in (apart, first, whole)] == [78, 52, 26]
    assert [int(each.peak_memory[0]) for each in (apart, first, whole)] == [16, 16, 8]
    assert step(problem, [1, 1, 0], [0, 1, 1]).step_time_ns == 26 + 8 + 26, "not across devices"


def test_a_cheap_producer_is_computed_by_both_readers():
    """exp → relu and neg: apart 3 × 26 = 78, then each computes it: 2 × 26; it is gone."""
    problem = made(
        ["aten.exp", "aten.relu", "aten.neg"],
        [(0, 8), (1, 8), (2, 8)],
        [(0, 1), (0, 2)],
        [8, 8, 8],
        [8, 8, 8],
        flops=[3, 2, 2],
    )
    result = step(problem, [1, 0, 0])
    assert result.step_time_ns == 52
    fused = fuse(problem, go_gym.Decision([0] * 3, fusion=[1, 0, 0]))
    assert fused.plan.roots.tolist() == [1, 2] and fused.problem.graph.flops.tolist() == [5, 5]
    stays = fuse(problem, go_gym.Decision([0, 0, 1], fusion=[1, 0, 0]))
    assert stays.plan.roots.tolist() == [0, 1, 2], "the reader on another device still needs it"


def test_a_product_has_an_epilogue_and_is_never_copied():
    """mm (20 FLOPs, 8 + 4 bytes) → relu: 10 + 20 instead of 30 + 10 + 4 + 4."""
    types = ["aten.mm", "aten.relu"]
    problem = made(types, [(0, 4), (1, 4)], [(0, 1)], [8, 4], [4, 4], flops=[20, 1])
    assert [step(problem, [level, 0]).step_time_ns for level in (0, 1)] == [30 + 18, 10 + 21]
    twice = made(
        [*types, "aten.neg"],
        [(0, 4), (1, 4), (2, 4)],
        [(0, 1), (0, 2)],
        [8, 4, 4],
        [4, 4, 4],
        flops=[20, 1, 1],
    )
    assert step(twice, [1, 0, 0]).step_time_ns == 30 + 18 + 18
    before = made(types[::-1], [(0, 4), (1, 4)], [(0, 1)], [4, 8], [4, 4], flops=[1, 20])
    assert step(before, [1, 0]).step_time_ns == 18 + 30, "nothing is fused into its inputs"
    smaller = made(
        types, [(0, 4), (1, 4)], [(0, 1)], [8, 4], [4, 4], flops=[20, 1], shapes=[(4,), (2,)]
    )
    assert step(smaller, [1, 0]).step_time_ns == 48


def test_views_go_along():
    """exp → view → relu is one kernel; a view that nothing reads keeps its base."""
    tensors, uses = [(0, 8), (1, 8), (2, 8)], [(0, 1), (1, 2)]
    types, aliases = ["aten.exp", "aten.t", "aten.relu"], [Alias.OWN, 0, Alias.OWN]
    costs = [8, 0, 8], [8, 0, 8]
    problem = made(types, tensors, uses, *costs, aliases=aliases)
    assert step(problem, [1, 0, 0]).step_time_ns == 26
    assert step(problem, [1, 0, 0], [0, 1, 0]).step_time_ns == 26 + 8 + 8 + 26
    kept = made(
        [*types, "aten.detach"],
        [*tensors, (3, 8)],
        [*uses, (0, 3)],
        [8, 0, 8, 0],
        [8, 0, 8, 0],
        aliases=[*aliases, 0],
    )
    fused = fuse(kept, go_gym.Decision([0] * 4, fusion=[1, 0, 0, 0]))
    assert fused.plan.roots.tolist() == [0, 2, 3] and fused.plan.parts.tolist() == [0, 0, 2, 3]


def test_results_of_the_step_are_written():
    """exp gives two tensors, relu reads one: the other must reach memory, so exp runs as well.

    Were it empty, or read by relu too, exp would be gone: 10 + 8 + 8 ns.
    """
    types, uses = ["aten.exp", "aten.relu"], [(0, 1)]
    for other, reads, roots, expected, memory in (
        (4, [], [0, 1], 10 + 8 + 12 + 26, 12),
        (0, [], [1], 26, 8),
        (4, [(1, 1)], [1], 26, 8),
    ):
        tensors = [(0, 8), (0, other), (1, 8)]
        problem = made(types, tensors, uses + reads, [8, 8 + 4 * len(reads)], [8 + other, 8])
        result = step(problem, [1, 0])
        fused = fuse(problem, go_gym.Decision([0, 0], fusion=[1, 0]))
        assert fused.plan.roots.tolist() == roots
        assert result.step_time_ns == expected and int(result.peak_memory[0]) == memory


def test_an_update_by_adam_reads_four_tensors_and_writes_three():
    """parameter, moments and gradient → new moments, new parameter: 7 × 4 bytes, one launch."""
    types = ["input"] * 4 + ["aten.lerp", "aten.addcmul", "aten.sqrt", "aten.div", "aten.sub"]
    tensors = [(op, 4) for op in range(9)]
    uses = [(1, 4), (3, 4), (2, 5), (3, 5), (5, 6), (4, 7), (6, 7), (0, 8), (7, 8)]
    read = [0] * 4 + [8, 8, 4, 8, 8]
    written = [0] * 4 + [4] * 5
    lasting = [0] * 4 + [Outlives.IN_PLACE, Outlives.IN_PLACE, 0, 0, Outlives.IN_PLACE]
    for outlives, bytes_moved in ((lasting, 28), (None, 20)):
        problem = made(types, tensors, uses, read, written, outlives=outlives)
        result = step(problem, [0] * 4 + [1, 1, 1, 1, 0])
        assert result.step_time_ns == 10 + bytes_moved
        chosen = default_fusion(problem, np.zeros(9, dtype=np.int64))
        assert step(problem, chosen).step_time_ns == 10 + bytes_moved
    # what another kernel reads as well is not written by both
    problem = made(
        [*types, "aten.relu"], [*tensors, (9, 4)], [*uses, (4, 9)], [*read, 4], [*written, 4],
        outlives=[*lasting, 0],
    )  # fmt: skip
    fused = fuse(problem, go_gym.Decision([0] * 10, fusion=[0] * 4 + [1, 1, 1, 1, 0, 0]))
    assert fused.plan.roots.tolist() == [0, 1, 2, 3, 4, 8, 9]
    assert fused.plan.written.tolist() == [0, 0, 0, 0, 0, 4, 0]


def test_what_is_measured_is_not_fused():
    problem = made(
        ["aten.exp", "aten.relu"],
        [(0, 8), (1, 8)],
        [(0, 1)],
        [8, 8],
        [8, 8],
        durations=[[5], [-1]],
        duration_kinds=["*"],
    )
    assert step(problem, [1, 1]).step_time_ns == 5 + 26


def test_a_kernel_has_the_highest_priority_of_its_parts():
    problem = made(["aten.exp", "aten.relu"], [(0, 8), (1, 8)], [(0, 1)], [8, 8], [8, 8])
    for priority in ([5, 1], [1, 5]):
        fused = fuse(problem, go_gym.Decision([0, 0], priority, [1, 0]))
        assert fused.decision.priority.tolist() == [5]


def test_a_torn_group_is_named_before_a_lack_of_memory():
    problem = made(
        ["aten.exp", "aten.relu", "aten.neg"],
        [(0, 999), (1, 999), (2, 8)],
        [(0, 1), (1, 2)],
        [8] * 3,
        [8] * 3,
        colocation=[4, -1, 4],
    )
    torn = step(problem, [0, 1, 0], [0, 1, 1]).violation
    assert torn == ColocationBroken(2, "op2", 0)
    assert "out of memory" in step(problem, [0, 1, 0], [0, 1, 0]).reason


def test_the_default_shortens_real_steps():
    for name in ("rnnlm-2", "inception-b32"):
        problem = make_problem(datasets.load(name), go_gym.load_cluster("p100x2"), "fusion")
        levels = default_fusion(problem, problem.placement)
        fused = simulate(problem, go_gym.Decision(problem.placement, fusion=levels))
        before = simulate(problem, go_gym.Decision(problem.placement))
        assert fused.step_time_ns < 0.9 * before.step_time_ns
