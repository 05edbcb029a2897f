"""How close bounds come to the best known: over the paper's graphs on two, four and eight P100.

    python benchmarks/bounds.py

The best known is the shortest valid step of a placement in any board of ``leaderboards``.
"""

import time
from pathlib import Path

import numpy as np

import go_gym
from go_gym.baselines.bounds import lower_bound_ns, tight_lower_bound_ns
from go_gym.catalogue import datasets
from go_gym.leaderboard.schema import RESULTS, read_rows

BOARDS = Path(__file__).parents[1] / "leaderboards"
CLUSTERS = ("p100x2", "p100x4", "p100x8")
CLOSE = 1.10


def best_known() -> dict[tuple[str, str], int]:
    """The shortest valid step by graph and cluster."""
    best: dict[tuple[str, str], int] = {}
    for path in sorted(BOARDS.rglob(RESULTS)):
        for row in read_rows(path):
            if row.valid and row.task == "placement":
                cell = row.graph, row.cluster
                best[cell] = min(best.get(cell, row.step_time_ns), row.step_time_ns)
    return best


def main() -> None:
    """Print a line for each cell, and the geometric means."""
    best, ratios = best_known(), []
    print("graph, cluster: best known (ms), over the plain bound, over the tight one, seconds")
    for graph in datasets.split("paper"):
        for cluster in CLUSTERS:
            if (graph, cluster) not in best:
                continue
            problem = go_gym.Problem(datasets.load(graph), go_gym.load_cluster(cluster))
            start, step = time.perf_counter(), best[graph, cluster]
            tight = tight_lower_bound_ns(problem)
            seconds = time.perf_counter() - start
            assert tight <= step, f"{graph} on {cluster}: bound {tight} above {step}"
            ratios.append((step / lower_bound_ns(problem), step / tight))
            plain, tighter = ratios[-1]
            line = f"{step / 1e6:.1f}, {plain:.3f}, {tighter:.3f}, {seconds:.1f}"
            print(f"{graph}, {cluster}: {line}", flush=True)
    for name, column in zip(("plain", "tight"), np.array(ratios).T, strict=True):
        mean, close = np.exp(np.log(column).mean()), (column <= CLOSE).mean()
        print(f"{name}: geometric mean {mean:.3f}, within {CLOSE} in {close:.0%} of {len(column)}")


if __name__ == "__main__":
    main()
