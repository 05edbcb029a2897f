"""The network that decides in one shot: symmetry, memory, learning that goes on after a stop."""

import dataclasses

import numpy as np
import pytest
import torch
from go_agents.go.oneshot import labels as labelling
from go_agents.go.oneshot.agent import OneShotGO, heuristic_starts, in_turn, roomy
from go_agents.go.oneshot.batches import collate, examples
from go_agents.go.oneshot.decoding import Decoding, decide, thought_needed
from go_agents.go.oneshot.features import (
    PAIR_FEATURES,
    ROW_FEATURES,
    features_of,
    memory_needed,
)
from go_agents.go.oneshot.improvement import improve
from go_agents.go.oneshot.network import Network, Sizes, completion_loss
from go_agents.go.oneshot.problems import CAPTURED, TEST, TUNING, VALIDATION, draw
from go_agents.go.oneshot.rows import decision_rows, op_modules
from go_agents.go.oneshot.training import Training, ranking_loss, train
from go_agents.go.oneshot.weights import families_of

from go_gym import Budget, ComputationGraph, Decision, Problem, load_cluster, simulate
from go_gym.agent import load_agent
from go_gym.baselines.metis import metis_placement
from go_gym.baselines.placements import human_expert
from go_gym.catalogue.models import ENTRIES
from go_gym.catalogue.synthetic import generate
from go_gym.partitions import QuotientGraph

SMALL = Sizes(width=16, heads=2, layers=1, pair_width=8, gates=2, steps=2)
QUICK = Decoding(samples=3, rounds=3, repairs=1)


@pytest.fixture(scope="module")
def problem() -> Problem:
    return Problem(generate("translating", 700, 3), load_cluster("p100x4"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labels of three problems."""
    path = tmp_path_factory.mktemp("labels")
    labelling.generate(path, "tuning", [3, 5, 21], calls=40)
    return path


def trained(folder, updates: int, where) -> Training:
    return train([folder / "tuning"], where, updates, sizes=SMALL, every=0.0, look=2)


def network() -> Network:
    torch.manual_seed(1)
    return Network(SMALL).eval()


def retagged(graph: ComputationGraph) -> ComputationGraph:
    order = np.random.default_rng(0).permutation(graph.num_ops).astype(np.int32)
    tags = tuple(f"leaf.{n}" for n in range(graph.num_ops))
    return dataclasses.replace(graph, layer=order, layers=tags)


# -- families


def test_families_are_parted():
    parts = [set(TUNING), set(VALIDATION), set(TEST)]
    assert len(set.union(*parts)) == sum(map(len, parts))
    assert {entry.family for entry in ENTRIES.values()} == set(TEST)
    assert (
        set(CAPTURED) | {f"synthetic-{kind}" for kind in ("grid", "wired")} <= parts[0] | parts[1]
    )


def test_a_problem_is_drawn_alike_each_time():
    first, again = draw("tuning", 21), draw("tuning", 21)
    assert first.problem.graph.content_hash == again.problem.graph.content_hash
    assert first.problem.cluster.content_hash == again.problem.cluster.content_hash


# -- rows


def test_rows_read_no_layer_tag(problem):
    other = Problem(retagged(problem.graph), problem.cluster)
    rows, module = decision_rows(problem, 48)
    others, modules = decision_rows(other, 48)
    assert (rows.part_of == others.part_of).all() and (module == modules).all()
    assert rows.count <= 48 and len(np.unique(module)) > 3
    same = features_of(problem, rows), features_of(other, others)
    for name, value in vars(same[0]).items():
        assert np.array_equal(value, getattr(same[1], name)), name


def test_modules_are_the_layers_of_an_unrolled_graph():
    """Of every layer tag, nearly all that costs anything is of one module, and the other way."""
    problem = Problem(generate("unrolled", 1500, 14), load_cluster("p100x2"))
    graph, module = problem.graph, op_modules(problem)
    busy = ~graph.is_free & (graph.layer >= 0)
    table = np.zeros((len(graph.layers), graph.num_ops))
    np.add.at(table, (graph.layer[busy], module[busy]), 1)
    assert table.max(1).sum() > 0.97 * busy.sum() and table.max(0).sum() > 0.97 * busy.sum()


def test_colocated_ops_share_a_row(problem):
    rows, _ = decision_rows(problem, 16)
    leader = problem.colocation_leader
    assert rows.count == 16 and (rows.part_of == rows.part_of[leader]).all()


def test_features_do_not_depend_on_how_ops_are_numbered():
    """A graph whose ops could run in many orders, given in another one: rows look the same, but for
    what is said of their modules."""
    random = np.random.default_rng(4)
    count = 40
    pairs = [(a, b) for b in range(1, count) for a in range(b)]
    edges = [(a, b) for a, b in pairs if random.random() < 0.08]
    durations, sizes = random.integers(1, 10**6, count), random.integers(1, 10**6, count)
    cluster = load_cluster("p100x2")

    def features(order: np.ndarray):
        place = np.argsort(order)
        graph = ComputationGraph.from_costs(
            durations[order],
            [(int(place[op]), int(sizes[op])) for op in range(count)],
            [(a, int(place[b])) for a, b in edges],
        )
        problem = Problem(graph, cluster)
        rows, _ = decision_rows(problem, count)
        original = order[graph.source_index]
        row = np.empty(count, dtype=int)
        row[original] = rows.part_of
        return features_of(problem, rows), row

    first, row = features(np.arange(count))
    second, other = features(random.permutation(count))
    assert not np.array_equal(row, other)
    columns = np.setdiff1d(np.arange(ROW_FEATURES), [14, 15, *range(37, 43)])
    assert np.allclose(first.rows[row][:, columns], second.rows[other][:, columns], atol=1e-5)
    kinds = np.setdiff1d(np.arange(PAIR_FEATURES), [6, 7])
    first_pairs = first.pairs[row][:, row][..., kinds].astype(float)
    second_pairs = second.pairs[other][:, other][..., kinds].astype(float)
    assert np.allclose(first_pairs, second_pairs, atol=2e-3)


# -- the network


def test_permuted_devices_permute_the_scores(problem):
    rows, _ = decision_rows(problem, 24)
    features = features_of(problem, rows)
    unlike = np.array([[1.2, 1, 1], [0.8, 0.5, 1], [1, 1.5, 1], [1, 1, 1]], dtype=np.float32)
    order = np.array([2, 0, 3, 1])
    batch = collate([dataclasses.replace(features, devices=unlike)])
    turned = collate([dataclasses.replace(features, devices=unlike[order])])
    random, net = np.random.default_rng(0), network()
    placed = random.integers(4, size=(1, 5, 24))
    shown = torch.from_numpy(random.random((1, 5, 24)) < 0.5)
    other = torch.from_numpy(np.argsort(order)[placed])
    with torch.no_grad():
        encoded, encoded_turned = net.encode(batch), net.encode(turned)
        scores, _ = net.decode(batch, encoded, torch.from_numpy(placed), shown)
        turned_scores, _ = net.decode(turned, encoded_turned, other, shown)
        judged = net.judge(batch, encoded, torch.from_numpy(placed))
        judged_turned = net.judge(turned, encoded_turned, other)
    assert torch.allclose(scores[-1][..., order], turned_scores[-1], atol=1e-4)
    assert torch.allclose(judged, judged_turned, atol=1e-4)
    assert scores[-1].std() > 1e-3 and judged.std() > 1e-4


def test_padding_changes_nothing(problem):
    features = [features_of(problem, decision_rows(problem, most)[0]) for most in (20, 31)]
    net, alone, both = network(), collate(features[:1]), collate(features)
    placed = torch.from_numpy(np.random.default_rng(0).integers(4, size=(2, 3, 31)))
    shown = placed % 2 == 0
    with torch.no_grad():
        scores, _ = net.decode(both, net.encode(both), placed, shown)
        single, _ = net.decode(alone, net.encode(alone), placed[:1, :, :20], shown[:1, :, :20])
    assert torch.allclose(scores[-1][:1, :, :20], single[-1], atol=1e-4)


def test_the_loss_of_the_first_row_is_that_of_any_device(problem):
    """Nothing shown, all devices alike: whichever device a label begins with costs nothing."""
    batch = collate([features_of(problem, decision_rows(problem, 24)[0])])
    target = torch.full((1, 1, 24), 2)
    hidden = torch.zeros(1, 1, 24, dtype=torch.bool)
    scores = torch.randn(1, 1, 24, 4)
    assert abs(completion_loss(batch, scores, target, target, hidden).item()) < 1e-5
    shown = hidden.clone()
    shown[..., 0] = True
    assert completion_loss(batch, scores, target, target, shown).item() > 0.1


def test_ranking_loss_falls_with_the_right_order():
    slower = torch.tensor([[0.0, 0.2, 0.5]])
    right, wrong = ranking_loss(slower, slower), ranking_loss(-slower, slower)
    assert right < ranking_loss(torch.zeros(1, 3), slower) < wrong


# -- decisions


def test_decisions_repeat_and_scarce_memory_is_respected(problem):
    """Of a device that holds little, the network, however it was drawn, makes little use."""
    rows, _ = decision_rows(problem, 24)
    features = features_of(problem, rows)
    need = features.memory[:, 0].sum() + features.memory[:, 1:].sum(0).max()
    capacity = np.array([0.7, 0.3, 0.3, 1e-4], dtype=np.float32) * need
    unlike = features.devices.copy()
    unlike[:, 1] = capacity
    tight = dataclasses.replace(features, devices=unlike, twin=np.array([0, 1, 1, 3]))
    first, again = (decide(network(), tight, 7, QUICK) for _ in range(2))
    assert np.array_equal(first.rows, again.rows)
    one = np.eye(4)[first.rows]  # (S, R, D)
    alive = np.einsum("srd,rk->sdk", one, features.memory)
    assert (alive[..., 0] + alive[..., 1:].max(2) <= capacity).all()
    ample = dataclasses.replace(tight, devices=features.devices)
    crowded = np.eye(4)[decide(network(), ample, 7, QUICK).rows]
    assert (crowded.sum(1)[:, 3] > 0).any()  # it is the memory that keeps rows away
    assert not np.array_equal(decide(network(), tight, 8, QUICK).rows, first.rows)


def test_the_fullest_device_is_thought_as_full_as_simulation_finds(problem):
    rows, _ = decision_rows(problem, 24)
    batch = collate([features_of(problem, rows)])
    placed = np.random.default_rng(0).integers(4, size=(6, 24))
    thought = thought_needed(batch, torch.from_numpy(placed)[None])[0].numpy()
    for each, guess in zip(placed, thought, strict=True):
        peak = simulate(problem, Decision(each[rows.part_of])).peak_memory
        assert guess.max() >= (peak / problem.cluster.memory_bytes).max()


def test_memory_of_ops_is_thought_as_much_as_simulation_finds(problem):
    """Parameters and what is alive, never less than the step needs, at most twice that."""
    placed = [human_expert(problem), metis_placement(problem), np.full(problem.num_ops, 2)]
    for placement in placed:
        peak = simulate(problem, Decision(placement)).peak_memory / problem.cluster.memory_bytes
        thought = memory_needed(problem, placement)
        assert (thought[peak == 0] == 0).all() and thought.shape == (4,)
        assert peak.max() <= thought.max() <= 2 * peak.max()


@pytest.mark.parametrize(("share", "fits"), [(1.05, True), (0.7, False)])
def test_where_memory_is_scarce_the_answer_fits_wherever_the_experts_does(
    problem, monkeypatch, share, fits
):
    """Another placement where it fits; the expert's where that one would not fit and needs more."""
    other = np.zeros(problem.num_ops, dtype=np.int64)
    scale = memory_needed(problem, other).max() * share
    devices = tuple(
        dataclasses.replace(each, memory_bytes=int(each.memory_bytes * scale))
        for each in problem.cluster.devices
    )
    tight = Problem(problem.graph, dataclasses.replace(problem.cluster, devices=devices))
    monkeypatch.setattr("go_agents.go.oneshot.agent.metis_placement", lambda _: other)
    assert np.array_equal(roomy(tight), other if fits else human_expert(tight))
    assert simulate(tight, Decision(roomy(tight))).valid


def test_starts_are_two_of_the_networks_to_one_heuristics(problem):
    first, second = [np.array([n]) for n in range(5)], [np.array([10 + n]) for n in range(4)]
    assert [int(each[0]) for each in in_turn(first, second)] == [0, 1, 10, 2, 3, 11, 4, 12, 13]
    starts = heuristic_starts(problem)
    assert np.array_equal(starts[0], metis_placement(problem))
    assert len({each.tobytes() for each in starts}) == len(starts) > 3


# -- labels and training


def test_labels_hold_what_simulation_says(folder):
    path = labelling.file_of(folder, "tuning", 5)
    labelled = labelling.load(path)
    assert (np.diff(labelled.step_time_ns[:10]) >= 0).all()
    for decision, time in zip(labelled.decisions[:4], labelled.step_time_ns, strict=False):
        result = simulate(labelled.problem, Decision(decision[labelled.row_of].astype(int)))
        assert (result.step_time_ns if result.valid else np.inf) == time


def test_labels_go_on_after_a_stop(folder):
    path = labelling.file_of(folder, "tuning", 21)
    before, kept = path.read_bytes(), labelling.file_of(folder, "tuning", 3)
    stamp = kept.stat().st_mtime_ns
    path.unlink()
    labelling.generate(folder, "tuning", [3, 21], calls=40)
    assert path.read_bytes() == before and kept.stat().st_mtime_ns == stamp


def test_expert_iteration_never_loses_the_best_label(folder):
    before = labelling.load(labelling.file_of(folder, "tuning", 5))
    after = improve(network(), before, seed=0, calls=30)
    assert after.step_time_ns[0] <= before.step_time_ns[0]
    assert after.step_time_ns[0] == after.step_time_ns.min()
    assert len(after.decisions) > len(before.decisions)
    worst = int(np.argmax(np.where(np.isfinite(after.step_time_ns), after.step_time_ns, 0)))
    placement = after.decisions[worst][after.row_of].astype(int)
    assert simulate(after.problem, Decision(placement)).step_time_ns == after.step_time_ns[worst]


def test_training_goes_on_after_a_stop_as_without_one(folder, tmp_path):
    whole = trained(folder, 6, tmp_path / "whole")
    train([folder / "tuning"], tmp_path / "parts", 6, sizes=SMALL, every=0.0, look=3)
    stopped = Training(sizes=SMALL)
    data = list(examples(folder / "tuning").values())
    for _ in range(3):
        stopped.update(data, 6)
    stopped.save(tmp_path / "stopped")
    resumed = trained(folder, 6, tmp_path / "stopped")
    assert resumed.updates == 6
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_training_learns_what_it_is_shown(folder):
    training = Training(sizes=SMALL)
    data = list(examples(folder / "tuning").values())
    losses = []
    for _ in range(160):
        training.update(data, 1000)
        losses.append(training.recent[-1][0])
    assert np.mean(losses[-40:]) < 0.8 * np.mean(losses[:10])


# -- the agent


def test_agent_decides_without_a_call_and_searches_with_some(folder, tmp_path, problem):
    trained(folder, 3, tmp_path / "checkpoint")
    agent = OneShotGO(weights=tmp_path / "checkpoint", decoding=QUICK, device="cpu", rows=24)
    budget = Budget(problem, 0)
    decision = agent.solve(problem, budget, seed=0)
    assert budget.used == 0 and simulate(problem, decision).valid
    budget = Budget(problem, 30)
    result = simulate(problem, agent.solve(problem, budget, seed=0))
    assert budget.used == 30 and result.step_time_ns == budget.best_step_time_ns
    expert = simulate(problem, Decision(human_expert(problem)))
    assert result.step_time_ns <= 1.05 * expert.step_time_ns
    assert agent.track(problem) == "generalising"


def test_one_device_and_one_op():
    agent = OneShotGO.__new__(OneShotGO)
    agent.rows, agent.decoding, agent.network = 24, QUICK, network()
    agent.device = torch.device("cpu")
    graph = ComputationGraph.from_costs([5, 7], [(0, 8)], [(0, 1)])
    for cluster in ("p100x2", "p100x4"):
        tiny = Problem(graph, load_cluster(cluster))
        assert all(simulate(tiny, Decision(p)).valid for p in agent.placements(tiny, 0))


def test_row_quotient_is_of_the_whole_graph(problem):
    rows, _ = decision_rows(problem, 24)
    assert isinstance(rows, QuotientGraph) and rows.work.sum() == problem.mean_durations.sum()


def test_shipped_weights_decide_without_a_call():
    """A graph that they never saw: valid, and not far from the human expert."""
    problem = Problem(generate("unrolled", 2000, 99), load_cluster("p100x4"))
    agent = load_agent("go:one-shot")
    decision = agent.solve(problem, Budget(problem, 0), seed=0)
    step, expert = (simulate(problem, d) for d in (decision, Decision(human_expert(problem))))
    assert step.valid and step.step_time_ns < 1.5 * expert.step_time_ns
    assert not set(families_of()) & set(TEST)
