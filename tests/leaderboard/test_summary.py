"""Standings against figures by hand."""

from dataclasses import replace

import pytest

from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.summary import standings

ROW = Row(
    task="placement",
    graph="g",
    graph_hash="0",
    cluster="c",
    cluster_hash="0",
    backend="simulator",
    agent="a",
    agent_version="1",
    options="",
    reproducible="exact",
    device="",
    track="tuned",
    priorities="fifo",
    seed=0,
    budget=0,
    budget_used=0,
    wall_seconds=0.0,
    step_time_ns=100,
    expert_ns=200,
    default_ns=400,
    speedup_over_expert=2.0,
    speedup_over_default=4.0,
    lower_bound_ns=50,
    gap=1.0,
    peak_memory_bytes=1,
    valid=True,
    reason="",
    decision="0",
    curve="",
    default_decision="",
    simulator_version=1,
    provenance="",
    started="",
    command="x",
)
ROWS = [
    ROW,
    replace(ROW, graph="h", step_time_ns=25),
    replace(ROW, agent="b", step_time_ns=50, seed=0),
    replace(ROW, agent="b", step_time_ns=70, seed=1),
    replace(ROW, agent="b", step_time_ns=60, seed=2),
    replace(ROW, agent="b", graph="h", valid=False, step_time_ns=1),
    replace(ROW, agent="<script>", graph="h", step_time_ns=800),
]


def test_standings_by_hand():
    (board,) = standings(ROWS).values()
    first, second, script = board
    assert [s.agent for s in board] == ["a", "b", "<script>"]
    assert first.over_expert == pytest.approx((2 * 8) ** 0.5)  # 200/100 and 200/25
    assert first.over_default == pytest.approx((4 * 16) ** 0.5)
    assert (first.first, first.valid, first.graphs) == (1, 2, 2)
    assert second.over_expert == pytest.approx(200 / 60)  # of the median of three seeds
    assert (second.first, second.valid, second.graphs) == (1, 1, 2)
    assert script.over_expert == pytest.approx(0.25)


def test_an_agent_without_a_valid_plan_is_last_with_nothing():
    (board,) = standings([ROW, replace(ROW, agent="0", valid=False)]).values()
    assert (board[-1].agent, board[-1].over_expert, board[-1].valid) == ("0", 0.0, 0)
