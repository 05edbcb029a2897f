"""Expert iteration: the network's own decisions, measured and searched on from, become labels.

``python -m go_agents.go.oneshot.improvement CHECKPOINT LABELS/tuning`` adds to each file of labels
what the network samples, so that the critic learns to rank just that, and what a short search finds
from the best of it, so that the next training imitates better decisions (Anthony et al. 2017). Each
file is replaced whole or not at all, once a round; a stop loses the problem at hand.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from go_gym.files import atomic_write, make_folder
from go_gym.partitions import Partition, quotient_graph

from .decoding import Decoding, decide
from .evaluation import measured
from .features import features_of
from .labels import BEST, Labelled, load, save, search
from .network import Network
from .weights import load_network

SAMPLES = Decoding(samples=24, temperature=1.0)
"""Decisions that the network samples of a problem, more varied than those it answers with."""
CALLS = 300
"""Of each search that goes on from the best of them (our choice)."""


def improve(network: Network, labelled: Labelled, seed: int, calls: int = CALLS) -> Labelled:
    """The labels of a problem with the network's samples and a search from the best of them."""
    problem = labelled.problem
    rows = quotient_graph(problem, Partition(labelled.row_of, int(labelled.row_of.max()) + 1))
    sampled = decide(network, features_of(problem, rows), seed, SAMPLES).rows
    times = dict(zip(_keys(labelled.decisions), labelled.step_time_ns.tolist(), strict=True))
    step = measured(problem, labelled.row_of, sampled)
    own = set(_keys(sampled))
    times |= dict(zip(_keys(sampled), step.tolist(), strict=True))
    start = sampled[int(step.argmin())][labelled.row_of]
    found = search(problem, rows, [start], calls, seed)
    better = sorted(found, key=lambda key: found[key])[:BEST]
    times |= {key: found[key] for key in better}
    kept = sorted(times, key=lambda key: times[key])
    rest = kept[BEST:]
    cut = len(labelled.step_time_ns) - BEST
    others = [key for key in rest if key in own]
    old = [key for key in rest if key not in own]
    kept = kept[:BEST] + others + old[:: max(1, len(old) // max(cut, 1))]
    decisions = np.frombuffer(b"".join(kept), dtype=np.int8).reshape(len(kept), -1)
    return replace(
        labelled, decisions=decisions, step_time_ns=np.array([times[key] for key in kept])
    )


def _keys(rows: np.ndarray) -> list[bytes]:
    return [row.astype(np.int8).tobytes() for row in rows]


def run(checkpoint: Path, labels: Path, number: int, most: int) -> None:
    """Round ``number`` over the first ``most`` files of labels; those that had it are left."""
    network = load_network(checkpoint)
    done = labels.with_name(f"{labels.name}-improved-{number}")
    make_folder(done)
    bar = tqdm(sorted(labels.glob("*.npz"))[:most], desc="expert iteration", mininterval=10)
    gains = []
    for path in bar:
        mark = done / f"{path.stem}.txt"
        if mark.exists():
            continue
        labelled = load(path)
        if np.isfinite(labelled.step_time_ns[0]) and labelled.row_of.max() >= 7:
            better = improve(network, labelled, number)
            gains.append(float(np.log(better.step_time_ns[0] / labelled.step_time_ns[0])))
            save(path, better)
            bar.set_postfix_str(f"{100 * np.mean(gains):.2f} % a problem")
        atomic_write(mark, "")


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--round", type=int, default=1)
    parser.add_argument("--most", type=int, default=10**6, help="problems")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    run(given.checkpoint, given.labels, given.round, given.most)


if __name__ == "__main__":
    main()
