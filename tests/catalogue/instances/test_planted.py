"""Planted optima: the plan replays to the nanosecond, and no bound is above the optimum."""

import hashlib
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import go_gym
from go_gym.baselines.bounds import lower_bound_ns
from go_gym.catalogue import datasets
from go_gym.catalogue.instances import Planted, load, plant
from go_gym.catalogue.instances.planting import Draws
from go_gym.catalogue.problems import only_problem
from go_gym.cli import app
from go_gym.cluster import CONTENTION_MODELS, load_cluster
from go_gym.errors import DatasetError
from go_gym.problem.decision_file import load_decision
from go_gym.simulator import simulate_reference

KINDS = {
    "plain": {},
    "free": {"free": True},
    "all send": {"share": 100},
    "no edge across": {"share": 0},
    "tight": {"tight": True, "share": 60},
    "unequal": {"unequal": True},
    "unequal, tight": {"unequal": True, "tight": True, "share": 100},
}
SIZES = [(10, 2), (10, 10), (57, 3), (1_000, 4), (300, 16)]


def sends(instance) -> np.ndarray:
    """Whether each use crosses devices in the plan."""
    graph, place = instance.problem.graph, np.asarray(instance.decision.placement)
    return place[graph.use_producer] != place[graph.use_consumer]


@pytest.mark.parametrize("contention", CONTENTION_MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_plan_replays_to_the_nanosecond(kind, contention):
    for seed, (ops, devices) in enumerate(SIZES):
        instance = plant(Planted(ops, devices, seed, contention=contention, **KINDS[kind]))
        problem, plan = instance.problem, instance.decision
        result = go_gym.simulate(problem, plan, trace=True)
        assert problem.num_ops == ops and result.valid
        assert result.step_time_ns == instance.optimum_ns
        assert (result.busy_ns == instance.optimum_ns).all()  # no idle time
        assert (result.trace.op_start == -np.asarray(plan.priority)).all()
        assert lower_bound_ns(problem) <= instance.optimum_ns
        if ops < 100:
            assert simulate_reference(problem, plan).step_time_ns == instance.optimum_ns


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_can_take_less(kind):
    """Work over speed, with an op's least work on any device, computed from the problem alone."""
    instance = plant(Planted(200, 5, 3, **KINDS[kind]))
    problem = instance.problem
    factors = [int(device.kind.removeprefix("factor")) for device in problem.cluster.devices]
    classes = {int(c): f for c, f in zip(problem.device_class, factors, strict=True)}
    work = np.min([problem.durations[row] / factor for row, factor in classes.items()], axis=0)
    assert work.sum() / sum(1 / factor for factor in factors) == pytest.approx(
        instance.optimum_ns, rel=1e-12
    )


def test_transfers_do_not_overlap_on_a_port():
    instance = plant(Planted(2_000, 6, 1, share=100, contention="none"))
    trace = go_gym.simulate(instance.problem, instance.decision, trace=True).trace
    for port in (trace.transfer_source, trace.transfer_destination):
        for device in range(6):
            mine = np.flatnonzero(port == device)
            mine = mine[np.argsort(trace.transfer_start[mine], kind="stable")]
            assert (trace.transfer_finish[mine[:-1]] <= trace.transfer_start[mine[1:]]).all()
    assert len(trace.transfer_start) > 300


def test_the_share_decides_how_many_send():
    counts = [sends(plant(Planted(1_000, 4, 0, share=s))).sum() for s in (0, 10, 40, 100)]
    assert counts[0] == 0 and counts == sorted(counts) and len(set(counts)) == 4
    free = plant(Planted(1_000, 4, 0, free=True))
    assert sends(free).any() and not free.problem.graph.tensor_bytes.any()


def test_memory_is_what_the_plan_takes():
    instance = plant(Planted(300, 4, 2, tight=True))
    problem, plan = instance.problem, instance.decision
    peak = go_gym.simulate(problem, plan).peak_memory
    assert (peak == problem.cluster.memory_bytes).all() and peak.min() > 0
    alone = go_gym.Decision(np.zeros(problem.num_ops, dtype=np.int64))
    assert not go_gym.simulate(problem, alone).valid


def test_ops_are_not_numbered_by_the_plan():
    """Their starts fall and rise from one to the next."""
    start = -np.asarray(plant(Planted(1_000, 4, 0)).decision.priority)
    assert 0.3 < (np.diff(start) < 0).mean() < 0.7


def test_the_seed_decides_on_every_machine():
    names = ["planted:40-3-0", "planted:40-3-1-tight", "planted:200-5-0-share50-unequal-link"]
    digest = hashlib.sha256()
    for name in names:
        graph = load(name).problem.graph
        for column in (graph.durations, graph.tensor_bytes, graph.use_tensor, graph.use_consumer):
            digest.update(column.astype("<i8").tobytes())
        digest.update(load(name).decision.priority.astype("<i8").tobytes())
    assert digest.hexdigest().startswith("e539fb70111047c5")
    assert Draws(7).below(10, 8).tolist() == [9, 3, 9, 2, 2, 6, 9, 6]


def test_by_name():
    name = "planted:57-3-2-share60-tight-egress"
    instance = load(name)
    assert instance.name == name and instance.problem.cluster.contention == "egress"
    assert datasets.exists(name) and datasets.load(name) is instance.problem.graph
    assert load("planted:57-3-2-egress-tight-share60").name == name  # words in any order


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("planted:57", "expected planted:OPS-DEVICES-SEED"),
        ("planted:57-3-x", "expected planted:OPS-DEVICES-SEED"),
        ("planted:57-3-0-loose", "'loose' is unknown"),
        ("planted:57-3-0-share101", "share: 101, expected 0 to 100"),
        ("planted:3-4-0", "ops: 3, expected 4 to 1,000,000"),
        ("planted:2000000-4-0", "ops: 2,000,000, expected"),
        ("planted:57-0-0", "devices: 0, expected 1"),
        ("seeded:57-3-0", "SET one of planted"),
    ],
)
def test_bad_names_are_refused(name, said):
    with pytest.raises(DatasetError, match=re.escape(said)) as raised:
        load(name)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["", "-free", "-tight-unequal"])
def test_a_million_ops(words):
    instance = load(f"planted:1000000-8-0{words}")
    result = go_gym.simulate(instance.problem, instance.decision)
    assert result.step_time_ns == instance.optimum_ns and result.valid


def test_agents_run_on_the_cluster_that_comes_along():
    problem = only_problem("planted:57-3-2", "own")
    assert problem.cluster is load("planted:57-3-2").problem.cluster
    assert only_problem("planted:57-3-2", "own", "scheduling").placement is not None
    with pytest.raises(DatasetError, match="no instance 'rnnlm-2'"):
        only_problem("rnnlm-2", "own")


def test_command(tmp_path):
    out = CliRunner().invoke(app, ["instances", "planted:57-3-2", "--out", str(tmp_path)])
    assert out.exit_code == 0 and "190,000" in out.output
    graph = go_gym.ComputationGraph.load(tmp_path / "graph.npz")
    problem = go_gym.Problem(graph, load_cluster(tmp_path / "cluster.toml"))
    decision, _ = load_decision(tmp_path / "decision.npz")
    assert go_gym.simulate(problem, decision).step_time_ns == 190_000
    wrong = CliRunner().invoke(app, ["instances", "planted:57"])
    assert wrong.exit_code == 2 and len(wrong.output.strip().splitlines()) == 1
    assert "planted:OPS-DEVICES-SEED" in CliRunner().invoke(app, ["instances", "planted"]).output
