"""Pre-training on the families of a split, and the checkpoints that ship with the package.

``python -m go_agents.go.pretraining --help`` is the command that made them; it goes on where a stop
left it, and writes the weights apart, with what they were trained on.
"""

import argparse
import dataclasses
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from go_gym.agent import Budget
from go_gym.catalogue import datasets
from go_gym.cluster import load_cluster
from go_gym.errors import AgentError
from go_gym.problem import Problem

from ..common.checkpoint import STATE, load_checkpoint, save_checkpoint
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
                f"{problem.graph.name} on {problem.cluster.name}": [
                    [point.calls, point.best_step_time_ns] for point in episode.curve.points[::10]
                ]
                for problem, episode in zip(training.problems, training.episodes, strict=True)
            },
        },
    )


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
        training.restore(*load_checkpoint(folder))
    else:
        for episode, budget in zip(training.episodes, budgets, strict=True):
            while episode.curve.calls < SEEK:
                training.scheduled_round(episode, budget, SEEK)
            episode.state.restart()
    training.run(budgets, updates, folder)
    return training


def report(training: Training) -> str:
    """A line a problem: the best step time sampled, and the mean of its last rounds."""
    lines = []
    for problem, episode in zip(training.problems, training.episodes, strict=True):
        points = episode.curve.points
        if points:
            mean = np.nanmean([point.mean_step_time_ns for point in points[-5:]])
            best = points[-1].best_step_time_ns / 1e6
            lines.append(f"{problem!r}: best {best:.1f} ms, lately {mean / 1e6:.1f} ms")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog=f"python -m {__name__}", description=__doc__)
    parser.add_argument("--without", default="transformer-xl", metavar="FAMILY", help="held out")
    parser.add_argument("--most-ops", type=int, default=30_000, help="leave larger graphs out")
    parser.add_argument("--cluster", action="append", help="repeat; default p100x2, x4 and x8")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="cpu, cuda, …; default the GPU where there is one")
    parser.add_argument("--folder", type=Path, help="default runs/go-without-FAMILY")
    parser.add_argument("--export", type=Path, help="default among those that ship")
    options = parser.parse_args(arguments)
    name = f"without-{options.without}"
    folder = options.folder or Path("runs") / f"go-{name}"
    split = datasets.split(f"paper-{name}")
    names = [n for n in split if datasets.info(n).ops <= options.most_ops]
    clusters = options.cluster or ["p100x2", "p100x4", "p100x8"]
    problems = [Problem(datasets.load(g), load_cluster(c)) for g in names for c in clusters]
    start = time.monotonic()
    training = pretrain(problems, options.updates, options.seed, folder, SEARCH, options.device)
    command = shlex.join(["python", "-m", "go_agents.go.pretraining", *(arguments or sys.argv[1:])])
    seconds = time.monotonic() - start
    export(training, command, seconds, options.export or SHIPPED / name)
    print(report(training))


if __name__ == "__main__":
    main()
