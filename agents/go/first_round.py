"""First rounds: decisions of the whole graph, each a choice for every part of a coarse level."""

from collections.abc import Mapping

import numpy as np

from go_gym.partitions import Hierarchy
from go_gym.partitions.partition import work_shares

from ..search.encoding import Encoding
from ..search.starts import by_stretches
from .config import SearchConfig
from .model import Scores
from .policy import Actions, draw

EVEN = 4.0
"""How even stretches of the order are (concentration of a Dirichlet distribution)."""


class FirstRound:
    """Draws whole decisions.

    Args:
        encoding: the genomes.
        levels: coarse partitions of the units; finer ones would scatter neighbours.
        search: shares and sizes.
        random: the only source of chance.
    """

    def __init__(
        self,
        encoding: Encoding,
        levels: Hierarchy,
        search: SearchConfig,
        random: np.random.Generator,
    ) -> None:
        self.encoding, self.levels, self.search, self.random = encoding, levels, search, random

    def draw(
        self, scores: Mapping[str, Scores], count: int
    ) -> tuple[np.ndarray, dict[str, Actions] | None]:
        """Decisions at one level, drawn by the policy.

        Every other time devices are by stretches of the order instead (``search.stretches``).

        Returns:
            genomes: (count, columns, U) int64.
            actions: by column; None where not all was drawn by the policy.
        """
        columns, random = self.encoding.columns, self.random
        level = self.levels[int(random.integers(len(self.levels)))]
        actions = {name: draw(scores[name], level, count, random) for name in columns}
        genomes = np.stack([actions[name].of_units() for name in columns], axis=1)
        if "placement" in columns and random.random() < self.search.stretches:
            genomes[:, columns.index("placement")] = self.stretched(count)
            return genomes, None
        return genomes, actions

    def stretched(self, count: int) -> np.ndarray:
        """(count, U) int64 placements: a stretch of the order for each device, of random work.

        The order is the topological one or, for every other, that of the layers, which stay whole.
        """
        problem, units = self.encoding.problem, self.encoding.units
        layer = np.unique(units.layers(problem), return_inverse=True)[1].reshape(-1)
        of_units, of_layers = units.work, np.bincount(layer, units.work)
        found = np.empty((count, units.count), dtype=np.int64)
        for i in range(count):
            cuts = np.cumsum(self.random.dirichlet(np.full(problem.num_devices, EVEN)))[:-1]
            shares = work_shares(of_layers if i % 2 else of_units)
            device = by_stretches(shares, cuts, self.random)
            found[i] = device[layer] if i % 2 else device
        return found
