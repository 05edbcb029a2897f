"""Synthetic graphs: sizes, seeds, structure, and the statistics of the captured ones."""

import numpy as np
import pytest

from go_gym import Decision, Problem, load_cluster, simulate
from go_gym.catalogue import datasets
from go_gym.catalogue.synthetic import KINDS, generate
from go_gym.errors import DatasetError


def types_of(graph):
    return np.array(graph.op_types, dtype=object)[graph.op_type]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ops", [5_000, 20_000])
def test_as_many_ops_as_asked_for(kind, ops):
    graph = generate(kind, ops, seed=1)
    assert 0.8 * ops <= graph.num_ops <= ops
    assert graph.op_type.dtype == np.int32 and set(graph.phase) == {0, 1, 2}


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides(kind):
    first = generate(kind, 2_000, seed=5)
    assert first.content_hash == generate(kind, 2_000, seed=5).content_hash
    assert len({generate(kind, 2_000, seed=s).content_hash for s in range(6)}) > 3


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_updated_beside_itself(kind):
    graph = generate(kind, 3_000, seed=2)
    types = types_of(graph)
    updated = set(graph.colocation[graph.phase == 2]) - {-1}
    assert updated == set(graph.colocation[types == "parameter"])
    for group in updated:
        members = graph.colocation == group
        assert (types[members] == "state").sum() == 2
        assert (graph.phase[members] == 2).sum() == 13


@pytest.mark.parametrize("kind", KINDS)
def test_the_way_back_costs_twice_the_way_there(kind):
    graph = generate(kind, 3_000, seed=4)
    kinds = ["aten.mm", "aten.addmm", "aten.convolution", "aten.convolution_backward"]
    heavy = np.isin(types_of(graph), kinds)
    there = graph.flops[heavy & (graph.phase == 0)].sum()
    back = graph.flops[heavy & (graph.phase == 1)].sum()
    assert there > 0 and back == pytest.approx(2 * there, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "real"),
    [("layered", "gpt2"), ("branching", "inception-b32"), ("unrolled", "rnnlm-4")],
)
def test_statistics_are_those_of_captured_graphs(kind, real):
    """Uses an op, free ops and the share of products, within a factor of two."""
    made, captured = generate(kind, datasets.load(real).num_ops, seed=0), datasets.load(real)
    for figure in (
        lambda g: g.num_uses / g.num_ops,
        lambda g: g.is_free.mean(),
        lambda g: (g.flops > 50 * g.bytes_written).mean(),
    ):
        assert 0.5 <= figure(made) / figure(captured) <= 2.0


def test_unrolled_graphs_gain_from_several_devices():
    problem = Problem(generate("unrolled", 5_000, seed=0), load_cluster("p100x4"))
    from go_gym.baselines.placements import human_expert

    one = simulate(problem, Decision(np.zeros(problem.num_ops, dtype=int)))
    expert = simulate(problem, Decision(human_expert(problem)))
    assert expert.step_time_ns < 0.6 * one.step_time_ns


def test_by_name():
    graph = datasets.load("synthetic-branching-1500-7")
    assert graph.content_hash == generate("branching", 1_500, 7).content_hash
    assert datasets.exists(graph.name) and not datasets.exists("rnnlm-3")


@pytest.mark.parametrize(
    "name",
    [
        "synthetic-branching-1500",
        "synthetic-branching-1500-x",
        "synthetic-round-1500-0",
        "synthetic-layered-20-0",
        "synthetic-layered-2000000-0",
        "synthetic-layered-2000-99999999999",
        "synthetic-layered--2000-1",
    ],
)
def test_bad_names_are_refused(name):
    with pytest.raises(DatasetError, match="synthetic"):
        datasets.load(name)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_million_ops(kind):
    graph = generate(kind, 1_000_000, seed=0)
    assert graph.num_ops > 990_000
    problem = Problem(graph, load_cluster("p100x8"))
    assert simulate(problem, Decision(np.zeros(graph.num_ops, dtype=int))).step_time_ns > 0
