"""Observations as PyG ``Data``, and their space. Needs torch-geometric; imported when asked for."""

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch_geometric.data import Data


class GraphData(Data):  # type: ignore[misc]  # torch-geometric has no types
    """``Data`` that is equal to another one with equal tensors, as Gymnasium's checker asks."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Data):
            return NotImplemented
        ours, theirs = self.to_dict(), other.to_dict()
        return ours.keys() == theirs.keys() and all(torch.equal(ours[k], theirs[k]) for k in ours)

    __hash__ = Data.__hash__


class DataSpace(spaces.Space[GraphData]):
    """Graphs as ``Data`` with ``columns`` node features; samples are random small graphs."""

    def __init__(self, columns: int, seed: int | np.random.Generator | None = None) -> None:
        super().__init__(None, None, seed)
        self.columns = columns

    @property
    def is_np_flattenable(self) -> bool:
        """No: graphs differ in size."""
        return False

    def sample(self, mask: Any = None, probability: Any = None) -> GraphData:
        """A small random graph; masks are not heeded."""
        nodes = int(self.np_random.integers(1, 10))
        ends = self.np_random.integers(0, nodes, (2, 2 * nodes))
        return GraphData(
            x=torch.from_numpy(self.np_random.random((nodes, self.columns), np.float32)),
            edge_index=torch.from_numpy(ends),
            edge_attr=torch.from_numpy(self.np_random.random((2 * nodes, 1), np.float32)),
        )

    def contains(self, x: Any) -> bool:
        """Is ``x`` a graph with this space's columns?"""
        if not isinstance(x, Data) or x.x is None or x.edge_index is None or x.edge_attr is None:
            return False
        return (
            bool(x.validate(raise_on_error=False))
            and x.x.shape == (x.num_nodes, self.columns)
            and x.edge_attr.shape == (x.num_edges, 1)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DataSpace) and other.columns == self.columns

    def __repr__(self) -> str:
        return f"DataSpace({self.columns})"
