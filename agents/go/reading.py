"""What the network says of a decision at hand: which device each row would rather have."""

import numpy as np
import torch
from torch.nn import functional

from go_gym.problem import Problem

from ..common.devices import own_torch
from .oneshot.batches import collate
from .oneshot.features import features_of
from .oneshot.network import Network
from .oneshot.rows import ROWS, decision_rows

FOLDS = 4
"""Parts of the rows that are hidden in turn, so that each is judged by the others (our choice)."""


class Reader:
    """Reads decisions about a problem; the network's encoder runs once.

    Args:
        network: of :mod:`.oneshot`.
        problem: what is decided about.
        device: where the network is.
        rows: rows of the graph, at most.

    Attributes:
        rows: the quotient graph of R rows.
    """

    def __init__(
        self, network: Network, problem: Problem, device: torch.device, rows: int = ROWS
    ) -> None:
        self.network = network
        self.rows, _ = decision_rows(problem, rows)
        self.heaviest = self.rows.partition.longest(problem.mean_durations)
        fold = np.random.default_rng(0).permutation(self.rows.count) % FOLDS
        self.fold = torch.from_numpy(fold).to(device)
        self.shown = (self.fold != torch.arange(FOLDS, device=device)[:, None])[None]
        with own_torch(), torch.no_grad():
            self.batch = collate([features_of(problem, self.rows)]).to(device)
            self.encoded = network.encode(self.batch)

    def read(self, placement: np.ndarray) -> np.ndarray:
        """(R, D) float64: the logarithm of how likely each device of a row is, given the others.

        Args:
            placement: (n,) of the ops; a row counts as on the device of its longest op.
        """
        placed = torch.from_numpy(placement[self.heaviest]).to(self.shown.device)
        with own_torch(), torch.no_grad():
            shape = (1, FOLDS, self.rows.count)
            scores, _ = self.network.decode(
                self.batch, self.encoded, placed.expand(shape), self.shown
            )
            likely = functional.log_softmax(scores[-1][0], 2)
            own = likely[self.fold, torch.arange(self.rows.count, device=likely.device)]
        result: np.ndarray = own.double().cpu().numpy()
        return result
