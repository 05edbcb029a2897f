"""Units: the parts that an agent decides as one, fixed before any learner or search begins."""

from go_gym.partitions.coarsen import chains, heavy_edges
from go_gym.partitions.partition import Partition
from go_gym.partitions.quotient import QuotientGraph, quotient_graph
from go_gym.partitions.rules import attached_partition, colocation_partition
from go_gym.problem import Problem


def smallest_units(problem: Problem) -> QuotientGraph:
    """The smallest units that make sense: a co-location group, or an op with its views.

    What a search refines its decisions down to (:func:`colocation_partition`).
    """
    return quotient_graph(problem, colocation_partition(problem))


def chain_units(
    problem: Problem, merge_chains: bool = True, most: int | None = None
) -> QuotientGraph:
    """Co-location groups with their views and parameters, chains of them merged, at most ``most``.

    What a learner decides about. See :func:`attached_partition` and :func:`chains`; above ``most``
    units, those that exchange most are merged (:func:`heavy_edges`; our choice, for speed).
    """
    units = quotient_graph(problem, attached_partition(problem))
    if merge_chains:
        units = units.merged(problem, chains(units).renumbered())
    return units if most is None else merged_units(problem, units, most)[0]


def merged_units(
    problem: Problem, units: QuotientGraph, most: int
) -> tuple[QuotientGraph, Partition]:
    """At most ``most`` units, merged by heavy edges, and the partition of ``units`` into them."""
    if units.count <= most:
        return units, Partition.singletons(units.count)
    parts = heavy_edges(units, most, units.layers(problem)).renumbered()
    return units.merged(problem, parts), parts
