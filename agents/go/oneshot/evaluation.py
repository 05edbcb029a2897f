"""How good decisions are: step times over the best classical heuristic's and the expert's.

``python -m go_agents.go.oneshot.evaluation CHECKPOINT LABELS/validation`` decides every labelled
problem there; the simulator is asked afterwards, to measure alone.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from go_gym.partitions import Partition, quotient_graph
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate_batch

from .decoding import Decided, Decoding, decide
from .features import features_of
from .labels import load
from .network import Network
from .rows import decision_rows
from .weights import load_network

WORST = 20.0
"""Ratio to the expert that an invalid decision counts for (our choice)."""
BEST_OF = 16


def measured(problem: Problem, row_of: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(S,) float64 ns: step times of decisions (S, R) about rows, infinite where invalid."""
    decisions = [Decision(each[row_of]) for each in rows]
    results = simulate_batch(problem, decisions, threads=1)
    return np.where(results.valid, results.step_time_ns, np.inf)


def figures(decided: Decided, step: np.ndarray) -> dict[str, float]:
    """What is reported of one problem: step times in ns.

    ``greedy`` is the first sample, ``one`` the decision ranked first, ``mean`` a sample's
    (geometric), ``16`` the best of the first 16 by rank, ``all`` the best of all.
    """
    order = decided.ranked()
    finite = np.where(np.isfinite(step), step, np.nan)
    return {
        "greedy": float(step[0]),
        "one": float(step[order[0]]),
        "critic": float(step[decided.judged.argmin()]),
        "likely": float(step[decided.likelihood.argmax()]),
        "mean": float(np.exp(np.nanmean(np.log(finite)))) if np.isfinite(step).any() else np.inf,
        str(BEST_OF): float(step[order[:BEST_OF]].min()),
        "all": float(step.min()),
    }


def evaluate(
    network: Network,
    paths: Iterable[Path],
    decoding: Decoding,
    seed: int = 0,
    most: int | None = None,
) -> list[dict[str, float | str]]:
    """A row a labelled problem: :func:`figures` over the expert's, and the baselines.

    Decided in the rows of the label, or in at most ``most``.
    """
    table: list[dict[str, float | str]] = []
    for path in paths:
        labelled = load(path)
        if not np.isfinite([labelled.step_time_ns[0], labelled.expert_ns]).all():
            continue  # nothing to compare with
        problem = labelled.problem
        if most is None:
            parts = Partition(labelled.row_of, int(labelled.row_of.max()) + 1)
            rows = quotient_graph(problem, parts)
        else:
            rows, _ = decision_rows(problem, most)
        begin = time.perf_counter()
        decided = decide(network, features_of(problem, rows), seed, decoding)
        seconds = time.perf_counter() - begin
        step = measured(problem, rows.part_of, decided.rows)
        over = labelled.expert_ns
        found = {name: min(value / over, WORST) for name, value in figures(decided, step).items()}
        table.append(
            {
                "problem": f"{problem.graph.name} on {problem.cluster.name}",
                "family": labelled.family,
                **found,
                "heuristic": labelled.heuristic_ns / over,
                "label": labelled.step_time_ns[0] / over,
                "seconds": seconds,
            }
        )
    return table


def summary(table: list[dict[str, float | str]]) -> dict[str, float]:
    """Geometric means of all figures over the problems."""
    names = [name for name, value in table[0].items() if not isinstance(value, str)]
    return {
        name: float(np.exp(np.mean(np.log([max(float(row[name]), 1e-9) for row in table]))))
        for name in names
    }


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--most", type=int, default=1000, help="problems")
    parser.add_argument("--rows", type=int, help="at most; default those of the labels")
    parser.add_argument("--untrained", action="store_true", help="with weights drawn at random")
    for name, kind in (("samples", int), ("rounds", int), ("repairs", int), ("temperature", float)):
        parser.add_argument(f"--{name}", type=kind, default=getattr(Decoding(), name))
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    network = load_network(given.checkpoint)
    if given.untrained:
        torch.manual_seed(0)
        network = Network(network.sizes).eval()
    decoding = Decoding(
        samples=given.samples,
        rounds=given.rounds,
        repairs=given.repairs,
        temperature=given.temperature,
    )
    paths = sorted(given.labels.glob("*.npz"))[: given.most]
    table = evaluate(network, paths, decoding, most=given.rows)
    means: dict[str, float | str] = {"problem": "geometric mean", **summary(table)}
    for row in [*table, means]:
        print("  ".join(_text(name, value) for name, value in row.items()))


def _text(name: str, value: float | str) -> str:
    return value if isinstance(value, str) else f"{name} {value:.3f}"


if __name__ == "__main__":
    main()
