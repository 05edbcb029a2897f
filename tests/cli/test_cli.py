"""The command line as a user runs it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from go_gym.cli import app, shared

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "graphs",
    "clusters",
    "agents",
    "instances",
    "capture",
    "optimize",
    "run",
    "verify",
    "sign",
    "leaderboard",
    "export",
    "site",
    "submit",
    "trace",
    "pipeline",
    "measure",
    "calibrate",
    "measure-board",
    "report sim-vs-real",
    "demo",
    "reproduce",
]


def invoke(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(words))
    assert result.exit_code == code, result.output
    return result.output


@pytest.mark.parametrize("command", [*COMMANDS, "build-datasets"])
def test_help_has_an_example(command):
    assert f"Example: go-gym {command}" in " ".join(invoke(*command.split(), "--help").split())


def test_lists():
    assert "rnnlm-2" in invoke("graphs")
    assert "p100x4" in invoke("clusters")
    assert "[[device]]" in invoke("clusters", "p100x2")
    assert "heft-contention" in invoke("agents")
    shown = invoke("agents", "sa:start=best")
    assert "one of scratch, best" in shown and "sa:separate" in shown
    assert "No options" in invoke("agents", "metis")


def test_run_verify_leaderboard_trace(tmp_path):
    out = str(tmp_path / "out")
    words = ["run", "-a", "metis", "-a", "human-expert", "-g", "rnnlm-2", "--out", out]
    assert "2 rows" in invoke(*words)
    assert "2 rows" in invoke(*words)
    assert "2 rows verified" in invoke("verify", out)
    assert "| metis |" in invoke("leaderboard", out, "--markdown")
    decision = tmp_path / "decision.npz"
    invoke("export", out, "-a", "metis", "--out", str(decision))
    where = str(tmp_path / "trace")
    problem = ["-g", "rnnlm-2", "-c", "p100x2", "--out", where]
    invoke("trace", *problem, "-d", str(decision))
    invoke("trace", *problem, "-a", "human-expert")
    made = sorted(path.suffix for path in Path(where).iterdir())
    assert made == [".json", ".json", ".png", ".png", ".png", ".png"]
    (first, _) = sorted(Path(where).glob("*.json"))
    assert json.loads(first.read_text())["traceEvents"]


@pytest.mark.parametrize(
    "words",
    [
        ["run", "-a", "nobody"],
        ["run", "-a", "metis", "-g", "nothing"],
        ["run", "-a", "metis", "-c", "nowhere"],
        ["run", "-a", "metis", "--priorities", "mood"],
        ["clusters", "nowhere"],
        ["leaderboard", "/nonexistent"],
        ["trace", "-g", "rnnlm-2", "-c", "p100x2"],
        ["trace", "-g", "rnnlm-2", "-c", "p100x2", "-d", "/nonexistent.npz"],
        ["build-datasets", "nothing"],
        ["report", "sim-vs-real", "--placement", "nosuch"],
        ["report", "sim-vs-real", "--placement", "layers:x"],
    ],
    ids=" ".join,
)
def test_bad_input_is_one_line_and_exit_code_2(words):
    output = invoke(*words, code=2)
    assert output.count("go-gym:") == 1 and "Traceback" not in output


@pytest.mark.parametrize("seed", ["-1", str(2**63)])
def test_seeds_out_of_range_are_refused(tmp_path, seed):
    out = tmp_path / "out"
    invoke("run", "-a", "metis", "--seed", seed, "--out", str(out), code=2)
    assert not out.exists()


def test_brackets_are_text(tmp_path):
    out = str(tmp_path / "exp[lr]")
    words = ["run", "-a", "human-expert", "-g", "synthetic-unrolled-500-0", "--out", out]
    assert f"1 rows in {out}" in invoke(*words)
    assert f"{out}: 1 rows verified" in invoke("verify", out)


def test_cells_are_whole_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setattr(shared, "console", Console(width=40, force_terminal=True))
    listed = invoke("graphs", "-c", "p100x4")
    assert "…" not in listed and "transformer-xl-8" in listed
    assert "83,567" in listed and "unlimited" in invoke("clusters")


def test_a_split_is_no_graph_to_draw(tmp_path):
    words = ["trace", "-g", "paper", "-c", "p100x2", "-a", "human-expert", "--out", str(tmp_path)]
    assert "14 graphs" in invoke(*words, code=2)


def test_verify_fails_on_an_empty_folder(tmp_path):
    assert "unreadable" in invoke("verify", str(tmp_path), code=1)


def test_an_interrupted_run_exits_with_130(tmp_path, monkeypatch):
    from go_gym.leaderboard import run

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "solve", stop)
    words = ["run", "-a", "metis", "-g", "rnnlm-2", "--out", str(tmp_path)]
    assert "stopped" in invoke(*words, code=130)


def test_wheel_works_from_another_folder(tmp_path):
    """A wheel carries the graphs and agents; installed elsewhere, it needs no checkout."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    source = tmp_path / "source"
    files = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True
    ).stdout.split(b"\0")
    for name in filter(None, map(bytes.decode, files)):
        if (ROOT / name).is_file() and not name.startswith(("tests/", "leaderboards/")):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(source)]
    subprocess.run(wheel, check=True, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    target = tmp_path / "site"
    install = [*pip, "install", "--no-deps", "--target", str(target), str(built)]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "import gymnasium as gym, go_gym, go_agents; assert 'site' in go_gym.__file__;"
        "env = gym.make('GO-Placement-v0', graph='rnnlm-2', cluster='p100x2');"
        "env.reset(seed=0); import sys; assert 'torch' not in sys.modules;"
        "assert 'matplotlib' not in sys.modules and 'pandas' not in sys.modules;"
        "print(env.step([0] * env.unwrapped.problem.num_ops)[4]['step_time_ns'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(target)},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 0
