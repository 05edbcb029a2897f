"""Train an algorithm of Stable-Baselines3 on a graph, and draw its learning curve."""

import csv
import io
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import go_gym
from go_gym.agent import Budget, Curve, find_agent, load_agent
from go_gym.catalogue import datasets
from go_gym.cli.shared import MAX_SEED, one_line_errors
from go_gym.envs.units import Units
from go_gym.errors import AgentError
from go_gym.files import atomic_write

from .agent import SB3Agent
from .settings import SB3Options

COLUMNS = ("calls", "best_step_time_ns", "mean_step_time_ns")


def best_of_random(
    problem: go_gym.Problem, groups: int | None, calls: int, seed: int
) -> int | None:
    """Best step time in ns of ``calls`` placements drawn group by group, None if none is valid."""
    units, rng = Units.of(problem, groups), np.random.default_rng(seed)
    drawn = rng.integers(0, problem.num_devices, (calls, units.count))
    results = go_gym.simulate_batch(problem, [go_gym.Decision(units.spread(row)) for row in drawn])
    return min((int(result.step_time_ns) for result in results if result.valid), default=None)


def write(curve: Curve, path: Path) -> None:
    """Write a curve as CSV, a line for each of its windows, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for window in curve.windows:
        best = curve.best_after(window.calls)
        writer.writerow((window.calls, best, window.mean_step_time_ns))
    atomic_write(path, text.getvalue())


def draw(curve: Curve, references: dict[str, int], title: str, path: Path) -> None:
    """A PNG of mean and best step time over simulator calls, with horizontal references in ns."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    calls = np.array([window.calls for window in curve.windows])
    axes.plot(calls, curve.mean_at(calls) / 1e6, label="mean of the samples")
    axes.plot(calls, curve.best_at(calls) / 1e6, label="best so far")
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


def main(
    agent: Annotated[
        str, typer.Option("--agent", "-a", help="As sb3:algorithm=a2c,groups=8.")
    ] = "sb3",
    graph: Annotated[str, typer.Option("--graph", "-g", help="Name.")] = "rnnlm-2",
    cluster: Annotated[str, typer.Option("--cluster", "-c", help="Preset or path.")] = "p100x2",
    budget: Annotated[int, typer.Option(min=0, help="Simulator calls.")] = 20_000,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="All chance.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of all that is written.")] = Path("runs/sb3"),
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in --out.")] = False,
) -> None:
    """Train, print a line, write curve.csv, curve.png, a checkpoint and TensorBoard's logs.

    Example: python -m go_agents.sb3.train -a sb3 -g rnnlm-2 -c p100x2 --budget 20000
    """
    with one_line_errors():
        asked = find_agent(agent)
        if not isinstance(asked.options, SB3Options):
            raise AgentError(f"agent {agent!r}: expected sb3, with options or without")
        problem = go_gym.Problem(datasets.load(graph), go_gym.load_cluster(cluster))
        trained = SB3Agent(asked.options, checkpoint=out, progress=True)
        if resume:
            trained.load(out)
        curve = trained.train([problem], Budget(problem, budget), seed)
        if not curve.windows:
            raise AgentError(f"--budget {budget}: too few calls for one update of the agent")
    write(curve, out / "curve.csv")
    expert = load_agent("human-expert").solve(problem, Budget(problem, 0), 0)
    references = {"human expert": go_gym.simulate(problem, expert).step_time_ns}
    calls = trained.calls_used
    random = best_of_random(problem, trained.settings.groups, calls, seed)
    if random is not None:
        references[f"best of {calls:,} random"] = random
    title = f"{asked.name} on {graph}, {cluster}"
    draw(curve, references, title, out / "curve.png")
    best, means = curve.improvements[-1].step_time_ns, curve.windows
    typer.echo(
        f"{title}: {calls} calls, best {best / 1e6:.1f} ms, mean of the samples "
        f"{means[0].mean_step_time_ns / 1e6:.1f} → {means[-1].mean_step_time_ns / 1e6:.1f} ms; "
        + ", ".join(f"{label} {time / 1e6:.1f} ms" for label, time in references.items())
    )


if __name__ == "__main__":
    typer.run(main)
