"""Trains the scorer of moves: ``python -m go_agents.go.scorer_training LABELS/tuning FOLDER``.

Each file of labels has a problem of a tuning family. GO searches it, and every move tried is an
example: first all that the neighbourhood draws, in a second round those that the scorer so far
chose of several, so that it learns where that was wrong. The weights that ship are what this
command makes of the labels and the network of :mod:`.oneshot`.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from tqdm import tqdm

from go_gym.agent import Budget
from go_gym.catalogue.problems import make_problem
from go_gym.problem import Problem

from .agent import GO
from .annealing import Chooser, GOSettings
from .oneshot.labels import load
from .scorer import SHIPPED, Scorer, perceptron

CALLS = (300, 1500)
"""Of the searches of each problem: moves differ with what a search has left (our choice)."""
OTHER_CALLS = 500
"""Of a search of each other task, on every OTHER_EVERY-th problem."""
OTHER_EVERY = 4
LARGEST = 3200
"""Ops of a problem, for the sake of time (our choice)."""
UPDATES, BATCH, RATE = 4000, 1024, 5e-3
HELD_OUT = 8
"""Every so many-th problem tells when to trust the training."""
Examples = tuple[np.ndarray, np.ndarray, np.ndarray]


class Recorded(GO):
    """GO that keeps what its chooser saw of each move that was tried, and whether it gained."""

    def __init__(self, scorer: Scorer | None) -> None:
        every_move = GOSettings(offers=1, tries=1)
        super().__init__(
            scorer=scorer or Scorer.untrained(), settings=every_move if scorer is None else None
        )
        self.log: list[tuple[np.ndarray, bool]] = []

    def chooser(self, *given: object, **named: object) -> Chooser:
        """With a log."""
        chooser = super().chooser(*given, **named)  # type: ignore[arg-type]
        chooser.log = self.log
        return chooser


def collect(scorer: Scorer | None, paths: list[Path], seed: int) -> Examples:
    """Features (k, INPUTS), whether each gained (k,), and the number of its problem (k,)."""
    features, gained, owner = [], [], []
    for number, path in enumerate(tqdm(paths, desc="searches", mininterval=10)):
        agent = Recorded(scorer)
        for problem, calls in _tasks(load(path).problem, number):
            agent.solve(problem, Budget(problem, calls), seed + number)
        if agent.log:
            features.append(np.stack([each for each, _ in agent.log]))
            gained.append(np.array([each for _, each in agent.log], dtype=np.float32))
            owner.append(np.full(len(agent.log), number))
    return np.concatenate(features), np.concatenate(gained), np.concatenate(owner)


def _tasks(problem: Problem, number: int) -> list[tuple[Problem, int]]:
    found = [(problem, calls) for calls in CALLS]
    if number % OTHER_EVERY == 0:
        graph, cluster = problem.graph, problem.cluster
        for task in ("joint", "scheduling", "fusion"):
            found.append((make_problem(graph, cluster, task), OTHER_CALLS))
    return found


def train(examples: Examples, seed: int) -> tuple[Scorer, dict[str, float]]:
    """Logistic regression with a perceptron; the mean losses on held-out problems of it and of the
    share of moves that gain."""
    features, gained, owner = examples
    held_out = owner % HELD_OUT == HELD_OUT - 1
    known = np.flatnonzero(~held_out)
    mean, deviation = features[known].mean(0), features[known].std(0) + 1e-3
    inputs = torch.from_numpy((features - mean) / deviation).float()
    target = torch.from_numpy(gained)
    random = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = perceptron()
    optimizer = torch.optim.AdamW(layers.parameters(), RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, UPDATES)
    for _ in range(UPDATES):
        at = torch.from_numpy(random.choice(known, BATCH))
        loss = functional.binary_cross_entropy_with_logits(layers(inputs[at])[:, 0], target[at])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    share = float(gained[known].mean())
    figures = {"gained": share}
    if held_out.any():
        with torch.no_grad():
            said = layers(inputs[held_out])[:, 0]
        told = functional.binary_cross_entropy_with_logits(said, target[held_out])
        constant = torch.full_like(said, float(np.log(share / (1 - share))))
        blind = functional.binary_cross_entropy_with_logits(constant, target[held_out])
        figures |= {"loss": float(told), "loss of the share": float(blind)}
    return Scorer.of(layers, mean, deviation), figures


def run(labels: Path, folder: Path, problems: int, rounds: int, seed: int) -> None:
    """Collect and train, ``rounds`` times, and write the scorer."""
    every = sorted(labels.glob("*.npz"))
    order = np.random.default_rng(seed).permutation(len(every))
    chosen: list[Path] = []
    for number in order:
        labelled = load(every[number])
        large = labelled.problem.num_ops > LARGEST
        if not large and np.isfinite(labelled.step_time_ns[0]) and labelled.row_of.max() >= 7:
            chosen.append(every[number])
        if len(chosen) == problems * rounds:
            break
    scorer: Scorer | None = None
    seen: list[Examples] = []
    for number in range(rounds):
        part = chosen[number * problems : (number + 1) * problems]
        features, gained, owner = collect(scorer, part, seed)
        seen.append((features, gained, owner + number * problems))
        examples = tuple(np.concatenate(each) for each in zip(*seen, strict=True))
        scorer, figures = train(examples, seed)  # type: ignore[arg-type]
        print(f"round {number}: {len(examples[0])} moves,", figures)
        state = {"problems": problems, "rounds": rounds, "seed": seed, **figures}
        scorer.save(folder, {**state, "families": sorted({load(each).family for each in chosen})})


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("labels", type=Path)
    parser.add_argument("folder", type=Path, nargs="?", default=SHIPPED)
    parser.add_argument("--problems", type=int, default=45, help="of each round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    run(given.labels, given.folder, given.problems, given.rounds, given.seed)


if __name__ == "__main__":
    main()
