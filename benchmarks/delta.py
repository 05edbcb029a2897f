"""Speed-up of delta simulation over a full one, for moves of one op or of groups of ops.

    python benchmarks/delta.py           # five graphs, writes benchmarks/delta.md
    python benchmarks/delta.py --quick   # a sample of moves on one graph, writes nothing

Ops are drawn at random from the early, middle and late third of the graph, among those that take
time, and tried on another device with the views of what they make; each try is timed in turn with
``simulate`` of the same decision in the same process, and must equal it. A second table has walks,
in which one try in five is adopted; a third the step-wise environment, which keeps every move.
Times are those of the thread, which other processes disturb less.
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from against_c import machine

import go_gym
from go_gym.baselines.placements import human_expert
from go_gym.catalogue import datasets
from go_gym.envs.steps import STARTS, PlacementStepsEnv
from go_gym.envs.units import Units
from go_gym.partitions import attached_partition
from go_gym.simulator import DeltaSimulator, Result, simulate, simulate_batch

GRAPHS = ("rnnlm-4", "gnmt-4", "transformer-xl-4")
TRIED = (*GRAPHS, "transformer-xl-2", "transformer-xl-8")
CLUSTER = "p100x4"
THIRDS = ("early", "middle", "late")
GOALS = {"transformers": 5, "unrolled LSTMs": 3}
"""Of the mean speed-up of single moves from the expert's placement, and over graphs of a kind."""


def timed(call: Callable[[], Any]) -> tuple[int, Any]:
    start = time.thread_time_ns()
    result = call()
    return time.thread_time_ns() - start, result


def with_views(problem: go_gym.Problem) -> list[np.ndarray]:
    """Each op with the views of what it makes, and the views of those."""
    graph = problem.graph
    members = [[op] for op in range(problem.num_ops)]
    for tensor in np.flatnonzero(graph.tensor_alias >= 0)[::-1].tolist():
        view = graph.tensor_producer[tensor]
        members[graph.tensor_producer[graph.tensor_alias[tensor]]] += members[view]
    return [np.unique(ops) for ops in members]


def moved(decision: go_gym.Decision, ops: np.ndarray, device: int) -> go_gym.Decision:
    placement = np.array(decision.placement)
    placement[ops] = device
    return go_gym.Decision(placement, decision.priority)


def compare(problem: go_gym.Problem, fast: Result, full: Result) -> None:
    if fast.step_time_ns != full.step_time_ns:
        raise SystemExit(f"{problem}: delta and full simulation differ")


def ratios(problem: go_gym.Problem, decision: go_gym.Decision, moves: int) -> list[np.ndarray]:
    """Speed-ups of ``moves`` single moves in each third of the graph."""
    rng = np.random.default_rng(1)
    delta = DeltaSimulator(problem, decision)
    simulate(problem, decision)  # compiled before anything is timed
    paid = np.flatnonzero(problem.durations.max(axis=0) > 0)
    groups = with_views(problem)
    found = []
    for third in np.array_split(paid, 3):
        times = []
        for op in rng.choice(third, moves).tolist():
            step = rng.integers(1, problem.num_devices)
            device = int((decision.placement[op] + step) % problem.num_devices)
            changed = moved(decision, groups[op], device)
            full, expected = timed(lambda: simulate(problem, changed))  # noqa: B023
            fast, result = timed(lambda: delta.try_move(groups[op], device))  # noqa: B023
            compare(problem, result, expected)
            times.append(full / fast)
        found.append(np.array(times))
    return found


def walk(problem: go_gym.Problem, groups: list[np.ndarray], moves: int) -> float:
    """Speed-up of a walk of ``moves`` tries from the expert's placement, one in five adopted."""
    rng = np.random.default_rng(2)
    delta = DeltaSimulator(problem, go_gym.Decision(human_expert(problem)))
    total = np.zeros(2)
    for _ in range(moves):
        ops = groups[rng.integers(len(groups))]
        step = rng.integers(1, problem.num_devices)
        device = int((delta.decision.placement[ops[0]] + step) % problem.num_devices)
        changed = moved(delta.decision, ops, device)
        full, expected = timed(lambda: simulate(problem, changed))  # noqa: B023
        fast, result = timed(lambda: delta.try_move(ops, device))  # noqa: B023
        compare(problem, result, expected)
        if rng.random() < 0.2:
            fast += timed(delta.adopt)[0]
        total += full, fast
    return total[0] / total[1]


class Whole:
    """The simulator as a stranger's backend, whose moves are run whole."""

    name, deterministic = "simulator", True

    def run(
        self, problem: go_gym.Problem, decision: go_gym.Decision, trace: bool = False
    ) -> Result:
        return simulate(problem, decision, trace)

    def run_batch(
        self, problem: go_gym.Problem, decisions: Sequence[go_gym.Decision]
    ) -> Sequence[Result]:
        return simulate_batch(problem, decisions)


def steps(name: str, start: str, count: int) -> tuple[float, float]:
    """Steps a second of the step-wise environment, each move whole and by delta simulation."""
    rates = []
    for backend in (Whole(), "simulator"):
        env = PlacementStepsEnv(name, CLUSTER, backend=backend, start=start)
        env.reset(seed=0)
        rng = np.random.default_rng(3)
        spent = 0
        for _ in range(min(count, env.length_of(0))):
            action = int(rng.integers(env.problem.num_devices))
            spent += timed(lambda: env.step(action))[0]  # noqa: B023
        rates.append(1e9 * min(count, env.length_of(0)) / spent)
    return rates[0], rates[1]


def tries(graphs: Sequence[str], moves: int) -> list[str]:
    """The table of single moves."""
    lines = [
        "| graph | placement | " + " | ".join(THIRDS) + " | all: median | mean |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    means: dict[str, list[float]] = {kind: [] for kind in GOALS}
    for name in graphs:
        problem = go_gym.Problem(datasets.load(name), go_gym.load_cluster(CLUSTER))
        rng = np.random.default_rng(0)
        family = "transformers" if name.startswith("transformer") else "unrolled LSTMs"
        for kind, placement in (
            ("expert", human_expert(problem)),
            ("random", rng.integers(0, problem.num_devices, problem.num_ops)),
        ):
            found = ratios(problem, go_gym.Decision(placement), moves)
            every = np.concatenate(found)
            cells = [f"{np.median(part):.1f}×" for part in (*found, every)]
            lines.append(f"| {name} | {kind} | " + " | ".join(cells) + f" | {every.mean():.1f}× |")
            if kind == "expert":
                means[family].append(float(every.mean()))
    lines.append("")
    for family, reached in means.items():
        if reached:
            mean, goal = np.mean(reached), GOALS[family]
            met = "met" if mean >= goal else "missed"
            lines.append(f"- From the expert's placement, {family}: {mean:.1f}× (≥ {goal}: {met}).")
    return lines


def walks(graphs: Sequence[str], moves: int) -> list[str]:
    """The table of walks."""
    lines = [
        "| graph | an op with its views | smallest groups | 64 groups |",
        "| --- | ---: | ---: | ---: |",
    ]
    for name in graphs:
        problem = go_gym.Problem(datasets.load(name), go_gym.load_cluster(CLUSTER))
        kinds = (
            with_views(problem),
            Units(problem, attached_partition(problem)).members,
            Units.of(problem, 64).members,
        )
        cells = [f"{walk(problem, groups, moves):.2f}×" for groups in kinds]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def environments(graphs: Sequence[str], count: int) -> list[str]:
    """The table of the step-wise environment."""
    lines = [
        "| graph | starts from | whole, steps/s | by delta simulation, steps/s | ratio |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    for name in graphs:
        for start in STARTS:
            whole, delta = steps(name, start, count)
            cells = f"{whole:.0f} | {delta:.0f} | {delta / whole:.2f}×"
            lines.append(f"| {name} | {start} | {cells} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sample; writes no file")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_suffix(".md"))
    options = parser.parse_args()
    moves = 30 if options.quick else 200
    graphs, tried = (GRAPHS[-1:],) * 2 if options.quick else (GRAPHS, TRIED)
    load = os.getloadavg()[0]
    report = "\n\n".join(
        [
            "# Speed of delta simulation",
            "\n".join(machine(None)),
            f"Load of the machine at the start: {load:.1f}.",
            f"How many times faster `DeltaSimulator.try_move` is than `simulate`, for moves of one "
            f"op with the views of what it makes on {CLUSTER}: medians of {moves} moves in each "
            "third of the graph.",
            "\n".join(tries(tried, moves)),
            f"How many times faster a walk of {moves} tries is, of which one in five is adopted, "
            "from the expert's placement: sums, adoption included.",
            "\n".join(walks(graphs, moves)),
            "`GO-PlacementSteps-v0` with 64 groups and random actions, every move kept:",
            "\n".join(environments(graphs, 64)),
            "[What its parts gave](delta_parts.md)",
        ]
    )
    print(report)
    if not options.quick:
        options.output.write_text(report + "\n")


if __name__ == "__main__":
    main()
