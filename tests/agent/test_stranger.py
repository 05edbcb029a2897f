"""A stranger's package with an agent, installed as a user would, is found and runs."""

import os
import subprocess
import sys
from pathlib import Path

PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "strangers-agent"
version = "1.0"
[project.entry-points."go_gym.agents"]
strangers-last-device = "strangers_agent:LastDevice"
[tool.setuptools]
py-modules = ["strangers_agent"]
"""
MODULE = """
import go_gym

class LastDevice:
    version = "1"

    def solve(self, problem, budget, seed):
        decision = go_gym.Decision([problem.num_devices - 1] * problem.num_ops)
        budget.evaluate(decision)
        return decision
"""
PROGRAM = """
import go_gym
from go_gym.agent import Budget, load_agent

graph = go_gym.ComputationGraph.from_costs([2, 3], [(0, 1)], [(0, 1)])
problem = go_gym.Problem(graph, go_gym.Cluster.uniform(3, 1e9))
budget = Budget(problem, 1)
decision = load_agent("strangers-last-device").solve(problem, budget, 0)
print(decision.placement.tolist(), budget.used, budget.best_step_time_ns)
"""


def test_strangers_agent_is_found_and_runs(tmp_path: Path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "strangers_agent.py").write_text(MODULE)
    install = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps"]
    install += ["--no-index", "--disable-pip-version-check", "--target", str(target), str(source)]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    paths = [str(target), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    command = [sys.executable, "-c", PROGRAM]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[2, 2] 1 5"
