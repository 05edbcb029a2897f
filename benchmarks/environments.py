"""What environments cost beyond the simulator, and the native vector environment against others.

    python benchmarks/environments.py            # the whole
    python benchmarks/environments.py --quick    # fewer repetitions, no asynchronous workers

Medians of interleaved repetitions; compare the ratios, not the times, between machines.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import gymnasium as gym
import numpy as np

import go_gym
import go_gym.baselines.default
from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.envs.registration import IDS

os.environ.setdefault("OMP_NUM_THREADS", "1")
LIMIT = 1.2
"""A step may take so many times its simulation on the graph of 80,000 ops."""
FUSED_LIMIT = 30
"""A fused decision, whose kernels are worked out first, may take so many times a plain one."""


ACTIONS = 4
"""Steps of each repetition."""
WANTED = 1.3
"""Sync's CPU time over the native vector environment's."""


def medians(
    repetitions: int,
    clock: Callable[[], float] = time.perf_counter,
    **actions: Callable[[], object],
) -> dict[str, float]:
    """Median seconds by ``clock`` of each action, run in turn so that noise hits all alike."""
    found: dict[str, list[float]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(repetitions):
        for name, action in actions.items():
            start = clock()
            action()
            found[name].append(clock() - start)
    return {name: statistics.median(times) for name, times in found.items()}


def step_cost(repetitions: int) -> None:
    """A step of GO-Placement-v0 against the simulation of the same placements."""
    print("\nstep / simulation of the same placement, GO-Placement-v0")
    print(f"{'graph':<16}{'ops':>8}{'simulation ms':>15}{'step ms':>10}{'ratio':>8}")
    for name, cluster in (("rnnlm-2", "p100x2"), ("gnmt-8", "p100x8")):
        problem = go_gym.Problem(datasets.load(name), go_gym.load_cluster(cluster))
        env = gym.make("GO-Placement-v0", graph=name, cluster=cluster).unwrapped
        expert = go_gym.baselines.default.baseline(problem).placement
        rng = np.random.default_rng(0)
        actions = []
        for _ in range(8):  # stretches of the expert's placement moved, never the same twice
            action = np.array(expert)
            cut = np.sort(rng.integers(0, problem.num_ops, 2))
            action[cut[0] : cut[1]] = rng.integers(problem.num_devices)
            actions.append(action)
        turn = {"simulation": 0, "step": 0}

        def following(which: str, actions=actions, turn=turn) -> np.ndarray:
            turn[which] += 1
            return actions[turn[which] % len(actions)]

        def simulation(problem=problem, following=following) -> object:
            return go_gym.simulate(problem, go_gym.Decision(following("simulation")))

        def step(env=env, following=following) -> object:
            env.episode = env.begin(0)
            return env.step(following("step"))

        env.reset(seed=0)
        found = medians(repetitions, simulation=simulation, step=step)
        ratio = found["step"] / found["simulation"]
        verdict = "" if name != "gnmt-8" else f"  limit {LIMIT}" + (" EXCEEDED" * (ratio > LIMIT))
        print(
            f"{name:<16}{problem.num_ops:>8,}{found['simulation'] * 1e3:>15.3f}"
            f"{found['step'] * 1e3:>10.3f}{ratio:>8.2f}{verdict}"
        )


def fused_cost(repetitions: int) -> None:
    """A decision that fuses at random against the same placement without, on gnmt-8."""
    graph = datasets.load("gnmt-8")
    problem = make_problem(graph, go_gym.load_cluster("p100x2"), "fusion")
    plain = go_gym.Decision(problem.placement)
    ranks = np.random.default_rng(0).integers(0, 20, graph.num_ops)
    fusing = go_gym.Decision(problem.placement, fusion=ranks)
    found = medians(
        repetitions,
        plain=lambda: go_gym.simulate(problem, plain),
        fused=lambda: go_gym.simulate(problem, fusing),
    )
    ratio = found["fused"] / found["plain"]
    print(
        f"\ngnmt-8: a fused decision {found['fused'] * 1e3:.1f} ms, a plain one "
        f"{found['plain'] * 1e3:.1f} ms, ratio {ratio:.1f}  limit {FUSED_LIMIT}"
        + " EXCEEDED"
        * (ratio > FUSED_LIMIT)
    )


def vector_cpu(repetitions: int) -> None:
    """CPU time of eight episodes, all threads of the process together: native and Sync.

    A busy machine stretches wall time, and the native environment's threads shorten it; work done
    is CPU time.
    """
    print("\n8 episodes of rnnlm-2 on p100x4: CPU time of an environment step, Sync / native")
    print(f"{'id':<24}{'groups':>8}{'native ms':>12}{'Sync ms':>12}{'ratio':>8}")
    for name in IDS:
        for groups in (64, None):
            envs, runs = vector_runs(name, groups, ["vector_entry_point", "sync"])
            found = medians(repetitions, time.process_time, **runs)
            native, sync = (1e3 * found[mode] / (8 * ACTIONS) for mode in envs)
            print(
                f"{name:<24}{groups or 'ops':>8}{native:>12.3f}{sync:>12.3f}{sync / native:>8.2f}"
                + f"  wanted {WANTED}" * (sync / native < WANTED)
            )
            for env in envs.values():
                env.close()


def vector_runs(
    name: str, groups: int | None, modes: list[str]
) -> tuple[dict[str, gym.vector.VectorEnv], dict[str, Callable[[], object]]]:
    """Eight episodes of that id in each mode, and what takes ``ACTIONS`` steps of each."""
    options = {"graph": "rnnlm-2", "cluster": "p100x4", "groups": groups}
    envs = {m: gym.make_vec(name, 8, vectorization_mode=m, **options) for m in modes}
    space = envs["sync"].action_space
    space.seed(0)
    actions = [space.sample() for _ in range(ACTIONS)]

    def steps(env) -> None:
        for action in actions:
            env.step(action)

    for env in envs.values():
        env.reset(seed=0)
    return envs, {m: (lambda env=env: steps(env)) for m, env in envs.items()}


def vector_throughput(repetitions: int, with_async: bool) -> None:
    """Environment steps a second of eight episodes by the clock: native, Sync, Async."""
    print("\n8 episodes of rnnlm-2 on p100x4: environment steps a second (times Sync)")
    modes = ["vector_entry_point", "sync", *(["async"] if with_async else [])]
    print(f"{'id':<24}{'groups':>8}" + "".join(f"{mode:>26}" for mode in modes))
    for name in IDS:
        for groups in (64, None):
            envs, runs = vector_runs(name, groups, modes)
            found = medians(repetitions, **runs)
            rates = {mode: 8 * ACTIONS / seconds for mode, seconds in found.items()}
            cells = [f"{rates[m]:,.0f} ({rates[m] / rates['sync']:.2f})" for m in modes]
            print(f"{name:<24}{groups or 'ops':>8}" + "".join(f"{cell:>26}" for cell in cells))
            for env in envs.values():
                env.close()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    step_cost(15 if arguments.quick else 60)
    fused_cost(5 if arguments.quick else 20)
    vector_cpu(5 if arguments.quick else 15)
    vector_throughput(5 if arguments.quick else 15, with_async=not arguments.quick)


if __name__ == "__main__":
    main()
