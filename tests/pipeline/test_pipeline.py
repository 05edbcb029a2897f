"""Pipelines against their closed forms, brute force, the captured step and the specification."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import go_gym
import go_gym.graph.builder
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.cli import app
from go_gym.cluster import load_cluster
from go_gym.errors import GoGymError
from go_gym.pipeline import (
    CUTS,
    SCHEDULES,
    Blocks,
    PipelinePlan,
    held,
    in_one_sequence,
    micro_batched,
    run_plan,
    uniform,
)
from go_gym.pipeline.cuts import lightest
from go_gym.pipeline.microbatches import SUM
from go_gym.pipeline.passes import Kind, step_parts
from go_gym.pipeline.schedules import BACKWARD, FORWARD, WEIGHTS
from go_gym.simulator import simulate_reference
from tests.pipeline.models import chain

sizes = st.tuples(st.integers(1, 5), st.integers(1, 9))
times = st.integers(1, 20)


def run(problem, schedule: str, stages: int, micro: int):
    blocks = Blocks.of(problem)
    return run_plan(blocks, PipelinePlan(uniform(blocks, stages), micro, schedule))


@settings(max_examples=40, deadline=None)
@given(sizes, times, times, st.sampled_from(["gpipe", "1f1b"]))
def test_the_bubble_of_equal_stages(size, forward, backward, schedule):
    """(p - 1) / (m + p - 1): Huang et al. 2019, section 2.3; Narayanan et al. 2021, section 2.2."""
    p, m = size
    found = run(chain(p, forward * m, backward * m, 0), schedule, p, m)
    assert found.result.step_time_ns == (m + p - 1) * (forward + backward)
    assert found.bubble == pytest.approx((p - 1) / (m + p - 1), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.integers(1, 3), times, times)
def test_the_bubble_of_interleaved_stages_is_divided_by_the_chunks(p, turns, forward, backward):
    """(p - 1) / v of a device's work a micro-batch: Narayanan et al. 2021, section 2.2."""
    m, chunks = p * turns, 2
    problem = chain(chunks * p, forward * m, backward * m, 0, devices=p)
    found = run(problem, "interleaved", chunks * p, m)
    assert found.result.step_time_ns == (m * chunks + p - 1) * (forward + backward)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(0, 4), times, times, times)
def test_the_bubble_of_zero_bubble(p, more, forward, backward, weights):
    """(p - 1) (F + B - W), from p micro-batches on and for W up to F and B: Qi et al. 2024, table 1
    (ZB-H1)."""
    m, weights = p + more, min(weights, forward, backward)
    found = run(chain(p, forward * m, backward * m, weights * m), "zero-bubble", p, m)
    idle = (p - 1) * (forward + backward - weights)
    assert found.result.step_time_ns == m * (forward + backward + weights) + idle


@settings(max_examples=30, deadline=None)
@given(sizes)
def test_activations_in_flight(size):
    """min(m, p - s) with one forward, one backward, m with GPipe; in passes and in bytes."""
    p, m = size
    saved = 1_000_003
    problem = chain(p, 3 * m, 5 * m, 0, saved=saved * m)
    for schedule, most in (("gpipe", [m] * p), ("1f1b", [min(m, p - s) for s in range(p)])):
        assert [held(passes) for passes in SCHEDULES[schedule](p, m)] == most
        found = run(problem, schedule, p, m)
        assert found.result.peak_memory.tolist() == [4 + saved * each for each in most]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(SCHEDULES)), st.integers(1, 6), st.integers(1, 4))
def test_a_schedule_runs_every_pass_once_and_can_proceed(schedule, devices, turns):
    micro = devices * turns
    sequences = SCHEDULES[schedule](devices, micro)
    stages = 1 + max(each.stage for passes in sequences for each in passes)
    assert stages == devices * (2 if schedule == "interleaved" else 1)
    kinds = [FORWARD, BACKWARD, *([WEIGHTS] if schedule == "zero-bubble" else [])]
    order = in_one_sequence(sequences, stages)
    assert sorted(order) == sorted(itertools.product(kinds, range(stages), range(micro)))
    assert all(each.stage % devices == d for d, passes in enumerate(sequences) for each in passes)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=8), st.data())
def test_the_balanced_cut_is_the_best_of_all(load, data):
    stages = data.draw(st.integers(1, len(load)))
    blocks = Blocks.of(chain(len(load), 1, 1, 1))
    cuts = lightest(np.array(load, dtype=float), stages, blocks)
    inner = itertools.combinations(range(1, len(load)), stages - 1)
    every = [(0, *each, len(load)) for each in inner]

    def heaviest(cut):
        return max(sum(load[a:b]) for a, b in itertools.pairwise(cut))

    assert tuple(cuts.tolist()) in every and heaviest(cuts) == min(map(heaviest, every))


@pytest.mark.parametrize("name", ["gpt2", "rnnlm-2", "transformer-xl-2"])
def test_micro_batches_do_the_work_of_the_step(name):
    """One is the step itself; several do the same work, and add up each gradient."""
    graph = datasets.load(name)
    assert micro_batched(graph, 1).graph.content_hash == graph.content_hash
    parts = step_parts(graph)
    several = micro_batched(graph, 3)
    sums = several.graph.op_type == several.graph.op_types.index(SUM)
    assert sums.sum() == 2 * parts.summed.sum() > 0
    assert several.graph.flops[~sums].sum() == graph.flops.sum()
    assert several.graph.parameter_bytes.sum() == graph.parameter_bytes.sum()
    copies = np.bincount(several.op[~sums], minlength=graph.num_ops)
    assert np.array_equal(copies, np.where(parts.once, 1, 3))
    assert (several.graph.bytes_read[~sums].sum() >= graph.bytes_read.sum()).all()


def test_the_update_reads_sums_alone_and_adds_up_the_gradients_of_tied_weights():
    graph = datasets.load("gpt2")
    several = micro_batched(graph, 3)
    made, kind = several.graph, several.parts.kind[several.op]
    sums = made.op_type == made.op_types.index(SUM)
    update = (kind == Kind.UPDATE) & ~sums
    read = made.use_producer[update[made.use_consumer]]
    assert (sums | update | (kind == Kind.RESIDENT))[read].all(), "never one micro-batch's"
    tied = np.flatnonzero((several.parts.kind == Kind.UPDATE) & (graph.phase == 1))
    assert len(tied) == 1 and graph.op_types[graph.op_type[tied[0]]].startswith("aten.add")


def test_tied_weights_are_sent_once_and_their_gradients_are_added_in_the_update():
    graph = datasets.load("gpt2")
    problem = make_problem(graph, load_cluster("p100x4"), "placement")
    moved = {}
    for micro in (4, 8):
        found = run(problem, "1f1b", 4, micro)
        step, place = micro_batched(graph, micro), np.asarray(found.decision.placement)
        used = step.graph
        away = place[used.use_producer] != place[used.use_consumer]
        resident = step.parts.kind[step.op[used.use_producer]] == Kind.RESIDENT
        moved[micro] = np.unique(used.use_tensor[away & resident]).tolist()
        assert len(moved[micro]) >= 1
    assert len(moved[4]) == len(moved[8])


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_the_engine_runs_a_pipeline_as_the_specification_does(schedule):
    problem = chain(4, 12, 20, 16, saved=100, devices=2)
    stages = 4 if schedule == "interleaved" else 2
    found = run(problem, schedule, stages, 4)
    expected = simulate_reference(found.problem, found.decision)
    assert expected.step_time_ns == found.result.step_time_ns
    assert np.array_equal(expected.peak_memory, found.result.peak_memory)
    assert np.array_equal(expected.busy_ns, found.result.busy_ns)


def test_residual_blocks_stay_whole():
    """x + f(g(x)), a layer tag each: cuts go between the sums alone."""
    builder = go_gym.graph.builder.GraphBuilder()
    Op = go_gym.graph.builder.Op
    stream = builder.add_tensor(builder.add_op(Op("input", layer="input")), 8)
    for block in range(3):
        inner = stream
        for part in "fg":
            op = builder.add_op(Op(part, layer=f"{block}.{part}", flops=9), [inner])
            inner = builder.add_tensor(op, 8)
        op = builder.add_op(Op("add", layer=f"{block}.add", flops=1), [stream, inner])
        stream = builder.add_tensor(op, 8)
    builder.add_op(Op("head", layer="head"), [stream])
    graph = builder.graph("residual")
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
    blocks = Blocks.of(problem)
    of = dict(zip(graph.op_names, blocks.block_of.tolist(), strict=True))
    whole = [{of[f"op{1 + 3 * i + k}"] for k in range(3)} for i in range(3)]
    assert all(len(each) == 1 for each in whole) and blocks.count == 5
    found = run(problem, "gpipe", 2, 4)
    assert found.result.valid, "inference: forward alone"


def test_what_cannot_be_is_one_line():
    blocks = Blocks.of(chain(3, 6, 6, 6, devices=2))
    for plan, message in (
        (PipelinePlan([0, 1, 2, 3], 2), "3 stages need 3 devices"),
        (PipelinePlan([0, 3], 2, "dualpipe"), "expected one of gpipe"),
        (PipelinePlan([0, 2, 2, 3], 2), "cuts: "),
        (PipelinePlan([0, 1, 3], 0), "micro-batches: 0"),
        (PipelinePlan([0, 1, 2, 3], 2, "interleaved"), "multiple of 2"),
    ):
        with pytest.raises(GoGymError, match=message) as error:
            run_plan(blocks, plan)
        assert "\n" not in str(error.value)
    with pytest.raises(GoGymError, match="4 stages, expected 1 to 3"):
        CUTS["balanced"](blocks, 4)
    bare = go_gym.ComputationGraph.from_costs([1], [], [])
    with pytest.raises(GoGymError, match="no layers"):
        Blocks.of(go_gym.Problem(bare, go_gym.Cluster.uniform(devices=2, bandwidth=1e9)))


def test_the_command_compares_and_draws(tmp_path):
    words = ["-g", "vit-b16", "-c", "p100x4", "-m", "4", "-s", "1f1b", "-s", "zero-bubble"]
    words += ["--cut", "balanced", "--out", str(tmp_path)]
    found = CliRunner().invoke(app, ["pipeline", *words])
    assert found.exit_code == 0, found.output
    assert "Best: balanced cuts, zero-bubble, 4 micro-batches" in found.output
    assert len(list(tmp_path.glob("vit-b16-p100x4-balanced-zero-bubble-4.*"))) == 3
    refused = CliRunner().invoke(app, ["pipeline", *words, "-s", "dual"])
    assert refused.exit_code == 2 and "expected one of gpipe" in refused.output
