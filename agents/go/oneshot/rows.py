"""Rows: the parts of a graph that the network decides as one, found without any layer tag.

Captured models are tagged by their leaf modules, zoos by whatever their authors thought of, files
often not at all. So that a decision depends on none of this, *modules* are read off the graph: the
ops that use the same parameters, and what follows from them. Rows then never cross a module.
"""

import numpy as np
from numba import njit

from go_gym.graph import Alias
from go_gym.partitions import Partition, QuotientGraph, attached_partition, quotient_graph
from go_gym.partitions.coarsen import heavy_edges
from go_gym.partitions.joining import joined
from go_gym.partitions.quotient import undirected_edges
from go_gym.problem import Problem

ROWS = 128
"""Rows that a graph is decided in, at most, unless told otherwise (our choice)."""
ROWS_A_MODULE = 4
"""On average at least so many rows a module, so that a module can be parted (our choice)."""
MANY_PARAMETERS = 8
"""An op that uses more parameters than this belongs to none of them (our choice)."""
SAVED = 2.0
"""How much more a tensor from the forward pass says of where a backward op belongs than a gradient
of as many bytes does (our choice)."""
LIMIT = 2.0
"""Most work of a part in equal shares, as far as that can be kept (our choice)."""
SWEEPS = 3
"""Rounds in which ops that use no parameter join the module most of their bytes are of."""


def decision_rows(problem: Problem, most: int = ROWS) -> tuple[QuotientGraph, np.ndarray]:
    """The rows of a problem, and the module of each.

    Args:
        problem: its graph is parted; no layer tag is read.
        most: rows, at most.

    Returns:
        rows: the quotient graph of R rows: co-location groups, views and parameters with their
            users, joined along heavy tensors within a module only.
        module: (R,) int64, numbered by where the modules' forward work lies.
    """
    units = quotient_graph(problem, attached_partition(problem))
    module = unit_modules(problem, units, max(most // ROWS_A_MODULE, 1))
    if units.count <= most:
        return units, module
    parts = _coarsened(problem, units, module, most).renumbered()
    rows = units.merged(problem, parts)
    of_row = np.empty(rows.count, dtype=np.int64)
    light = np.argsort(units.work, kind="stable")
    of_row[parts.part_of[light]] = module[light]  # the heaviest unit of a row is written last
    return rows, of_row


def _coarsened(problem: Problem, units: QuotientGraph, module: np.ndarray, most: int) -> Partition:
    """The units in at most ``most`` parts, each of one module.

    Halved again and again: parts that exchange most bytes for their work are joined first (edge
    zeroing, Sarkar 1989), up to LIMIT times an equal share of the work. What no tensor joins within
    its module follows its neighbour in topological order.
    """
    parts, limit = Partition.singletons(units.count), LIMIT
    small = units.work + units.work.mean() / 10
    while parts.count > most:
        target = max(most, parts.count // 2)
        of_part = np.empty(parts.count, dtype=np.int64)
        of_part[parts.part_of] = module
        low, high, size = undirected_edges(problem, units.partition.merged(parts))
        work = parts.sums(small)
        inside = of_part[low] == of_part[high]
        low, high, size = low[inside], high[inside], size[inside]
        order = np.argsort(-size / np.sqrt(work[low] * work[high]), kind="stable")
        most_work = limit * work.sum() / target
        left, most_work = parts.count - target, limit * work.sum() / target
        joined_parts = Partition.by_labels(_joined(low[order], high[order], work, most_work, left))
        if joined_parts.count > parts.count - max(left // 4, 1):
            order = np.argsort(of_part, kind="stable")
            alike = of_part[order[:-1]] == of_part[order[1:]]
            low, high = order[:-1][alike], order[1:][alike]
            joined_parts = Partition.by_labels(_joined(low, high, work, most_work, left))
            limit *= 2
        parts = parts.merged(joined_parts)
    return parts


def unit_modules(problem: Problem, units: QuotientGraph, most: int) -> np.ndarray:
    """(U,) int64: the module of each unit, at most ``most`` of them.

    Modules that are too many are joined along the tensors between them, heavy ones first.
    """
    longest = units.partition.longest(problem.mean_durations)
    leaf = Partition.by_labels(op_modules(problem)[longest])
    if leaf.count > most:
        graph = units.merged(problem, leaf)
        leaf = leaf.merged(heavy_edges(graph, most, np.zeros(leaf.count, dtype=np.int64)))
    place = np.arange(units.count) * (units.work + 1e-3)
    middle = leaf.sums(place) / leaf.sums(units.work + 1e-3)
    number: np.ndarray = np.argsort(np.argsort(middle, kind="stable"))[leaf.part_of]
    return number


def op_modules(problem: Problem) -> np.ndarray:
    """(n,) int64: an op that stands for the module of each op.

    Ops that use a parameter, or a view of it, and those that update it are one module; every other
    op is of the module that made most of its bytes, else of the first that uses it.
    """
    graph = problem.graph
    tensor_root = _parameter_roots(graph.tensor_alias)
    use_root = tensor_root[graph.use_tensor]
    uses = np.flatnonzero(use_root >= 0)
    pair = np.unique(graph.use_consumer[uses].astype(np.int64) * graph.num_tensors + use_root[uses])
    user, root = pair // graph.num_tensors, pair % graph.num_tensors
    few = np.bincount(user, minlength=graph.num_ops)[user] <= MANY_PARAMETERS
    user, root = user[few], root[few]
    owner = graph.tensor_producer[root].astype(np.int64)
    members = np.flatnonzero(graph.colocation >= 0)
    leader = problem.colocation_leader
    first = np.concatenate([owner, leader[members]])
    second = np.concatenate([user, members])
    part = joined((first, second), np.zeros(graph.num_ops))
    label = np.full(graph.num_ops, -1, dtype=np.int64)
    core = np.zeros(graph.num_ops, dtype=bool)
    core[owner], core[user] = True, True
    core = core | core[part]
    label[core] = part[core]
    edges = (graph.use_producer, graph.use_tensor, graph.use_consumer, graph.tensor_bytes)
    _spread(label, graph.op_use_ptr, graph.op_uses, edges, graph.phase)
    first_use = graph.tensor_use_ptr[graph.op_tensor_ptr]
    for _ in range(SWEEPS):
        _vote(label, ~core, graph.op_use_ptr, graph.op_uses, first_use, edges, graph.phase)
    return label


def _parameter_roots(alias: np.ndarray) -> np.ndarray:
    """(t,) int64: the parameter that each tensor is, or is a view of; -1 for none."""
    own = np.arange(len(alias))
    root = np.where(alias == Alias.PARAMETER, own, -1)
    up = np.where(alias >= 0, alias, own)
    while True:  # pointer jumping along chains of views
        further = up[up]
        if np.array_equal(further, up):
            found: np.ndarray = np.where(root >= 0, root, root[up])
            return found
        up = further


@njit(cache=True, nogil=True)
def _joined(low, high, weight, limit, most):
    """Like :func:`go_gym.partitions.joining.joined`, but at most ``most`` unions."""
    root = np.arange(len(weight))
    total = weight.copy()
    for edge in range(len(low)):
        a, b = low[edge], high[edge]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b and most > 0 and total[a] + total[b] <= limit:
            root[max(a, b)] = min(a, b)
            total[min(a, b)] += total[max(a, b)]
            most -= 1
    for item in range(len(root)):
        root[item] = root[root[item]]
    return root


@njit(cache=True, nogil=True)
def _spread(label, pointers, uses, edges, phase):
    """Fill in -1: the label with most bytes among the inputs, else that of the first consumer."""
    producer, tensor, _, size = edges
    n = len(label)
    for op in range(n):
        if label[op] >= 0:
            continue
        best, most = -1, -1.0
        for at in range(pointers[op], pointers[op + 1]):
            maker = producer[uses[at]]
            if label[maker] < 0:
                continue
            heavy = float(size[tensor[uses[at]]])
            if phase[maker] < phase[op]:
                heavy *= SAVED
            if heavy > most:
                most, best = heavy, label[maker]
        label[op] = best
    for op in range(n - 1, -1, -1):
        if label[op] < 0:
            label[op] = op
        for at in range(pointers[op], pointers[op + 1]):
            maker = producer[uses[at]]
            if label[maker] < 0:
                label[maker] = label[op]


@njit(cache=True, nogil=True)
def _vote(label, open_, pointers, uses, first_use, edges, phase):
    """Each op that is open joins the label that most bytes go to or come from, if it gains."""
    producer, tensor, consumer, size = edges
    votes = np.zeros(len(label))
    for op in range(len(label)):
        if not open_[op]:
            continue
        for at in range(pointers[op], pointers[op + 1]):
            use = uses[at]
            maker = producer[use]
            if open_[maker] and pointers[maker] == pointers[maker + 1]:
                continue  # an input of the step goes where it is used
            saved = phase[producer[use]] < phase[op]
            votes[label[producer[use]]] += size[tensor[use]] * (SAVED if saved else 1.0)
        for use in range(first_use[op], first_use[op + 1]):
            if phase[consumer[use]] == phase[op]:
                votes[label[consumer[use]]] += size[tensor[use]]
        best = label[op]
        for at in range(pointers[op], pointers[op + 1]):
            other = label[producer[uses[at]]]
            if votes[other] > votes[best]:
                best = other
        for use in range(first_use[op], first_use[op + 1]):
            other = label[consumer[use]]
            if votes[other] > votes[best]:
                best = other
        for at in range(pointers[op], pointers[op + 1]):
            votes[label[producer[uses[at]]]] = 0.0
        for use in range(first_use[op], first_use[op + 1]):
            votes[label[consumer[use]]] = 0.0
        label[op] = best
