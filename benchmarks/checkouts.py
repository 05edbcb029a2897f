"""The engine's speed in two checkouts, one after the other in turn.

``python benchmarks/checkouts.py BEFORE AFTER`` prints a Markdown table: CPU milliseconds a
simulation, the median over runs of both, and their ratio. Each run is a process of its own.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from statistics import median

from go_gym.hardware.process.machine import read_field

RUNS = 5
CASES = (
    ("rnnlm-2", "p100x2", False),
    ("rnnlm-2", "p100x2", True),
    ("amoebanet", "p100x4", False),
    ("gnmt-8", "p100x8", False),
)
"""Graph, cluster, and whether ops have priorities."""
DECISIONS, REPEATS = 12, 9


def measure() -> list[float]:
    """ms of CPU time a simulation, of each of CASES, with the go_gym that this process imports."""
    import time

    import numpy as np

    import go_gym

    found = []
    for graph, cluster, ranked in CASES:
        problem = go_gym.make_problem(go_gym.datasets.load(graph), go_gym.load_cluster(cluster))
        random, n = np.random.default_rng(0), problem.num_ops
        decisions = [
            go_gym.Decision(
                random.integers(0, problem.num_devices, n)[problem.colocation_leader],
                random.integers(0, 9, n) if ranked else None,
            )
            for _ in range(DECISIONS)
        ]
        go_gym.simulate_batch(problem, decisions, threads=1)
        times = []
        for _ in range(REPEATS):
            begin = time.process_time()
            go_gym.simulate_batch(problem, decisions, threads=1)
            times.append(time.process_time() - begin)
        found.append(1e3 * median(times) / DECISIONS)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs=2, metavar="CHECKOUT")
    folders = [folder.resolve() for folder in parser.parse_args().folders]
    times: list[list[list[float]]] = [[], []]
    for _ in range(RUNS):
        for folder, mine in zip(folders, times, strict=True):
            done = subprocess.run(
                [sys.executable, __file__, "--measure"],
                env=os.environ | {"PYTHONPATH": str(folder)},
                cwd=folder.anchor,
                capture_output=True,
                text=True,
                check=True,
            )
            said = json.loads(done.stdout)
            assert Path(said["from"]).is_relative_to(folder), said["from"]
            mine.append(said["ms"])
    cpu = read_field("/proc/cpuinfo", "model name") or platform.machine()
    print(f"{cpu}, {os.cpu_count()} cores\n")
    print("| graph | ready queues | before, ms | after, ms | ratio |")
    print("| --- | --- | ---: | ---: | ---: |")
    for number, (graph, _, ranked) in enumerate(CASES):
        before, after = (median(run[number] for run in mine) for mine in times)
        rule = "priorities" if ranked else "first in, first out"
        print(f"| {graph} | {rule} | {before:.3f} | {after:.3f} | {after / before:.3f} |")


if __name__ == "__main__":
    if sys.argv[1:] == ["--measure"]:
        import go_gym

        print(json.dumps({"from": go_gym.__file__, "ms": measure()}))
    else:
        main()
