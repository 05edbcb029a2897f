"""A hierarchy: partitions of the same items from coarse to fine."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from go_gym.partitions.partition import Partition


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Partitions of the same items, each with at least as many parts as the one before.

    A level is a place in it, 0 the coarsest. A part need not lie in one part of a coarser level.

    Attributes:
        levels: the partitions.
    """

    levels: tuple[Partition, ...]

    @classmethod
    def of(cls, partitions: Iterable[Partition]) -> "Hierarchy":
        """The different ones of ``partitions`` by their number of parts, ties in their order."""
        return cls(tuple(sorted(different(partitions), key=lambda each: each.count)))

    def __len__(self) -> int:
        return len(self.levels)

    def __iter__(self) -> Iterator[Partition]:
        return iter(self.levels)

    def __getitem__(self, level: int) -> Partition:
        return self.levels[level]

    def at_most(self, parts: int) -> "Hierarchy":
        """The levels of at most so many parts; the coarsest where there are none."""
        found = tuple(level for level in self.levels if level.count <= parts)
        return Hierarchy(found or self.levels[:1])


def different(partitions: Iterable[Partition]) -> tuple[Partition, ...]:
    """Those that divide anything, in their order, each once; of a single item the one there is."""
    found: dict[bytes, Partition] = {}
    for each in partitions:
        if each.count > 1 or len(each.part_of) == 1:
            found.setdefault(each.part_of.tobytes(), each)
    return tuple(found.values())
