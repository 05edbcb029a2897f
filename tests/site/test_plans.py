"""Plans and curves of the graphs' pages against the simulator's trace and the boards' curves."""

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from go_gym.cli import app
from go_gym.cluster import load_cluster
from go_gym.graph.builder import GraphBuilder, Op
from go_gym.leaderboard.store import Board
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate
from go_gym.site.boards import read_board
from go_gym.site.comparisons import comparisons
from go_gym.site.graphs import graph_pages
from go_gym.site.plans import MOST_SPANS, MOST_TRANSFERS, joined, plan_data, worth_showing
from go_gym.site.write import write_boards
from tests.leaderboard.test_summary import ROW
from tests.site.test_site import BOARDS


@pytest.fixture(scope="module")
def table3():
    return read_board("table3", BOARDS / "table3")


@pytest.fixture
def two_ops():
    builder = GraphBuilder()
    first = builder.add_op(Op("mm", "first", flops=10**9))
    made = builder.add_tensor(first, 10**6)
    builder.add_op(Op("mm", "second", flops=10**9), [made])
    problem = Problem(builder.graph("pair"), load_cluster("p100x2"))
    return problem, Decision(np.array([0, 1]))


def row_of(board: Board, **wanted):
    return next(row for row in board.rows if wanted.items() <= vars(row).items())


@pytest.mark.parametrize("agent", ["human-expert", "heft-contention"])
def test_a_thinned_timeline_is_as_busy_as_the_step(agent):
    board = Board.read(BOARDS)
    row = row_of(board, graph="rnnlm-2", cluster="p100x2", agent=agent, priorities="fifo")
    result = simulate(board.problem(row), board.decision(row))
    plan = plan_data(board, row)
    assert plan["ms"] == result.step_time_ns / 1e6
    spans, unit = np.array(plan["spans"]), plan["unit"]
    assert plan["ops"] > MOST_SPANS >= len(spans) and len(plan["transfers"]) <= MOST_TRANSFERS
    for device in range(2):
        _, start, length, _, _, ops, busy = spans[spans[:, 0] == device].T
        assert (start[1:] >= (start + length)[:-1]).all()  # no two at once
        # each span loses less than two units by rounding down
        assert abs(busy.sum() * unit - result.busy_ns[device]) <= 2 * unit * len(busy)
        assert abs((start + length).max() * unit - result.step_time_ns) <= 2 * unit or device
        assert (busy <= length).all() and (ops >= 1).all()


def test_a_small_plan_has_every_op_with_its_name_and_times(monkeypatch, two_ops, tmp_path):
    problem, decision = two_ops
    result = simulate(problem, decision, trace=True)
    board, row = Board(tmp_path), replace(ROW, step_time_ns=result.step_time_ns)
    monkeypatch.setattr(Board, "problem", lambda self, row: problem)
    monkeypatch.setattr(Board, "decision", lambda self, row: decision)
    plan = plan_data(board, row)
    trace = result.trace
    assert plan["unit"] == 1 and plan["names"] == list(problem.graph.op_names)
    expected = zip(decision.placement.tolist(), trace.op_start, trace.op_finish, strict=True)
    found = [(device, start, start + length) for device, start, length, *_ in plan["spans"]]
    assert found == [tuple(map(int, each)) for each in expected]
    ((device, start, length, count, busy),) = plan["transfers"]
    assert (device, start, count) == (0, trace.transfer_start[0], 1)
    assert length == busy == trace.transfer_finish[0] - trace.transfer_start[0]
    assert {tuple(spot) for spot in plan["map"]} == {(0, 0, 0, 100), (1, 0, 1, 100)}


def test_neighbours_are_joined_within_their_kind_first():
    device = np.array([0, 0, 0, 0, 1, 1])
    start = np.array([0, 10, 20, 500, 0, 900])
    finish = np.array([10, 20, 30, 510, 10, 1000])
    kind = np.array([1, 1, 2, 2, 1, 1])

    def heads(most):
        return joined(device, start, finish, kind, most).tolist()

    assert heads(6) == [0, 1, 2, 3, 4, 5]
    assert heads(5) == [0, 2, 3, 4, 5]  # the first two touch and are alike
    assert heads(4) == [0, 3, 4, 5]  # then the third, of another kind
    assert heads(3) == heads(2) == heads(1) == [0, 4]  # devices stay apart
    assert joined(*(np.zeros(0, dtype=np.int64),) * 4, 1).tolist() == []


def test_the_fastest_agents_and_the_reference_show_their_plans():
    rows = {
        "slow": [replace(ROW, step_time_ns=90)],
        "quick": [replace(ROW, step_time_ns=30, seed=1), replace(ROW, step_time_ns=20, seed=2)],
        "broken": [replace(ROW, step_time_ns=1, valid=False)],
        "middle": [replace(ROW, step_time_ns=50)],
        "reference": [replace(ROW, step_time_ns=80)],
    }
    shown = worth_showing(rows, "reference", 1)
    assert {agent: row.seed for agent, row in shown.items()} == {"quick": 2, "reference": 0}
    assert list(worth_showing(rows, "reference", None)) == ["quick", "middle", "reference", "slow"]
    assert worth_showing(rows, "reference", 0) == {}


def test_curves_end_on_the_rows_and_every_plan_is_there(table3, tmp_path):
    write_boards([table3], tmp_path, plans=1)
    for page in graph_pages([(table3, comparisons(table3))], 1):
        (cell,) = page.data["cells"]
        curved = [agent for agent in cell["agents"] if agent["curve"]]
        assert {agent["name"] for agent in curved} == {"go", "sa", "sa:start=best"}
        for agent in curved:
            calls, middle, low, high = agent["curve"]
            assert calls[-1] == 4000 and sorted(middle, reverse=True) == middle
            assert [middle[-1], low[-1], high[-1]] == pytest.approx(agent["numbers"][:3], rel=1e-4)
        planned = {agent["name"] for agent in cell["agents"] if agent["plan"]}
        assert cell["reference"] in planned and len(planned) == 2
        for agent in cell["agents"]:
            if agent["plan"]:
                path = tmp_path / "data" / "plans" / f"{agent['plan']}.js"
                text = path.read_text(encoding="ascii").removeprefix("goGym.add(")
                key, plan = json.loads(f"[{text.strip().removesuffix(');')}]")
                assert key == f"plan {agent['plan']}"
                assert (plan["agent"], plan["graph"]) == (agent["name"], page.name)
                assert plan["fused"]


def test_the_commands_on_the_page_make_the_whole_trace(table3, tmp_path, monkeypatch):
    row = row_of(table3.board, graph="rnnlm-4", agent="sa", options="start=best", seed=1)
    plan = plan_data(table3.board, row)
    monkeypatch.chdir(tmp_path)
    for command in plan["commands"]:
        result = CliRunner().invoke(app, shlex.split(command)[1:])
        assert result.exit_code == 0, result.output
    (path,) = tmp_path.rglob("*.trace.json")
    events = [event for event in json.loads(path.read_text())["traceEvents"] if event["ph"] == "X"]
    assert max(event["ts"] + event["dur"] for event in events) == pytest.approx(plan["ms"] * 1000)
    ops = sum(event["cat"] != "transfer" for event in events)
    assert ops == sum(count for *_, count, _ in plan["spans"])
