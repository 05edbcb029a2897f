"""The compile cache: several processes that start at once with none do not break it."""

import os
import subprocess
import sys

import pytest

COUNT = 4
CODE = """
import go_gym
graph = go_gym.ComputationGraph.from_costs([10, 10, 10], [(0, 10)], [(0, 1), (0, 2)])
problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=3, bandwidth=1e9))
fifo, levels = go_gym.Decision([0, 1, 2]), go_gym.Decision([0, 0, 0], [0, 1, 2])
print(go_gym.simulate(problem, fifo).step_time_ns, go_gym.simulate(problem, levels).step_time_ns)
print(*go_gym.simulate(problem, levels, trace=True).trace.op_start)
"""


def start(cache) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", CODE],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow  # four compilations on as few as two cores
def test_processes_that_start_at_once_with_an_empty_cache(tmp_path):
    cache = tmp_path / "cache"
    running = [start(cache) for _ in range(COUNT)]
    running += [start(cache)] if running[0].wait(120) == 0 else []  # one that finds it filled
    for process in running:
        out, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")
        assert out.split("\n")[:2] == ["40 30", "0 20 10"]
    assert len(running) == COUNT + 1
    assert list(cache.rglob("*.nbi")), "the cache was used"
