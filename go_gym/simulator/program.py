"""What happens as each op starts and ends, in one stretch of words an op, views contracted.

Most views, and whatever else takes no time, follow from one op that does: all their inputs are made
by it and by others that follow from it. Where they all lie on that op's device, they are done as it
ends, so that it has a second packet, which gives their tensors as well; they are *members* of the
group that it *leads*. Where one of them lies elsewhere, the leader's plain packet holds, and each
member has its own.

The words of a packet: before it, the duration of its op on each class of devices, the last class
first; then bytes that it allocates; (number of releases, of consumers); (number of tensors, of the
op); ns of the longest path from the start of the op to the end of the step; each release as
(tensor, use); each consumer as (op, how many of the tensors it uses); each tensor as (its number,
what holds it if all consumers are on the op's device). What follows is read only where they are
not: for each tensor (its number, what holds it beside its uses), (first use, number of uses) and
each of these uses as (consumer, releases that it brings: one, or one a view made of it). Pairs are
of 32 bits each, low first.

Uses are numbered by tensor; those by members come last, so that the others are a stretch.

A *given* op takes no time, has no inputs and allocates nothing, as parameters do: its consumers do
not count it among their inputs, but where some are elsewhere.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.graph import ComputationGraph, Outlives
from go_gym.problem import Problem

HEAD = 4
"""Words of a packet before its releases."""


class Program(NamedTuple):
    """n ops, u uses, m members of groups."""

    words: np.ndarray  # (words,) uint64
    packet: np.ndarray  # (n,) uint32: where each op's packet begins, with its members' tensors
    plain: np.ndarray  # (n,) uint32: likewise, without them
    leader: np.ndarray  # (n,) int32: the op that each follows from, itself for no member
    member_ptr: np.ndarray  # (n + 1,) int64, stretches of
    members: np.ndarray  # (m,) int32: the members that each op leads
    given: np.ndarray  # (n,) bool
    use: np.ndarray  # (u,) int32: the graph's number of each use


def make_program(problem: Problem, local_size: np.ndarray) -> Program:
    """The Program of a problem; ``local_size`` (t,) bytes that a tensor takes where it is made."""
    graph, durations = problem.graph, problem.durations
    parts = (graph.op_tensor_ptr, graph.op_use_ptr, graph.op_uses, graph.tensor_use_ptr)
    columns = (graph.tensor_producer, graph.tensor_alias, graph.use_tensor, graph.use_consumer)
    lasting = graph.tensor_outlives != Outlives.NO
    instant = durations.max(axis=0) == 0
    leader = _leaders(instant, local_size > 0, *parts, *columns)
    tail = tails(graph, durations.min(axis=0))
    given = instant & (np.diff(graph.op_use_ptr) == 0)
    given[graph.tensor_producer[local_size > 0]] = False
    words, packet, plain, member_ptr, members, use = _words(
        durations, tail, local_size, lasting, leader, *parts, *columns
    )
    return Program(words, packet, plain, leader, member_ptr, members, given, use)


def tails(graph: ComputationGraph, durations: np.ndarray) -> np.ndarray:
    """(n,) int64 ns: longest path of ``durations`` (n,) from each op, itself included, on."""
    pointers = (graph.op_tensor_ptr, graph.tensor_use_ptr)
    return _tails(np.ascontiguousarray(durations), *pointers, graph.use_consumer)


@njit(cache=True, nogil=True)
def _tails(durations, op_tensor_ptr, tensor_use_ptr, consumer):
    tail = durations.copy()
    for op in range(len(tail) - 1, -1, -1):
        longest = np.int64(0)
        first, last = op_tensor_ptr[op], op_tensor_ptr[op + 1]
        for use in range(tensor_use_ptr[first], tensor_use_ptr[last]):
            longest = max(longest, tail[consumer[use]])
        tail[op] += longest
    return tail


@njit(cache=True, nogil=True)
def _leaders(
    instant, local, op_tensor_ptr, op_use_ptr, op_uses, tensor_use_ptr,
    producer, alias, use_tensor, use_consumer,
):  # fmt: skip
    """(n,) int32: the one op that what takes no time follows from; else the op itself."""
    leader = np.arange(len(instant)).astype(np.int32)
    for op in range(len(instant)):
        first, last = op_use_ptr[op], op_use_ptr[op + 1]
        if not instant[op] or first == last:
            continue
        found = leader[producer[use_tensor[op_uses[first]]]]
        follows = True
        for i in range(first + 1, last):
            follows &= leader[producer[use_tensor[op_uses[i]]]] == found
        for tensor in range(op_tensor_ptr[op], op_tensor_ptr[op + 1]):
            follows &= not local[tensor]
        if follows:
            leader[op] = found
    return leader


# Long: one pass to count, one to write, over the same things
@njit(cache=True, nogil=True)
def _words(
    durations, tail, local_size, lasting, leader, op_tensor_ptr, op_use_ptr, op_uses,
    tensor_use_ptr, producer, alias, use_tensor, use_consumer,
):  # fmt: skip
    """What of a Program is not worked out before."""
    classes, n = durations.shape
    t, u = len(producer), len(use_tensor)
    outside = np.zeros(t, dtype=np.int64)  # uses by others than members
    order = np.empty(u, dtype=np.int32)
    hold = np.zeros(u, dtype=np.int64)  # views that the consumer of a use makes of it
    for tensor in range(t):
        at = tensor_use_ptr[tensor]
        for which in range(2):
            for use in range(tensor_use_ptr[tensor], tensor_use_ptr[tensor + 1]):
                user = use_consumer[use]
                if (leader[user] != user) == (which == 1):
                    order[at] = use
                    at += 1
            if which == 0:
                outside[tensor] = at - tensor_use_ptr[tensor]
    position = np.empty(u, dtype=np.int32)
    for i in range(u):
        position[order[i]] = i
    inside = np.zeros(t, dtype=np.int64)  # views by members
    for op in range(n):
        for tensor in range(op_tensor_ptr[op], op_tensor_ptr[op + 1]):
            if alias[tensor] < 0:
                continue
            for i in range(op_use_ptr[op], op_use_ptr[op + 1]):
                if use_tensor[op_uses[i]] == alias[tensor]:
                    hold[op_uses[i]] += 1
            if leader[op] != op:
                inside[alias[tensor]] += 1
    # a member's tensor that nothing needs is left out of its group
    needed = np.ones(t, dtype=np.bool_)
    for tensor in range(t - 1, -1, -1):
        op = producer[tensor]
        held = outside[tensor] + inside[tensor]
        if leader[op] != op and held == 0 and not lasting[tensor]:
            needed[tensor] = False
            if alias[tensor] >= 0:
                inside[alias[tensor]] -= 1

    member_ptr = np.zeros(n + 1, dtype=np.int64)
    for op in range(n):
        if leader[op] != op:
            member_ptr[leader[op] + 1] += 1
    for op in range(n):
        member_ptr[op + 1] += member_ptr[op]
    members = np.empty(member_ptr[n], dtype=np.int32)
    filled = member_ptr.copy()
    for op in range(n):
        if leader[op] != op:
            members[filled[leader[op]]] = op
            filled[leader[op]] += 1

    packet = np.empty(n, dtype=np.uint32)
    plain = np.empty(n, dtype=np.uint32)
    words = np.zeros(1, dtype=np.uint64)
    seen = np.full(n, -1, dtype=np.int64)  # where a packet has a consumer
    for writing in range(2):
        at = 0
        for op in range(n):
            for whole in range(2):
                group = member_ptr[op + 1] - member_ptr[op]
                if whole == 1 and group == 0:
                    continue
                if writing:
                    for row in range(classes):
                        words[at + classes - 1 - row] = np.uint64(durations[row, op])
                at += classes
                head = at
                packet[op] = head
                if whole == 0:
                    plain[op] = head
                at += HEAD
                releases, consumers, tensors, size = 0, 0, 0, np.int64(0)
                for i in range(op_use_ptr[op], op_use_ptr[op + 1]):
                    use = op_uses[i]
                    if hold[use] == 0:
                        if writing:
                            words[at] = _pair(use_tensor[use], position[use])
                        at += 1
                        releases += 1
                begin = at
                for step in range(3):  # consumers, tensors, tensors with their uses
                    for part in range(1 + (group if whole else 0)):
                        maker = op if part == 0 else members[member_ptr[op] + part - 1]
                        for tensor in range(op_tensor_ptr[maker], op_tensor_ptr[maker + 1]):
                            first, last = tensor_use_ptr[tensor], tensor_use_ptr[tensor + 1]
                            held = np.int64(lasting[tensor])
                            if whole:
                                if not needed[tensor]:
                                    continue
                                last = first + outside[tensor]
                                held += inside[tensor]
                            if step == 0:
                                for i in range(first, last):
                                    user = use_consumer[order[i]]
                                    place = seen[user]
                                    if place < begin or place >= at:
                                        seen[user] = place = at
                                        at += 1
                                        consumers += 1
                                        if writing:
                                            words[place] = np.uint64(user)
                                    if writing:
                                        words[place] += _pair(0, 1)
                                tensors += 1
                                if part == 0:
                                    size += local_size[tensor]
                                continue
                            if step == 1:
                                if writing:
                                    for i in range(first, last):
                                        held += max(1, hold[order[i]])
                                    words[at] = _pair(tensor, held)
                                at += 1
                                continue
                            if writing:
                                words[at] = _pair(tensor, held)
                                words[at + 1] = _pair(first, last - first)
                                for i in range(first, last):
                                    use = order[i]
                                    words[at + 2 + i - first] = _pair(
                                        use_consumer[use], max(1, hold[use])
                                    )
                            at += 2 + last - first
                if writing:
                    words[head] = np.uint64(size)
                    words[head + 1] = _pair(releases, consumers)
                    words[head + 2] = _pair(tensors, op)
                    words[head + 3] = np.uint64(tail[op])
        if not writing:
            words = np.zeros(at + 1, dtype=np.uint64)  # an op may be asked for a release
            seen[:] = -1
    return words, packet, plain, member_ptr, members, order


@njit(cache=True, nogil=True)
def _pair(low, high):
    return np.uint64(low) | np.uint64(high) << np.uint64(32)
