"""Speed-up of delta simulation over a full one, for moves of one op.

    python benchmarks/delta.py           # three graphs, writes benchmarks/delta.md
    python benchmarks/delta.py --quick   # a sample of moves on one graph, writes nothing

Ops are drawn at random from the early, middle and late third of the graph, among those that take
time, and tried on another device; each try is timed in turn with ``simulate`` of the same decision
in the same process, and must equal it.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from against_c import machine

import go_gym
from go_gym import datasets
from go_gym.placements import human_expert
from go_gym.simulator import DeltaSimulator, Result, simulate

GRAPHS = ("rnnlm-4", "gnmt-4", "transformer-xl-4")
CLUSTER = "p100x4"
THIRDS = ("early", "middle", "late")
GOALS = {"transformer-xl-4": 5, "rnnlm-4": 3, "gnmt-4": 3}


def timed(call: Callable[[], Result]) -> tuple[int, Result]:
    start = time.perf_counter_ns()
    result = call()
    return time.perf_counter_ns() - start, result


def ratios(problem: go_gym.Problem, decision: go_gym.Decision, moves: int) -> list[np.ndarray]:
    """Speed-ups of ``moves`` single moves in each third of the graph."""
    rng = np.random.default_rng(1)
    delta = DeltaSimulator(problem, decision)
    paid = np.flatnonzero(problem.durations.max(axis=0) > 0)
    found = []
    for ops in np.array_split(paid, 3):
        times = []
        for op in rng.choice(ops, moves).tolist():
            placement = np.array(decision.placement)
            step = rng.integers(1, problem.num_devices)
            placement[op] = (placement[op] + step) % problem.num_devices
            changed = go_gym.Decision(placement, decision.priority)
            full, expected = timed(lambda: simulate(problem, changed))  # noqa: B023
            fast, result = timed(lambda: delta.try_move([op], placement[op]))  # noqa: B023
            if result.step_time_ns != expected.step_time_ns:
                raise SystemExit(f"{problem}: op {op} moved: delta and full simulation differ")
            times.append(full / fast)
        found.append(np.array(times))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sample; writes no file")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    moves = 30 if options.quick else 200
    load = os.getloadavg()[0]
    lines = [
        "| graph | placement | " + " | ".join(THIRDS) + " | all: median | mean | goal (mean) |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name in GRAPHS[-1:] if options.quick else GRAPHS:
        problem = go_gym.Problem(datasets.load(name), go_gym.load_cluster(CLUSTER))
        rng = np.random.default_rng(0)
        for kind, placement in (
            ("expert", human_expert(problem)),
            ("random", rng.integers(0, problem.num_devices, problem.num_ops)),
        ):
            found = ratios(problem, go_gym.Decision(placement), moves)
            every = np.concatenate(found)
            cells = [f"{np.median(part):.1f}×" for part in (*found, every)]
            met = "met" if every.mean() >= GOALS[name] else "missed"
            cells += [f"{every.mean():.1f}×", f"{GOALS[name]}×: {met}" if kind == "expert" else ""]
            lines.append(f"| {name} | {kind} | " + " | ".join(cells) + " |")
    report = "\n\n".join(
        [
            "# Speed of delta simulation",
            "\n".join(machine(None)),
            f"How many times faster `DeltaSimulator.try_move` is than `simulate`, for moves of one "
            f"op on {CLUSTER}: medians of {moves} moves in each third of the graph. "
            f"Load of the machine at the start: {load:.1f}.",
            "\n".join(lines),
        ]
    )
    print(report)
    if not options.quick:
        options.output.write_text(report + "\n")


if __name__ == "__main__":
    main()
