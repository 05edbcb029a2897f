"""Speed of the simulator: ns per op, batch scaling, first call; as Markdown.

    python benchmarks/simulator.py [--quick]

Every figure is a median over repeats that rotate among eight placements: one repeated placement
is learned by the branch predictor and reads up to twice as fast. The plain-Python reference runs
in the same process, right before.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from statistics import median

import numba
import numpy as np

import go_gym
from go_gym import datasets
from go_gym.placements import settle
from go_gym.simulator import simulate_reference

FIRST_CALL = """
import time
import go_gym
graph = go_gym.ComputationGraph.from_costs([10, 10], [(0, 10)], [(0, 1)])
problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
start = time.perf_counter()
go_gym.simulate(problem, go_gym.Decision(placement=[0, 1]))
print(time.perf_counter() - start)
"""


def repeated(graph: go_gym.ComputationGraph, times: int) -> go_gym.ComputationGraph:
    """``times`` training steps in a row, each parameter's update feeding nothing: a longer graph
    of the same texture, joined by one tensor of 4 bytes from step to step."""
    n, t = graph.num_ops, graph.num_tensors
    producers, consumers, tensors = [], [], []
    for step in range(times):
        producers.append(graph.tensor_producer + step * n)
        tensors.append(graph.use_tensor + step * (t + 1))
        consumers.append(graph.use_consumer + step * n)
        producers.append([step * n + n - 1])
        if step + 1 < times:
            tensors.append([step * (t + 1) + t])
            consumers.append([(step + 1) * n + n - 1])
    size = np.tile(np.append(graph.tensor_bytes, 4), times)
    problem = go_gym.Problem(graph, go_gym.load_cluster("p100x2"))
    return go_gym.ComputationGraph.from_costs(
        np.tile(problem.durations[0], times),
        np.stack([np.concatenate(producers), size], axis=1),
        np.stack([np.concatenate(tensors), np.concatenate(consumers)], axis=1),
        layers=[graph.layers[code] for code in np.tile(graph.layer, times).tolist()],
        name=f"{graph.name} × {times}",
    )


def placements(problem: go_gym.Problem, kind: str, random: np.random.Generator) -> list[np.ndarray]:
    """Eight placements: layers cut at random places and rotated over devices, or random ops."""
    graph, devices = problem.graph, problem.num_devices
    made = []
    for turn in range(8):
        if kind == "random":
            made.append(random.integers(devices, size=graph.num_ops))
            continue
        cuts = np.sort(random.uniform(0, len(graph.layers), devices - 1))
        made.append(settle(problem, (np.searchsorted(cuts, graph.layer) + turn) % devices))
    return made


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Median time of a call, after one that does not count."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return median(taken)


def first_call(cache: str) -> float:
    """Seconds of the first simulation in a new process."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    ran = subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(ran.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer repeats, small graphs only")
    quick = parser.parse_args().quick
    repeats = 3 if quick else 9
    cpu = platform.processor() or platform.machine()
    print(f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"Numba {numba.__version__}\n")  # fmt: skip
    print(
        "| graph | ops | devices | placements | queue | ns per op | reference ÷ engine | 2 threads |"
    )
    print("| --- | ---: | ---: | --- | --- | ---: | ---: | ---: |")
    graphs = [repeated(datasets.load("rnnlm-2"), 1)]
    if not quick:
        graphs.append(repeated(datasets.load("rnnlm-8"), 4))
    random = np.random.default_rng(0)
    for graph in graphs:
        for devices in (2, 4, 8):
            problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices, 12.8e9, 25e-6))
            for kind in ("layers", "random"):
                chosen = placements(problem, kind, random)
                levels = random.integers(0, 8, graph.num_ops)
                for queue, priority in (("FIFO", None), ("priorities", levels)):
                    batch = [go_gym.Decision(placement=p, priority=priority) for p in chosen]
                    row(problem, batch, kind, queue, repeats)
    with tempfile.TemporaryDirectory() as cache:
        cold = first_call(cache)
        warm = median(first_call(cache) for _ in range(3))
    print(f"\nFirst call in a new process: {cold:.2f} s cold, {warm:.2f} s from a warm cache.")


def row(
    problem: go_gym.Problem, batch: list[go_gym.Decision], kind: str, queue: str, repeats: int
) -> None:
    """Measure and print one row."""
    calls = len(batch) * problem.num_ops
    start = time.perf_counter()
    expected = simulate_reference(problem, batch[0])
    slow = (time.perf_counter() - start) / problem.num_ops
    assert go_gym.simulate(problem, batch[0]).step_time_ns == expected.step_time_ns
    one = seconds(lambda: go_gym.simulate_batch(problem, batch, threads=1), repeats) / calls
    two = seconds(lambda: go_gym.simulate_batch(problem, batch, threads=2), repeats) / calls
    print(
        f"| {problem.graph.name} | {problem.num_ops:,} | {problem.num_devices} | {kind} | {queue} "
        f"| {one * 1e9:.1f} | {slow / one:,.0f}× | {one / two:.2f}× |",
        flush=True,
    )


if __name__ == "__main__":
    main()
