"""Favourite children: which consumer should follow each op on its device, by linear programming."""

from math import fsum

import numpy as np

from go_gym.errors import AgentError
from go_gym.partitions import colocation_partition
from go_gym.problem import Problem

MOST_TASKS = 8192
"""Tasks of one linear programme, a second or two; larger graphs are cut (our choice)."""
FAVOURITE_BELOW = 0.1
"""Baechi's threshold (SoCC 2020, section 3.3): below it an edge is taken to cost no transfer."""
PRICE = 1e-5
"""Weight of all transfer time against the makespan: of equal makespans, that with the least of it
(our choice; the published programme leaves the others to the solver)."""


def favourite_children(problem: Problem) -> np.ndarray:
    """(n,) int64: each op's favourite child, -1 for none; nobody is the favourite of two.

    The relaxed programme of Hanen and Munier (1995) as Baechi uses it (SoCC 2020, section 3.3):
    of each op at most one edge out, and at most one edge in, costs no transfer; the makespan on
    any number of devices is to be the shortest. Times are means over devices and pairs of them.
    Views are one task with what they view, and parameters none (our choice, as in m-ETF). A graph
    of more than MOST_TASKS tasks is cut into equal stretches of its topological order, each a
    programme of its own; edges between them are never favourites.
    """
    task_of, is_task = _tasks(problem)
    tasks = np.flatnonzero(is_task)
    number = np.cumsum(is_task) - 1
    work = np.bincount(
        number[task_of[task_of >= 0]], problem.mean_durations[task_of >= 0], len(tasks)
    )
    source, target, delay = _edges(problem, task_of)
    source, target = number[source], number[target]
    windows = -(-len(tasks) // MOST_TASKS)
    window = np.arange(len(tasks)) * windows // max(len(tasks), 1)
    scale = max(fsum(work) / len(work), 1.0) if len(work) else 1.0
    favourite = np.full(problem.num_ops, -1, dtype=np.int64)
    for part in range(windows):
        inside = np.flatnonzero((window[source] == part) & (window[target] == part))
        members = np.flatnonzero(window == part)
        ends = source[inside] - members[0], target[inside] - members[0]
        paid = transfers_paid(work[members] / scale, *ends, delay[inside] / scale)
        chosen = inside[paid < FAVOURITE_BELOW]
        favourite[tasks[source[chosen]]] = tasks[target[chosen]]
    return favourite


def transfers_paid(
    work: np.ndarray, source: np.ndarray, target: np.ndarray, delay: np.ndarray
) -> np.ndarray:
    """(e,) float64 from 0 to 1: the share of each edge's transfer that the best plan pays.

    Args:
        work: (m,) time of each task.
        source, target: (e,) int64 tasks, each pair once, without cycles.
        delay: (e,) time of each transfer.
    """
    from scipy.optimize import linprog  # slow to import, and only m-SCT needs it
    from scipy.sparse import coo_array

    m, e = len(work), len(source)
    if e == 0:
        return np.zeros(0)
    edge, task = np.arange(e), np.arange(m)
    start = e + task  # columns: an x an edge, a start a task, the makespan
    rows = [edge, edge, edge, e + task, e + task]
    columns = [start[source], start[target], edge, start, np.full(m, e + m)]
    values = [np.ones(e), -np.ones(e), delay, np.ones(m), -np.ones(m)]
    limits = [-work[source], -work]
    for end in (source, target):  # all edges but one must be paid for
        degree = np.bincount(end, minlength=m)
        shared = np.flatnonzero(degree > 1)
        row = np.full(m, -1)
        row[shared] = sum(map(len, limits)) + np.arange(len(shared))
        bound = np.flatnonzero(degree[end] > 1)
        rows.append(row[end[bound]])
        columns.append(bound)
        values.append(-np.ones(len(bound)))
        limits.append(1.0 - degree[shared])
    most = np.concatenate([np.ones(e), np.full(m + 1, np.inf)])
    matrix = coo_array(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))),
        shape=(sum(map(len, limits)), e + m + 1),
    )
    found = linprog(
        np.concatenate([PRICE * delay, np.zeros(m), [1.0]]),
        A_ub=matrix.tocsr(),
        b_ub=np.concatenate(limits),
        bounds=np.stack([np.zeros(e + m + 1), most], axis=1),
        method="highs-ds",
    )
    if found.status != 0:
        raise AgentError(f"m-SCT: the linear programme of {m} tasks has no answer: {found.message}")
    return found.x[:e]


def _tasks(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """(n,) int64: the op that stands for each op's task, -1 for parameters and their views; and
    (n,) bool: whether an op stands for a task."""
    graph = problem.graph
    task_of = np.arange(graph.num_ops)
    pointers = graph.op_use_ptr
    producers = graph.use_producer[graph.op_uses]
    for op in np.flatnonzero(graph.is_free).tolist():
        made = set(task_of[producers[pointers[op] : pointers[op + 1]]].tolist()) - {-1}
        if len(made) == 0:
            task_of[op] = -1
        elif len(made) == 1:  # of several, one of them may wait for another: a cycle
            task_of[op] = made.pop()
    return task_of, task_of == np.arange(graph.num_ops)


def _edges(problem: Problem, task_of: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of tasks (e,) int64, and the longest transfer between them (e,) float64 ns; none
    within a group, which lies on one device."""
    graph = problem.graph
    source, target = task_of[graph.use_producer], task_of[graph.use_consumer]
    group = colocation_partition(problem).part_of
    apart = group[graph.use_producer] != group[graph.use_consumer]
    delay = np.where(apart, problem.mean_delays[graph.use_tensor], 0.0)
    between = np.flatnonzero((source >= 0) & (target >= 0) & (source != target))
    key = source[between] * graph.num_ops + target[between]
    pairs, inverse = np.unique(key, return_inverse=True)
    longest = np.zeros(len(pairs))
    np.maximum.at(longest, inverse.reshape(-1), delay[between])
    return pairs // graph.num_ops, pairs % graph.num_ops, longest
