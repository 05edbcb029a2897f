"""Pre-training on the families of a split, and the checkpoints that ship with the package.

``python -m go_agents.go.pretraining --help`` is the command that made them; it goes on where a stop
left it, and writes the weights apart, with what they were trained on.
"""

import dataclasses
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

from go_gym.agent import Budget, Curve
from go_gym.catalogue import datasets
from go_gym.cli.shared import MAX_SEED, one_line_errors
from go_gym.cluster import load_cluster
from go_gym.errors import AgentError
from go_gym.problem import Problem

from ..common.checkpoint import STATE, load_checkpoint, save_checkpoint
from ..common.training import resume_training
from .config import NetworkConfig, SearchConfig
from .training import Training

SHIPPED = Path(__file__).parent / "pretrained"
"""The checkpoints that come with the package, each trained without one of the paper's families."""
DEFAULT = SHIPPED / "without-transformer-xl"
"""The one for graphs of families that all have seen, or none has."""
SEARCH = SearchConfig(
    samples=32,
    learning_rate=5e-4,
    head_rate=3e-3,
    entropy=0.03,
    first_round_policy=False,
    imitation=1.0,
    most_units=2048,
    rounds=3,
    problems_per_update=3,
)
"""How the shipped checkpoints were trained (our choice, for two cores)."""
SEEK = 500
"""Simulator calls that a problem is searched for before the first update."""


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """Weights, and what is known of their training.

    Attributes:
        weights: by name.
        network: the configuration that they fit.
        families: families of graphs that they were trained on.
        graphs, clusters: names.
        about: everything else that the checkpoint's JSON says.
    """

    weights: Mapping[str, Tensor]
    network: NetworkConfig
    families: tuple[str, ...]
    graphs: tuple[str, ...]
    clusters: tuple[str, ...]
    about: Mapping[str, Any]


def shipped_without(family: str) -> Path:
    """The folder of the shipped checkpoint that never saw ``family``, if there is one, else
    DEFAULT."""
    folder = SHIPPED / f"without-{family}"
    return folder if (folder / STATE).is_file() else DEFAULT


def load_pretrained(folder: str | Path = DEFAULT) -> Pretrained:
    """A checkpoint made by :func:`export`; raises AgentError where it is none."""
    if not (Path(folder) / STATE).is_file():
        raise AgentError(f"{folder}: no pre-trained GO there (python -m {__name__} makes one)")
    weights, about = load_checkpoint(folder)
    try:
        return Pretrained(
            weights,
            NetworkConfig(**about["network"]),
            tuple(about["families"]),
            tuple(about["graphs"]),
            tuple(about["clusters"]),
            about,
        )
    except (KeyError, TypeError) as error:
        raise AgentError(f"{folder}: no pre-trained GO: {error!r}") from error


def export(training: Training, command: str, seconds: float, folder: str | Path) -> None:
    """Write the weights of ``training``, what they were trained on, and its curves.

    A curve is [calls, best step time in ns so far], every tenth round.
    """
    graphs = [problem.graph for problem in training.problems]
    save_checkpoint(
        folder,
        training.network.state_dict(),
        {
            "network": vars(training.network.config),
            "search": training.search.numbers(),
            "families": sorted({str(graph.metadata.get("family")) for graph in graphs}),
            "graphs": sorted({graph.name for graph in graphs}),
            "clusters": sorted({problem.cluster.name for problem in training.problems}),
            "seed": training.seed,
            "updates": training.updates,
            "simulator_calls": training.used,
            "seconds": round(seconds, 1),
            "device": str(training.device),
            "command": command,
            "curves": {
                f"{problem.graph.name} on {problem.cluster.name}": _tenth(episode.record.curve)
                for problem, episode in zip(training.problems, training.episodes, strict=True)
            },
        },
    )


def _tenth(curve: Curve) -> list[list[int | None]]:
    return [[window.calls, curve.best_after(window.calls)] for window in curve.windows[::10]]


def pretrain(
    problems: Sequence[Problem],
    updates: int,
    seed: int,
    folder: Path,
    search: SearchConfig,
    device: str | None = None,
) -> Training:
    """Train on ``problems`` in turn; goes on from the checkpoint in ``folder`` if there is one.

    Before the first update each problem is searched for SEEK calls by the untrained policy: first
    rounds then have something better than one device to imitate (without, policy gradients alone
    end there, the one optimum that scattered samples lead to), and the odds of moves are learned
    from thousands of them at every stage of a search.
    """
    calls = updates * search.problems_per_update * search.samples + SEEK * len(problems)
    training = Training(problems, calls, seed, NetworkConfig(), search, device=device)
    budgets = [Budget(problem, calls) for problem in problems]
    if (folder / STATE).is_file():
        resume_training(training, *load_checkpoint(folder))
    else:
        for episode, budget in zip(training.episodes, budgets, strict=True):
            while episode.record.calls < SEEK:
                training.scheduled_round(episode, budget, SEEK)
            episode.state.restart()
    training.run(budgets, updates, folder)
    return training


def report(training: Training) -> str:
    """A line a problem: the best step time sampled, and the mean of its last rounds."""
    lines = []
    for problem, episode in zip(training.problems, training.episodes, strict=True):
        best, windows = episode.record.best_step_time_ns, episode.record.curve.windows[-5:]
        if best is not None:
            mean = sum(window.mean_step_time_ns for window in windows) / len(windows)
            lines.append(f"{problem!r}: best {best / 1e6:.1f} ms, lately {mean / 1e6:.1f} ms")
    return "\n".join(lines)


def main(
    without: Annotated[
        str, typer.Option(metavar="FAMILY", help="Family that is held out.")
    ] = "transformer-xl",
    most_ops: Annotated[int, typer.Option(min=1, help="Leave larger graphs out.")] = 30_000,
    cluster: Annotated[
        list[str] | None, typer.Option(help="Repeat for several; default p100x2, x4 and x8.")
    ] = None,
    updates: Annotated[int, typer.Option(min=0, help="Policy updates.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=MAX_SEED, help="All chance.")] = 0,
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, …; default the GPU where there is one.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Of checkpoints; default runs/go-without-FAMILY.")
    ] = None,
    export_to: Annotated[
        Path | None, typer.Option("--export", help="Folder; default among those that ship.")
    ] = None,
) -> None:
    """Pre-train GO on the paper's families but one, and write the weights.

    It goes on where a stop left it.

    Example: python -m go_agents.go.pretraining --without gnmt
    """
    name = f"without-{without}"
    with one_line_errors("stopped; the last checkpoint is kept, the same command goes on"):
        split = datasets.split(f"paper-{name}")
        names = [each for each in split if datasets.info(each).ops <= most_ops]
        clusters = cluster or ["p100x2", "p100x4", "p100x8"]
        problems = [Problem(datasets.load(g), load_cluster(c)) for g in names for c in clusters]
        start = time.monotonic()
        where = folder or Path("runs") / f"go-{name}"
        training = pretrain(problems, updates, seed, where, SEARCH, device)
        command = shlex.join(["python", "-m", "go_agents.go.pretraining", *sys.argv[1:]])
        export(training, command, time.monotonic() - start, export_to or SHIPPED / name)
    typer.echo(report(training))


if __name__ == "__main__":
    typer.run(main)
