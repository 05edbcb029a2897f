"""The command line on tasks other than placement."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from go_gym.cli import app
from go_gym.leaderboard.schema import read_rows
from go_gym.problem.decision_file import load_decision


def invoke(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize(
    ("task", "agent", "rule"),
    [
        ("scheduling", "critical-path", "own"),
        ("fusion", "framework-default", "fifo"),
        ("joint", "one-by-one", "own"),
    ],
)
def test_run_verify_and_trace(tmp_path, task, agent, rule):
    out = tmp_path / "out"
    problem = ["-g", "rnnlm-2", "-c", "p100x2"]
    assert "1 rows" in invoke("run", "--task", task, "-a", agent, *problem, "--out", str(out))
    assert "1 rows verified" in invoke("verify", str(out))
    assert f"({task}, {rule})" in invoke("leaderboard", str(out), "--markdown")
    decision = tmp_path / "decision.npz"
    assert "0 rows of agent nobody, expected one" in invoke(
        "export", str(out), "-a", "nobody", code=2
    )
    invoke("export", str(out), "-a", agent, "--out", str(decision))
    assert load_decision(decision)[1]["task"] == task
    pictures = tmp_path / "pictures"
    invoke("trace", *problem, "-d", str(decision), "--out", str(pictures))
    made = sorted(path.name.split(".", 1)[1] for path in pictures.iterdir())
    assert made == ["map.png", "png", "trace.json"]
    (trace,) = pictures.glob("*.json")
    spans = [e for e in json.loads(trace.read_text())["traceEvents"] if e.get("tid") == 0]
    fused = any("+" in e["name"] and "parts" in e["args"] for e in spans)
    assert fused == (task != "scheduling")
    command = ["trace", *problem, "--task", task, "-a", agent, "--out", str(pictures)]
    assert "Placement map" in invoke(*command)


def test_options_of_an_agent_name_its_row(tmp_path):
    """Whatever way they are given in, that of a former name among them."""
    words = ["run", "-g", "rnnlm-2", "-c", "p100x2", "--budget", "3", "--out", str(tmp_path)]
    given = ("sa:start=scratch,priorities=critical-path", "sa-scheduled")
    assert "1 rows" in invoke(*words, *(part for name in given for part in ("-a", name)))
    (row,) = read_rows(tmp_path / "results.csv")
    assert (row.agent, row.options, row.priorities) == ("sa", "priorities=critical-path", "own")
    assert "-a sa:priorities=critical-path" in row.command.replace("--agent", "-a")
    out = invoke(*words, "-a", "sa:begin=best", code=2)
    assert "no option 'begin'; it has start, priorities" in " ".join(out.split())


def test_another_tasks_agent_and_an_unknown_task(tmp_path):
    words = ["run", "-g", "rnnlm-2", "-c", "p100x2", "--out", str(tmp_path)]
    output = invoke(*words, "--task", "fusion", "-a", "metis", code=1)
    assert "decides placement, not fusion" in " ".join(output.split())
    assert "expected one of placement" in invoke(*words, "--task", "cooking", "-a", "metis", code=2)
    assert not list(Path(tmp_path).rglob("*.npz"))
