"""The scorer: how likely each move is to gain, by what is known of it before it is tried.

A perceptron on the features of :mod:`go_agents.search.description` and on what the network that
reads the decision says of the move. It is trained once, on moves that annealings tried on problems
of the tuning families (:mod:`.scorer_training`), not on the problem at hand.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numba import njit

from ..common.checkpoint import load_checkpoint, save_checkpoint
from ..search.description import WIDTH
from ..search.neighbourhood import Moves

SHIPPED = Path(__file__).parent / "scorer"
"""The weights that ship with the package."""
INPUTS = WIDTH + 2
"""Of the scorer: a move's description, and the two of :meth:`Preferences.of_moves`."""
HIDDEN = (32, 16)
"""Widths of its layers (our choice)."""
MOST, MOST_SHARE = 6.0, 0.1
"""At which preferences are clipped, and those that count with the share of the work."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """Weights of the perceptron, in NumPy.

    Attributes:
        mean, deviation: (INPUTS,) of what it was trained on.
        weights, biases: of each layer.
    """

    mean: np.ndarray
    deviation: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(M,) log-odds that each of M moves gains; ``features`` (M, INPUTS)."""
        hidden = (features - self.mean) / self.deviation
        for weight, bias in zip(self.weights[:-1], self.biases[:-1], strict=True):
            hidden = np.maximum(hidden @ weight.T + bias, 0.0)
        result: np.ndarray = (hidden @ self.weights[-1].T + self.biases[-1])[:, 0]
        return result

    @classmethod
    def untrained(cls) -> "Scorer":
        """Weights drawn at random, always the same ones."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls.of(perceptron(), np.zeros(INPUTS), np.ones(INPUTS))

    @classmethod
    def of(cls, layers: torch.nn.Sequential, mean: np.ndarray, deviation: np.ndarray) -> "Scorer":
        """What :func:`perceptron` has learned on inputs of that mean and deviation."""
        linear = [each for each in layers if isinstance(each, torch.nn.Linear)]
        weights = tuple(each.weight.detach().numpy().copy() for each in linear)
        biases = tuple(each.bias.detach().numpy().copy() for each in linear)
        return cls(mean.astype(np.float32), deviation.astype(np.float32), weights, biases)

    def save(self, folder: Path, state: dict[str, object]) -> None:
        """Write the weights, and how they were made."""
        arrays = {"mean": self.mean, "deviation": self.deviation}
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            arrays |= {f"weight.{number}": weight, f"bias.{number}": bias}
        save_checkpoint(
            folder, {name: torch.from_numpy(array) for name, array in arrays.items()}, state
        )


def perceptron() -> torch.nn.Sequential:
    """The layers, as they are trained."""
    layers: list[torch.nn.Module] = []
    for width, following in zip((INPUTS, *HIDDEN), HIDDEN, strict=False):
        layers += [torch.nn.Linear(width, following), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], 1))


@cache
def load_scorer(folder: Path = SHIPPED) -> Scorer:
    """What :meth:`Scorer.save` wrote; raises FileFormatError for a damaged file."""
    tensors, _ = load_checkpoint(folder)
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    layers = range(len(HIDDEN) + 1)
    return Scorer(
        arrays["mean"],
        arrays["deviation"],
        tuple(arrays[f"weight.{number}"] for number in layers),
        tuple(arrays[f"bias.{number}"] for number in layers),
    )


class Preferences:
    """What the network that read a decision says of moves from it.

    Args:
        row_of: (U,) int64, the row of each unit.
        work: (U,) float64 ns.
    """

    def __init__(self, row_of: np.ndarray, work: np.ndarray) -> None:
        self.row_of, self.work = row_of, (work + work.mean() * 1e-3) / max(work.sum(), 1.0)
        self.table: np.ndarray | None = None  # what Reader.read gave last

    def of_moves(self, moves: Moves, genome: np.ndarray, placing: int) -> np.ndarray:
        """(M, 2) float32: by how much likelier the moved rows' new devices are than their old
        ones, in the mean over the work that moves and with its share of all; 0 for moves of
        another column than ``placing``, and before anything was read."""
        found = np.zeros((len(moves), 2), dtype=np.float32)
        if self.table is not None and placing >= 0:
            _of_moves(
                found,
                moves.pointers,
                moves.units,
                moves.values,
                moves.drawn["column"],
                placing,
                genome[placing],
                self.row_of,
                self.work,
                self.table,
            )
        return found


@njit(cache=True, nogil=True)
def _of_moves(found, pointers, units, values, column, placing, own, row_of, work, table):
    for m in range(len(column)):
        if column[m] != placing:
            continue
        total = weight = 0.0
        for i in range(pointers[m], pointers[m + 1]):
            unit = units[i]
            row = row_of[unit]
            total += work[unit] * (table[row, values[i]] - table[row, own[unit]])
            weight += work[unit]
        mean = total / weight if weight > 0 else 0.0
        found[m, 0] = max(min(mean, MOST), -MOST)
        found[m, 1] = max(min(total, MOST_SHARE), -MOST_SHARE) / MOST_SHARE
