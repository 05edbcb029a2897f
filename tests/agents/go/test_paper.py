"""GO as published: what is sampled, how it is learned from, and the agent as users meet it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from go_agents.common.training import save_training
from go_agents.go.paper import ppo
from go_agents.go.paper.agent import PaperGO
from go_agents.go.paper.attention import SegmentedAttention
from go_agents.go.paper.case import Case
from go_agents.go.paper.ppo import (
    advantages,
    collect,
    decode,
    entropy,
    log_probability,
    minibatch_loss,
    policy_loss,
    sample,
)
from go_agents.go.paper.settings import PaperSettings
from go_agents.go.paper.tasks import TaskLayer
from go_agents.go.paper.training import PaperTraining
from hypothesis import given, settings

import go_gym
from go_gym.agent import Budget, load_agent
from go_gym.agent.options import declared
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.errors import AgentError
from go_gym.problem import check_decision
from tests.agents.go.test_network import layered
from tests.agents.toys import awkward, optimum, two_kinds
from tests.numeric import assert_near
from tests.strategies import problems

SMALL = PaperSettings(
    width=16, heads=2, segment=8, type_width=8, episodes=8, minibatch=8, learning_rate=3e-3
)
TASKS = ("placement", "scheduling", "fusion", "joint")
FIGURES = {each.name: each for each in declared(PaperSettings)}


def small(checkpoint=None, **changes) -> PaperGO:
    return PaperGO(replace(SMALL, **changes), checkpoint)


def of_task(task: str) -> go_gym.Problem:
    return make_problem(layered().graph, layered().cluster, task)


def rollout_of(problem, **changes):
    """A training that has begun, and its first rollout."""
    training = PaperTraining(problem, 1000, 0, replace(SMALL, head_gain=2.0, **changes))
    budget = Budget(problem, 1000)
    network, generator = training.network, training.generator
    return training, collect(network, training.case, budget, training.settings, generator)


def weights(training: PaperTraining) -> torch.Tensor:
    return torch.cat([each.flatten() for each in training.network.state_dict().values()])


def some_logits(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"placement": 3, "priority": 2}
    return {name: torch.randn(1, 3, k, generator=generator) for name, k in sizes.items()}


# What is sampled


def test_probabilities_of_all_decisions_sum_to_one():
    logits = some_logits()
    places = torch.tensor(list(itertools.product(range(3), repeat=3)))
    levels = torch.tensor(list(itertools.product(range(2), repeat=3)))
    total = 0.0
    for level in levels:
        chosen = {"placement": places, "priority": level.expand(len(places), 3)}
        many = {name: each.expand(len(places), -1, -1) for name, each in logits.items()}
        total += float(log_probability(many, chosen).exp().sum())
    assert total == pytest.approx(1, abs=1e-5)


def test_units_are_sampled_as_often_as_their_softmax_says():
    logits = {name: each.expand(20_000, -1, -1) for name, each in some_logits().items()}
    chosen = sample(logits, torch.Generator().manual_seed(0))
    for name, each in some_logits().items():
        for unit in range(3):
            seen = torch.bincount(chosen[name][:, unit], minlength=each.shape[2]) / 20_000
            assert torch.allclose(seen, each[0, unit].softmax(dim=0), atol=0.02)


@pytest.mark.numeric
@pytest.mark.parametrize("task", TASKS)
def test_sampled_decisions_have_the_probability_that_is_kept(task):
    """Kept while sampling in batches; recomputed here state by state, in float64 and NumPy."""
    training, rollout = rollout_of(of_task(task))
    with torch.no_grad():
        for i, state in enumerate(rollout.state.tolist()):
            previous = {name: each[state][None] for name, each in rollout.previous.items()}
            logits, _ = training.network(training.case.inputs, previous)
            expected = 0.0
            for name, each in logits.items():
                rows = each[0].double().numpy()
                log = rows - np.log(np.exp(rows).sum(axis=1, keepdims=True))
                expected += log[np.arange(len(log)), rollout.chosen[name][i].numpy()].sum()
            assert float(rollout.log_probability[i]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("task", TASKS)
def test_every_round_sees_what_the_one_before_decided(task):
    training, rollout = rollout_of(of_task(task), rounds=3)
    episodes = SMALL.episodes
    given = training.case.given
    for name, states in rollout.previous.items():
        if name not in rollout.chosen:  # a given placement is seen in every round
            assert given is not None and (states == 1 + given).all()
            continue
        assert (states[0] == 0).all()  # nothing is decided yet
        assert (rollout.state[:episodes] == 0).all()
        for i in range(episodes, 3 * episodes):
            before = rollout.chosen[name][i - episodes]
            assert torch.equal(states[rollout.state[i]], 1 + before)


@pytest.mark.parametrize("name", ["placement", "priority", "fusion"])
def test_what_was_decided_changes_what_is_decided(name):
    training, rollout = rollout_of(of_task("joint"))
    state = {key: each[1:2] for key, each in rollout.previous.items()}
    other = {**state, name: 1 + (state[name] % 2)}
    with torch.no_grad():
        (one, value), (two, worth) = (
            training.network(training.case.inputs, each) for each in (state, other)
        )
    assert all(not torch.allclose(one[each], two[each]) for each in one)
    assert not torch.allclose(value, worth)


def test_decoding_takes_the_likeliest_in_each_round_and_no_call():
    training, _ = rollout_of(layered(), rounds=2)
    network, case = training.network, training.case
    with torch.no_grad():
        first = network(case.inputs, case.start(1))[0]["placement"].argmax(dim=2)
        second = network(case.inputs, {"placement": 1 + first})[0]["placement"].argmax(dim=2)
    assert not torch.equal(first, second)
    assert torch.equal(decode(network, case, 2)["placement"], second)


@pytest.mark.numeric
def test_sequences_side_by_side_are_as_if_alone():
    torch.manual_seed(0)
    rows = torch.randn(3, 21, 16, dtype=torch.float64)
    attend, task = SegmentedAttention(16, 2, 8).double(), TaskLayer(16, 2, 8).double()
    alone = torch.stack([attend(each) for each in rows])
    assert_near(attend(rows), alone, 100)
    decided, hidden = task(rows, rows.flip(1))
    for i in range(3):
        one, other = task(rows[i], rows[i].flip(0))
        assert_near(decided[i], one, 100)
        assert_near(hidden[i], other, 100)


def test_rewards_are_the_papers():
    """-sqrt(step time / all work on one device); two devices hold what one does not."""
    graph = go_gym.ComputationGraph.from_costs([8, 8], [], [], parameter_bytes=[60, 60])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(2, 1e9, memory=100))
    case, budget = Case(problem, SMALL), Budget(problem, 2)
    chosen = {"placement": torch.tensor([[0, 0], [0, 1]])}
    assert case.evaluate(chosen, budget).tolist() == pytest.approx([-10, -np.sqrt(0.5)])
    assert case.best is not None and case.best["placement"].tolist() == [0, 1]


def test_levels_stand_for_themselves():
    problem = of_task("joint")
    case = Case(problem, SMALL)
    level = np.arange(case.units.count) % 5
    decision = case.decision({"placement": level % 2, "priority": level, "fusion": level})
    of_op = case.units.part_of
    assert np.array_equal(decision.priority, level[of_op])
    assert np.array_equal(decision.fusion, level[of_op])
    assert np.array_equal(decision.placement, (level % 2)[of_op])


# How it is learned from


@pytest.mark.numeric
def test_the_clipped_objective_is_schulmans():
    random = np.random.default_rng(0)
    old, advantage = random.normal(size=50), random.normal(size=50)
    log = torch.tensor(old + random.normal(size=50), requires_grad=True)
    loss = policy_loss(log, torch.tensor(old), torch.tensor(advantage), 0.2)
    loss.backward()
    ratio = np.exp(log.detach().numpy() - old)
    expected, slope = 0.0, np.zeros(50)
    for i, (r, a) in enumerate(zip(ratio, advantage, strict=True)):
        clipped = min(max(r, 0.8), 1.2)
        expected -= min(r * a, clipped * a) / 50
        stuck = (a > 0 and r > 1.2) or (a < 0 and r < 0.8)
        slope[i] = 0 if stuck else -r * a / 50  # of the log-probability: d r = r d log
    assert float(loss.detach()) == pytest.approx(expected)
    assert log.grad is not None and np.allclose(log.grad.numpy(), slope)
    assert (slope == 0).any() and (slope != 0).any()


def test_generalised_advantages_are_the_sum_of_discounted_surprises():
    random = np.random.default_rng(0)
    rewards, values = random.normal(size=(4, 2)), random.normal(size=(4, 2))
    found, target = advantages(torch.tensor(rewards), torch.tensor(values), 0.7, 0.9)
    after = np.concatenate([values[1:], np.zeros((1, 2))])  # an episode ends after its last round
    surprise = rewards + 0.7 * after - values
    for t in range(4):
        expected = sum((0.7 * 0.9) ** k * surprise[t + k] for k in range(4 - t))
        assert np.allclose(found[t], expected)
    assert np.allclose(target, found + torch.tensor(values))


def test_entropy_is_that_of_the_whole_decision():
    logits = {name: torch.cat([each, 2 * each]) for name, each in some_logits().items()}
    expected = 0.0
    for each in logits.values():
        chance = torch.softmax(each.double(), dim=2).numpy().reshape(-1, each.shape[2])
        expected += sum(-(p * np.log(p)).sum() for p in chance) / 2  # the mean of two decisions
    assert float(entropy(logits)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.numeric
def test_an_unchanged_policy_has_ratio_one():
    """Its loss is then minus the mean advantage, which is zero, and the rest of the loss."""
    training, rollout = rollout_of(of_task("joint"))
    case, network = training.case, training.network
    rows = torch.arange(len(rollout.advantage))
    plain = replace(training.settings, value_weight=0.0)
    loss = minibatch_loss(network, case, rollout, rows, plain, 0.0)
    assert float(loss.detach()) == pytest.approx(0, abs=1e-4)
    assert float(rollout.advantage.mean()) == pytest.approx(0, abs=1e-5)


def test_the_policy_itself_learns_a_toys_optimum():
    """Not the best of its samples: what the trained network finds likeliest."""
    problem = two_kinds()
    agent = small()
    agent.solve(problem, Budget(problem, 1500), seed=0)
    assert agent.training is not None
    case = agent.training.case
    chosen = decode(agent.training.network, case, SMALL.rounds)
    decision = case.decision({name: each[0].numpy() for name, each in chosen.items()})
    assert go_gym.simulate(problem, decision).step_time_ns == optimum(problem)


@pytest.mark.parametrize("problem", [two_kinds(), awkward()], ids=["two kinds", "awkward"])
def test_the_optimum_of_a_toy_is_found(problem):
    budget = Budget(problem, 400)
    decision = small().solve(problem, budget, seed=0)
    assert budget.used == 400
    assert go_gym.simulate(problem, decision).step_time_ns == optimum(problem)


# The agent


class Plain(Budget):
    """A budget that simulates decisions and does nothing else."""

    def part(self, *_):
        raise AssertionError

    delta = trace = part


@pytest.mark.parametrize("task", TASKS)
def test_every_task_by_simulated_decisions_alone(task):
    problem = of_task(task)
    budget = Plain(problem, 60)
    decision = small().solve(problem, budget, seed=0)
    assert budget.used == 60
    check_decision(problem, decision)
    assert (decision.priority is not None) == (task in ("scheduling", "joint"))
    assert (decision.fusion is not None) == (task in ("fusion", "joint"))
    assert go_gym.simulate(problem, decision).step_time_ns == budget.best_step_time_ns


@settings(max_examples=15, deadline=None)
@given(problem=problems())
def test_any_problem_gets_a_whole_decision(problem):
    budget = Budget(problem, 40)
    decision = small().solve(problem, budget, seed=3)
    check_decision(problem, decision)
    assert budget.used == 40
    placement = np.asarray(decision.placement)
    assert np.array_equal(placement, placement[problem.colocation_leader])


@pytest.mark.parametrize("calls", [0, 1, 2, 7, 25])
def test_tiny_budgets_are_kept_and_used_up(calls):
    problem = layered()
    budget = Budget(problem, calls)
    check_decision(problem, small().solve(problem, budget, seed=0))
    assert budget.used == calls


def test_large_graphs_are_decided_by_rows():
    graph = datasets.load("synthetic-unrolled-20000-100")
    problem = make_problem(graph, go_gym.load_cluster("p100x4"))
    agent = small(rows=32, episodes=2)
    check_decision(problem, agent.solve(problem, Budget(problem, 6), seed=0))
    assert agent.training is not None and 16 < agent.training.case.units.count <= 32


def test_the_seed_decides_and_nothing_outside_is_touched():
    problem, threads = layered(), torch.get_num_threads()
    agents = [small() for _ in range(3)]
    for agent, seed, state in zip(agents, (3, 3, 4), (0, 1, 1), strict=True):
        torch.manual_seed(state)
        agent.solve(problem, Budget(problem, 60), seed)
        assert torch.initial_seed() == state and torch.get_num_threads() == threads
    first, again, other = (weights(agent.training) for agent in agents)
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_a_stopped_training_goes_on_exactly(tmp_path):
    problem = of_task("joint")
    whole, stopped = small(), PaperTraining(problem, 160, 0, SMALL)
    whole.train([problem], Budget(problem, 160), seed=0)
    budget = Budget(problem, 160)
    for _ in range(3):
        stopped.step(budget)
    save_training(stopped, tmp_path)
    resumed = small(tmp_path)
    resumed.load(tmp_path)
    resumed.train([problem], Budget(problem, 160 - budget.used), seed=0)
    assert whole.training is not None and resumed.training is not None
    assert torch.equal(weights(whole.training), weights(resumed.training))
    one, other = whole.training.case, resumed.training.case
    assert one.record.curve == other.record.curve and one.best_reward == other.best_reward
    assert one.best is not None and other.best is not None
    assert all(np.array_equal(one.best[name], other.best[name]) for name in one.decides)
    again = small()
    again.load(tmp_path)  # what the resumed training wrote at its end
    again.train([problem], Budget(problem, 0), seed=0)
    assert again.training is not None
    assert torch.equal(weights(again.training), weights(whole.training))


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    problem, other = layered(), layered(30)
    agent = small()
    with pytest.raises(AgentError, match="nothing trained"):
        agent.save(tmp_path)
    agent.train([problem], Budget(problem, 20), seed=0)
    agent.save(tmp_path)
    for wrong, seed, changes in ((other, 0, {}), (problem, 1, {}), (problem, 0, {"epochs": 3})):
        again = small(**changes)
        again.load(tmp_path)
        with pytest.raises(AgentError, match="checkpoint is of"):
            again.train([wrong], Budget(wrong, 20), seed)
    with pytest.raises(AgentError, match="one problem"):
        agent.train([problem, other], Budget(problem, 20), seed=0)


def test_it_is_installed():
    assert isinstance(load_agent("go:paper"), PaperGO)


def test_a_minibatch_whose_gradient_overflows_changes_nothing(monkeypatch):
    """The ratio of a whole decision's chances is the exponential of a sum over all rows."""
    training, rollout = rollout_of(of_task("fusion"))
    before = {name: each.clone() for name, each in training.network.state_dict().items()}
    real = ppo.minibatch_loss
    monkeypatch.setattr(ppo, "minibatch_loss", lambda *words: real(*words) * float("inf"))
    generator = torch.Generator().manual_seed(0)
    ppo.update(training.network, training.optimizer, training.case, rollout, SMALL, 0.0, generator)
    after = training.network.state_dict()
    assert all(torch.equal(after[name], each) for name, each in before.items())


@pytest.mark.parametrize("name", [each for each in FIGURES if FIGURES[each].least is not None])
def test_each_figure_is_an_option_down_to_its_least(name):
    """With that one at its least, a whole decision comes of a rollout and its update."""
    figure, problem = FIGURES[name], of_task("joint")
    given = {"heads": "1", name: str(figure.least)}
    agent = load_agent("go:paper," + ",".join("=".join(each) for each in given.items()))
    assert isinstance(agent, PaperGO)
    assert getattr(agent.options, figure.field) == figure.least != figure.default
    agent.options = replace(SMALL, **{"heads": 1, figure.field: figure.least})
    budget = Budget(problem, 30)
    check_decision(problem, agent.solve(problem, budget, 0))
    assert agent.training.updates and 0 < budget.used <= 30
    assert all(torch.isfinite(each).all() for each in agent.training.network.parameters())


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(AgentError, match="heads is 3, expected a divisor of width 128"):
        load_agent("go:paper,heads=3")
