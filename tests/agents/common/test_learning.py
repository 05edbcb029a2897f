"""Every agent that learns on its problem: budget, determinism, going on after a stop."""

import numpy as np
import pytest
import torch
from go_agents.hdp.agent import Hdp
from go_agents.hdp.training import HdpConfig
from go_agents.placeto.agent import Placeto
from go_agents.placeto.training import PlacetoConfig
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.agent import Budget, load_agent
from go_gym.catalogue.problems import make_problem
from go_gym.errors import AgentError
from go_gym.problem import check_decision
from tests.agents.toys import awkward, two_kinds
from tests.strategies import problems


def hdp(checkpoint=None):
    return Hdp(HdpConfig(hidden=8, noisy_updates=6), checkpoint)


def placeto(checkpoint=None):
    return Placeto(PlacetoConfig(width=4, rounds=2, workers=2, groups=4), checkpoint)


AGENTS = pytest.mark.parametrize("make", [hdp, placeto])
CALLS = 40


class Stopped(Budget):
    """A budget whose user presses Ctrl-C at a call."""

    def __init__(self, problem, simulations, stop):
        super().__init__(problem, simulations)
        self.stop = stop

    def _take(self, calls):
        if self.used + calls > self.stop:
            raise KeyboardInterrupt
        super()._take(calls)


def outcome(agent):
    learner = agent.training
    weights = torch.cat([value.flatten() for value in learner.model.state_dict().values()])
    return learner.best.tolist(), weights, learner.record.curve


def same(one, other):
    return one[0] == other[0] and torch.equal(one[1], other[1]) and one[2] == other[2]


@pytest.mark.parametrize(("name", "kind"), [("hdp", Hdp), ("placeto", Placeto)])
def test_they_are_installed(name, kind):
    assert isinstance(load_agent(name), kind)


@AGENTS
@settings(max_examples=20, deadline=None)
@given(problem=problems(), calls=st.integers(0, 30))
def test_any_budget_is_kept_and_any_problem_decided(make, problem, calls):
    budget = Budget(problem, calls)
    agent = make()
    decision = agent.solve(problem, budget, 0)
    check_decision(problem, decision)
    assert np.array_equal(decision.placement, decision.placement[problem.colocation_leader])
    assert budget.used <= calls
    assert agent.calls_used == budget.used
    result = go_gym.simulate(problem, decision)
    if budget.best is not None:
        assert result.step_time_ns == budget.best_step_time_ns
    curve = agent.training.record.curve
    best = [point.step_time_ns for point in curve.improvements]
    assert best == sorted(best, reverse=True)
    assert best == [point.step_time_ns for point in budget.curve]


@pytest.mark.numeric
@AGENTS
def test_the_seed_decides_and_the_global_generator_plays_no_part(make):
    problem = awkward()
    agents = [make() for _ in range(3)]
    for agent, seed, state in zip(agents, (3, 3, 4), (0, 1, 1), strict=True):
        torch.manual_seed(state)
        agent.solve(problem, Budget(problem, CALLS), seed)
        assert torch.initial_seed() == state
    first, again, other = (outcome(agent) for agent in agents)
    assert same(first, again)
    assert not torch.equal(first[1], other[1])


@pytest.mark.numeric
@AGENTS
@pytest.mark.parametrize("stop", [0, 17, 30])
def test_an_interrupted_training_goes_on_as_if_never_stopped(make, stop, tmp_path, monkeypatch):
    problem = two_kinds()
    whole = make()
    whole.solve(problem, Budget(problem, CALLS), 5)
    first = make(tmp_path)
    monkeypatch.setattr(type(first), "CHECKPOINT_EVERY", 1)
    with pytest.raises(KeyboardInterrupt):
        first.solve(problem, Stopped(problem, CALLS, stop), 5)
    second = make(tmp_path)
    if (tmp_path / "state.json").exists():
        second.load(tmp_path)
    else:
        assert stop == 0
    second.solve(problem, Budget(problem, CALLS - second.calls_used), 5)
    assert same(outcome(whole), outcome(second))


@AGENTS
def test_a_finished_training_is_loaded_with_its_answer(make, tmp_path):
    problem = awkward()
    agent = make(tmp_path)
    decision = agent.solve(problem, Budget(problem, CALLS), 0)
    again = make()
    again.load(tmp_path)
    assert again.calls_used == agent.calls_used
    answer = again.solve(problem, Budget(problem, 0), 0)
    assert np.array_equal(answer.placement, decision.placement)
    afresh = again.solve(problem, Budget(problem, 9), 1)
    check_decision(problem, afresh)
    assert again.calls_used <= 9


@AGENTS
def test_what_does_not_fit_is_refused(make, tmp_path):
    problem, other = awkward(), two_kinds()
    agent = make()
    with pytest.raises(AgentError, match="nothing to save"):
        agent.save(tmp_path)
    with pytest.raises(AgentError, match="one problem"):
        agent.train([problem, other], Budget(problem, CALLS), 0)
    with pytest.raises(AgentError, match="one problem"):
        agent.train([other], Budget(problem, CALLS), 0)
    placed = make_problem(problem.graph, problem.cluster, "scheduling")
    with pytest.raises(AgentError, match="decides placement, not scheduling"):
        agent.solve(placed, Budget(placed, CALLS), 0)
    agent.train([problem], Budget(problem, CALLS), 0)
    agent.save(tmp_path)
    for place, seed in ((other, 0), (problem, 1)):
        again = make()
        again.load(tmp_path)
        with pytest.raises(AgentError, match="checkpoint is of"):
            again.solve(place, Budget(place, CALLS), seed)
