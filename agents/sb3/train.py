"""Train an algorithm of Stable-Baselines3 on a graph, and draw its learning curve.

python -m go_agents.sb3.train --graph rnnlm-2 --cluster p100x2 --budget 20000 --out runs/sb3
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

import go_gym
from go_gym.agent import Budget, load_agent
from go_gym.catalogue import datasets
from go_gym.envs.nodes import Nodes
from go_gym.errors import GoGymError

from ..common.curves import LearningCurve
from .agent import SB3Agent
from .settings import A2C_PLACEMENT, A2C_STEPS, DQN_STEPS, PPO_PLACEMENT, PPO_STEPS

SETTINGS = {
    "ppo": PPO_PLACEMENT,
    "ppo-steps": PPO_STEPS,
    "a2c": A2C_PLACEMENT,
    "a2c-steps": A2C_STEPS,
    "dqn": DQN_STEPS,
}


def best_of_random(
    problem: go_gym.Problem, groups: int | None, calls: int, seed: int
) -> int | None:
    """Best step time in ns of ``calls`` placements drawn group by group, None if none is valid."""
    nodes, rng = Nodes.of(problem, groups), np.random.default_rng(seed)
    drawn = rng.integers(0, problem.num_devices, (calls, nodes.count))
    results = go_gym.simulate_batch(problem, [go_gym.Decision(nodes.spread(row)) for row in drawn])
    return min((int(result.step_time_ns) for result in results if result.valid), default=None)


def draw(curve: LearningCurve, references: dict[str, int], title: str, path: Path) -> None:
    """A PNG of mean and best step time over simulator calls, with horizontal references in ns."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    calls = [point.calls for point in curve.points]
    axes.plot(calls, [p.mean_step_time_ns / 1e6 for p in curve.points], label="mean of the samples")
    axes.plot(calls, [p.best_step_time_ns / 1e6 for p in curve.points], label="best so far")
    for place, (label, time) in enumerate(references.items()):
        style = ("--", ":", "-.")[place % 3]
        axes.axhline(
            time / 1e6, color="grey", linestyle=style, label=f"{label}, {time / 1e6:.0f} ms"
        )
    axes.set(xlabel="simulator calls", ylabel="step time [ms]", title=title, ylim=(0, None))
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def main() -> None:
    """Train, print a line, write curve.csv, curve.png, a checkpoint and TensorBoard's logs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--algorithm", choices=SETTINGS, default="ppo")
    parser.add_argument("--graph", default="rnnlm-2")
    parser.add_argument("--cluster", default="p100x2")
    parser.add_argument("--groups", type=int, help="groups of ops decided about")
    parser.add_argument("--budget", type=int, default=20_000, help="simulator calls")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/sb3"))
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out")
    arguments = parser.parse_args()
    settings = SETTINGS[arguments.algorithm]
    if arguments.groups is not None:
        settings = replace(settings, groups=arguments.groups)
    try:
        problem = go_gym.Problem(
            datasets.load(arguments.graph), go_gym.load_cluster(arguments.cluster)
        )
        budget = Budget(problem, arguments.budget)
        agent = SB3Agent(settings=settings, folder=arguments.out, progress=True)
        if arguments.resume:
            agent.load(arguments.out)
    except GoGymError as error:
        parser.error(str(error))
    agent.train([problem], budget, arguments.seed)
    if not agent.curve.points:
        parser.error(f"--budget {arguments.budget}: too few calls for one update of the agent")
    agent.curve.write(arguments.out / "curve.csv")
    first, last = agent.curve.points[0], agent.curve.points[-1]
    expert = load_agent("human-expert").solve(problem, Budget(problem, 0), 0)
    references = {"human expert": go_gym.simulate(problem, expert).step_time_ns}
    random = best_of_random(problem, settings.groups, last.calls, arguments.seed)
    if random is not None:
        references[f"best of {last.calls:,} random"] = random
    title = f"{arguments.algorithm} on {arguments.graph}, {arguments.cluster}"
    draw(agent.curve, references, title, arguments.out / "curve.png")
    print(
        f"{title}: {last.calls} calls, best {last.best_step_time_ns / 1e6:.1f} ms, mean of the "
        f"samples {first.mean_step_time_ns / 1e6:.1f} → {last.mean_step_time_ns / 1e6:.1f} ms; "
        + ", ".join(f"{label} {time / 1e6:.1f} ms" for label, time in references.items())
    )


if __name__ == "__main__":
    main()
