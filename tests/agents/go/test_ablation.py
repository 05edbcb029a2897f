"""Every part of GO that can be switched off changes what it decides, once it has learned."""

from pathlib import Path

import pytest
from go_agents.go.ablation import NETWORK, SEARCH, GOOptions
from go_agents.go.agent import GO
from go_agents.go.config import NetworkConfig, SearchConfig

from go_gym.agent import Budget
from go_gym.agent.options import declared
from go_gym.leaderboard.store import Board
from tests.agents.go.test_network import layered

BOARD = Path(__file__).parents[3] / "leaderboards" / "ablation"
PARTS = {**NETWORK, **SEARCH}
SMALL = NetworkConfig(width=16, heads=2, segment=4, type_width=8, score_width=8)
QUICK = SearchConfig(samples=8, parts=(4, 16), head_steps=4, learning_rate=1e-2, head_rate=3e-2)


def curve_of(part: str):
    problem = layered()
    agent = GO(GOOptions(without=part), network=SMALL, search=QUICK)
    return agent.train([problem], Budget(problem, 240), seed=0)


@pytest.fixture(scope="module")
def whole():
    return curve_of("nothing")


@pytest.mark.parametrize("part", PARTS)
def test_a_run_of_many_updates_takes_another_course_without_it(part, whole):
    assert curve_of(part) != whole


@pytest.mark.numeric
def test_such_a_run_comes_out_the_same_again(whole):
    assert curve_of("nothing") == whole


def test_an_ablated_agent_does_without_one_part():
    for part in next(each for each in declared(GOOptions) if each.name == "without").words:
        agent = GO(GOOptions(without=part))
        off = [
            name
            for config in (agent.network, agent.search)
            for name, value in vars(config).items()
            if value != getattr(type(config)(), name)
        ]
        assert off == ([] if part == "nothing" else [PARTS[part]])


def test_no_row_of_the_table_without_a_part_is_go_s_own():
    """Neither the curve nor, but for agreement on a good decision, the decision."""
    found: dict[tuple[str, int], dict[str, tuple[str, str]]] = {}
    for row in Board.read(BOARD).rows:
        part = row.options.removeprefix("without=")
        found.setdefault((row.graph, row.seed), {})[part] = (row.curve, row.decision)
    assert len(found) == 18
    for runs in found.values():
        assert set(runs) == {"", *PARTS}
        assert len(set(runs.values())) == len(runs)
