"""m-TOPO, m-ETF and m-SCT: the memory-aware placers of Baechi (Jeon et al., SoCC 2020)."""

import numpy as np

from go_gym.agent import EXACT, Budget
from go_gym.graph import Alias
from go_gym.partitions import attached_partition, colocation_partition
from go_gym.problem import Decision, Problem

from .arrays import cost_arrays, graph_arrays
from .etf_kernel import Case, Favourites, Groups, earliest_task_first, new_state
from .favourites import favourite_children
from .listing import EstimatedSchedule


def m_topo_placement(problem: Problem) -> np.ndarray:
    """(n,) int64: devices filled one after the other, groups in topological order.

    Each device takes up to total bytes / devices + the largest group's bytes (section 3.1), and
    no more than its memory; a group that fits into no later device goes to the one with most
    memory left.
    """
    groups = attached_partition(problem)
    size = groups.sums(resident_bytes(problem))
    d = problem.num_devices
    share = int(size.sum()) // d + int(size.max())
    capacity = problem.cluster.memory_bytes.tolist()
    limit = [min(share, memory) for memory in capacity]
    used = [0] * d
    device_of = np.zeros(groups.count, dtype=np.int64)
    current = 0
    for group, needed in enumerate(size.tolist()):
        while current < d - 1 and used[current] + needed > limit[current]:
            current += 1
        device = current
        if used[device] + needed > capacity[device]:
            device = max(range(d), key=lambda i: capacity[i] - used[i])
        used[device] += needed
        device_of[group] = device
    return device_of[groups.part_of]


def m_etf_schedule(problem: Problem) -> EstimatedSchedule:
    """The schedule of section 3.2: always the earliest schedulable (op, device) pair that fits.

    The earliest task first of Hwang et al. (1989) under a memory limit: a group's parameters and
    output tensors must fit; no contention.
    """
    nobody = np.full(problem.num_ops, -1, dtype=np.int64)
    return earliest_schedule(problem, nobody, nobody)


def m_sct_schedule(problem: Problem) -> EstimatedSchedule:
    """The schedule of section 3.3: like m-ETF, but devices wait for favourite children.

    The small communication times of Hanen and Munier (1995) under a memory limit; the favourites
    come from :func:`favourite_children`. Where a device waits, its urgent ops and the favourite
    take it in the order in which they can start (Baechi's code asks urgent ones first).
    """
    favourite = favourite_children(problem)
    parent = np.full(problem.num_ops, -1, dtype=np.int64)
    have = np.flatnonzero(favourite >= 0)
    parent[favourite[have]] = have
    return earliest_schedule(problem, favourite, parent)


def earliest_schedule(
    problem: Problem, favourite: np.ndarray, parent: np.ndarray
) -> EstimatedSchedule:
    """What :func:`earliest_task_first` plans, with favourites and whose they are, (n,) int64."""
    groups = colocation_partition(problem)
    case = Case(
        Groups(groups.part_of, groups.sums(resident_bytes(problem)), problem.cluster.memory_bytes),
        graph_arrays(problem),
        cost_arrays(problem),
        Favourites(favourite, parent),
    )
    state = new_state(case)
    earliest_task_first(case, state)
    plan = state.plan
    return EstimatedSchedule(np.maximum(plan.device_of, 0)[groups.part_of], plan.start, plan.finish)


def resident_bytes(problem: Problem) -> np.ndarray:
    """(n,) int64 bytes that an op brings to its device: its parameters and own output tensors.

    Baechi's memory model without freeing (SoCC 2020, section 3): an upper bound for what stays.
    """
    graph = problem.graph
    size = graph.parameter_bytes.copy()
    own = graph.tensor_alias == Alias.OWN
    np.add.at(size, graph.tensor_producer[own], graph.tensor_bytes[own])
    return size


class MTopo:
    """m-TOPO (Baechi, SoCC 2020)."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """:func:`m_topo_placement`; no simulator call, the seed plays no part."""
        return Decision(placement=m_topo_placement(problem))


class MEtf:
    """m-ETF (Baechi, SoCC 2020)."""

    version = "2"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The placement of :func:`m_etf_schedule`; no simulator call, the seed plays no part."""
        return Decision(placement=m_etf_schedule(problem).placement)


class MSct:
    """m-SCT (Baechi, SoCC 2020)."""

    version = "1"
    reproducible = EXACT

    def solve(self, problem: Problem, budget: Budget, seed: int) -> Decision:
        """The placement of :func:`m_sct_schedule`; no simulator call, the seed plays no part."""
        return Decision(placement=m_sct_schedule(problem).placement)
