"""GO as users meet it: it learns, keeps its budget, decides alike, and goes on after a stop."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from go_agents.common.devices import own_torch
from go_agents.common.training import save_training
from go_agents.go.ablation import GOOptions
from go_agents.go.agent import GO
from go_agents.go.config import NetworkConfig, SearchConfig
from go_agents.go.refined import RefinedGO
from go_agents.go.training import Training
from go_agents.heuristics.portfolio import heuristic_placements
from hypothesis import given, settings

import go_gym
from go_gym.agent import Budget
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue.problems import make_problem
from go_gym.errors import AgentError
from go_gym.problem import check_decision
from tests.agents.go.test_network import layered
from tests.agents.toys import awkward, optimum, two_kinds
from tests.strategies import problems
from tests.trends import assert_most_fall

NETWORK = NetworkConfig(width=16, heads=2, segment=16, type_width=8, score_width=8)
SEARCH = SearchConfig(samples=16, parts=(4, 16), epochs=2, head_steps=4)


def small(options: GOOptions | None = None, **changes) -> GO:
    return GO(options, network=NETWORK, search=replace(SEARCH, **changes))


def weights(training: Training) -> torch.Tensor:
    return torch.cat([each.flatten() for each in training.network.state_dict().values()])


@pytest.mark.numeric
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("problem", [two_kinds(), awkward()], ids=["two kinds", "awkward"])
def test_the_optimum_of_a_toy_is_found(problem, seed):
    """Of 256 and 2,187 placements; it takes some twenty calls."""
    budget = Budget(problem, 100)
    decision = small().solve(problem, budget, seed)
    assert budget.used == 100
    assert go_gym.simulate(problem, decision).step_time_ns == optimum(problem)


def sampled(problem, seed, **changes):
    """The mean step time of each round without search: samples of first rounds alone."""
    alone = {"refine": False, "stretches": 0.0, "samples": 32, "first_round_parts": 64}
    curve = small(**alone, **changes).train([problem], Budget(problem, 1000), seed)
    return [window.mean_step_time_ns for window in curve.windows]


def fall(curve):
    return np.mean(curve[-10:]) / np.mean(curve[:10])


@pytest.mark.numeric
def test_the_policy_itself_learns():
    """Its samples become better in most of three seeds, and do not where it may not learn."""
    problem, seeds = two_kinds(12), range(3)
    rates = {"first_batch": 32, "learning_rate": 3e-3, "head_rate": 3e-3, "epochs": 4}
    learned = [sampled(problem, seed, **rates) for seed in seeds]
    assert_most_fall(learned)
    assert np.median([fall(curve) for curve in learned]) < 0.75
    assert np.median([fall(sampled(problem, seed, learn=False)) for seed in seeds]) > 0.8


@settings(max_examples=15, deadline=None)
@given(problem=problems())
def test_any_problem_gets_a_whole_decision(problem):
    budget = Budget(problem, 40)
    decision = small().solve(problem, budget, seed=3)
    check_decision(problem, decision)
    assert budget.used <= 40
    placement = np.asarray(decision.placement)
    assert np.array_equal(placement, placement[problem.colocation_leader])
    if budget.best_step_time_ns is not None:
        assert go_gym.simulate(problem, decision).step_time_ns == budget.best_step_time_ns


def test_annealing_refines_what_go_found():
    problem = layered()
    budget = Budget(problem, 200)
    agent = RefinedGO()
    agent.network, agent.search = NETWORK, SEARCH
    decision = agent.solve(problem, budget, seed=0)
    assert budget.used == 200
    assert agent.training is not None and agent.training.used in range(100, 117)
    assert go_gym.simulate(problem, decision).step_time_ns == budget.best_step_time_ns


@pytest.mark.parametrize("priorities", ["fifo", "critical-path"])
def test_from_best_begins_with_what_the_heuristics_place(priorities):
    options = GOOptions("best", priorities)
    problem = layered()
    placements = heuristic_placements(problem)
    budget = Budget(problem, len(placements) + 1)
    decision = small(options).solve(problem, budget, seed=0)
    assert budget.used == len(placements) + 1
    reached = go_gym.simulate(problem, decision).step_time_ns
    for placement in placements:
        priority = critical_path(problem, placement) if options.scheduled else None
        given = go_gym.simulate(problem, go_gym.Decision(placement, priority))
        assert not given.valid or reached <= given.step_time_ns
    assert (decision.priority is not None) == options.scheduled


@pytest.mark.parametrize("task", ["scheduling", "joint"])
def test_from_best_knows_the_middle_of_every_task(task):
    problem = make_problem(layered().graph, layered().cluster, task)
    budget = Budget(problem, 12)
    check_decision(problem, small(GOOptions("best")).solve(problem, budget, seed=0))
    assert budget.used == 12


@pytest.mark.parametrize("calls", [0, 1, 2, 7])
def test_tiny_budgets_are_kept(calls):
    problem = layered()
    budget = Budget(problem, calls)
    check_decision(problem, small().solve(problem, budget, seed=0))
    assert budget.used == calls


@pytest.mark.parametrize("task", ["scheduling", "fusion", "joint"])
def test_every_task(task):
    problem = make_problem(layered().graph, layered().cluster, task)
    budget = Budget(problem, 100)
    decision = small().solve(problem, budget, seed=0)
    result = go_gym.simulate(problem, decision)
    assert result.step_time_ns == budget.best_step_time_ns
    assert (decision.priority is not None) == (task != "fusion")
    assert (decision.fusion is not None) == (task != "scheduling")
    if task != "joint":
        assert np.array_equal(decision.placement, problem.placement)
        first = budget.curve[0].step_time_ns  # the neutral levels come first
        assert result.step_time_ns <= first


def test_scheduled_placements_come_with_priorities():
    problem = layered()
    agent = small(GOOptions(priorities="critical-path"))
    assert agent.tasks == ("placement",)
    assert agent.solve(problem, Budget(problem, 50), seed=0).priority is not None


@pytest.mark.numeric
def test_the_seed_decides():
    problem = layered()
    found = []
    for seed in (0, 0, 1):
        agent, budget = small(), Budget(problem, 100)
        answer = agent.solve(problem, budget, seed)
        found.append((agent.training.record.curve, np.asarray(answer.placement)))
    assert found[0][0] == found[1][0] != found[2][0]
    assert np.array_equal(found[0][1], found[1][1])


@pytest.mark.numeric
def test_a_stopped_training_goes_on_exactly(tmp_path):
    problem = layered()
    whole = small()
    whole.train([problem], Budget(problem, 160), seed=0)
    stopped = Training([problem], 160, 0, NETWORK, SEARCH)
    with own_torch():  # as an agent trains: threads part sums otherwise
        stopped.run([Budget(problem, 160)], updates=4)
    save_training(stopped, tmp_path / "half")
    resumed = small()
    resumed.load(tmp_path / "half")
    resumed.train([problem], Budget(problem, 160 - stopped.used), seed=0)
    assert whole.training is not None and resumed.training is not None
    assert torch.equal(weights(whole.training), weights(resumed.training))
    curves = [agent.training.record.curve for agent in (whole, resumed)]
    assert curves[0] == curves[1]
    episodes = [agent.training.episodes[0] for agent in (whole, resumed)]
    assert np.array_equal(episodes[0].state.best, episodes[1].state.best)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    problem, other = layered(), layered(30)
    agent = small()
    with pytest.raises(AgentError, match="nothing trained"):
        agent.save(tmp_path)
    agent.train([problem], Budget(problem, 20), seed=0)
    agent.save(tmp_path / "saved")
    for wrong, seed in ((other, 0), (problem, 1)):
        again = small()
        again.load(tmp_path / "saved")
        with pytest.raises(AgentError, match="checkpoint is of"):
            again.train([wrong], Budget(wrong, 20), seed)
    with pytest.raises(AgentError, match="one problem"):
        agent.train([problem, other], Budget(problem, 20), seed=0)


def slower(problem: go_gym.Problem, factor: int) -> go_gym.Problem:
    """The same, but that ops and transfers take ``factor`` times as long."""
    graph = problem.graph
    slow = go_gym.ComputationGraph.from_costs(
        graph.durations[:, 0] * factor,
        list(zip(graph.tensor_producer, graph.tensor_bytes * factor, strict=True)),
        list(zip(graph.use_tensor, graph.use_consumer, strict=True)),
    )
    return go_gym.Problem(slow, go_gym.Cluster.uniform(3, 1e9))


@pytest.mark.numeric
def test_several_problems_in_one_update():
    pair = [layered(), slower(layered(), 1000)]
    search = replace(SEARCH, problems_per_update=2, rounds=3)
    training = Training(pair, 10_000, 0, NETWORK, search)
    before = weights(training).clone()
    training.run([Budget(problem, 10_000) for problem in pair], updates=7)
    assert not torch.equal(weights(training), before)
    assert [episode.state.round for episode in training.episodes] == [1, 1]  # two restarts


def test_a_scale_of_time_changes_no_reward():
    """Rewards are in units of each problem's own: the same decisions, the same advantages."""
    found = []
    for problem in (slower(layered(), 1), slower(layered(), 1000)):
        episode = Training([problem], 1000, 0, NETWORK, SEARCH).episodes[0]
        genome = episode.encoding.neutral()
        random = np.random.default_rng(0)
        genomes = [random.integers(0, 3, genome.shape) for _ in range(30)]
        results = Budget(problem, 30).evaluate_batch(episode.encoding.decisions(genomes))
        rewards = episode.scales.rewards(results)
        advantage = episode.scales.advantage(rewards)
        found.append((rewards, advantage, episode.scales.spread))
    for one, other in zip(*found, strict=True):
        assert one == pytest.approx(other, rel=1e-9)
    assert found[0][2] > 0


def test_an_ablation_without_learning_leaves_the_weights():
    problem = layered()
    agent = small(learn=False)
    agent.train([problem], Budget(problem, 60), seed=0)
    assert agent.training is not None
    fresh = Training([problem], 60, 0, NETWORK, SEARCH)
    assert torch.equal(weights(agent.training), weights(fresh))
