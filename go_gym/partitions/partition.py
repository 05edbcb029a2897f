"""A partition: items, the ops of a graph or the parts of a finer partition, in disjoint parts."""

from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Literal

import numpy as np

from go_gym.graph.frozen import ReadOnlyArrays, frozen


@dataclass(frozen=True, eq=False)
class Partition(ReadOnlyArrays):
    """A partition of n items into ``count`` parts, none of them empty.

    Attributes:
        part_of: (n,) int64, the part of each item, from 0 to ``count`` - 1; made read-only.
        count: number of parts.
    """

    part_of: np.ndarray
    count: int

    def __post_init__(self) -> None:
        frozen(self.part_of)

    @classmethod
    def singletons(cls, items: int) -> "Partition":
        """The finest partition: each item is a part."""
        return cls(np.arange(items), items)

    @classmethod
    def by_labels(cls, *labels: np.ndarray) -> "Partition":
        """Items together that agree in all ``labels``, each (n,) whole numbers.

        Parts are numbered by their labels, the first label first.
        """
        part_of = np.zeros(len(labels[0]), dtype=np.int64)
        count = 1
        for label in labels:
            low, high = int(label.min()), int(label.max())
            key = part_of * (high - low + 1) + (label - low)
            found, inverse = np.unique(key, return_inverse=True)
            part_of, count = inverse.reshape(-1), len(found)
        return cls(part_of, count)

    @cached_property
    def sizes(self) -> np.ndarray:
        """(count,) int64: how many items each part has."""
        return frozen(np.bincount(self.part_of, minlength=self.count))

    @cached_property
    def pointers(self) -> np.ndarray:
        """(count + 1,) int64: the items of part p are ``order[pointers[p]:pointers[p + 1]]``."""
        return frozen(np.concatenate([[0], np.cumsum(self.sizes)]))

    @cached_property
    def order(self) -> np.ndarray:
        """(n,) int64: the items by part, rising within each."""
        return frozen(np.argsort(self.part_of, kind="stable"))

    def members(self, part: int) -> np.ndarray:
        """The items of ``part``, rising."""
        return self.order[self.pointers[part] : self.pointers[part + 1]]

    def sums(self, values: np.ndarray) -> np.ndarray:
        """(count,): the sum of ``values`` (n,) over each part; int64 of whole numbers, exact."""
        if np.issubdtype(values.dtype, np.floating):
            return np.bincount(self.part_of, values, self.count)
        result = np.zeros(self.count, dtype=np.int64)
        np.add.at(result, self.part_of, values)
        return result

    def longest(self, duration: np.ndarray, ties: Literal["first", "last"] = "first") -> np.ndarray:
        """(count,) int64: the item of each part that takes longest, which stands for the part.

        Args:
            duration: (n,) of each item.
            ties: which one of several that take equally long.
        """
        number = np.arange(len(duration))
        rising = np.lexsort((number if ties == "last" else -number, duration))
        result = np.empty(self.count, dtype=np.int64)
        result[self.part_of[rising]] = rising  # the last one written to each part stays
        return result

    def renumbered(self) -> "Partition":
        """The same parts, numbered by their first items."""
        _, first = np.unique(self.part_of, return_index=True)
        rank = np.argsort(np.argsort(first))
        return Partition(rank[self.part_of], self.count)

    def merged(self, parts: "Partition") -> "Partition":
        """The same items in fewer parts: ``parts`` is a partition of the parts of this one."""
        return Partition(parts.part_of[self.part_of], parts.count)


def work_shares(work: np.ndarray) -> np.ndarray:
    """(n,) float64 in [0, 1]: where the middle of each item's ``work`` (n,) lies in all of it.

    Items are taken in their order; without any work all lie at 0. The same bits on every machine:
    NumPy's ``sum`` adds as the processor likes.
    """
    total = fsum(work)
    return (np.cumsum(work) - work / 2) / (total if total > 0 else 1.0)


def equal_work(work: np.ndarray, parts: int) -> np.ndarray:
    """(n,) int64: items in their order cut into ``parts`` stretches of equal ``work`` (n,).

    An item is in the stretch that its middle lies in; a stretch may stay empty.
    """
    return np.minimum((work_shares(work) * parts).astype(np.int64), parts - 1)
