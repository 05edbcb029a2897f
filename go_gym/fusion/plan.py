"""From levels to a fusion plan: which ops are computed in which kernel.

Every node begins as a kernel of its own, named by it: the *root*, the only part whose outputs the
kernel writes. Nodes are *taken* in order of level, highest first, ties in topological order, level
0 never. Taking node p moves kernel p into each kernel that reads it, where that is legal:

- all parts are on one device, with the views between them, and there are at most ``MAX_PARTS``;
- no part is opaque (see :mod:`go_gym.fusion.kinds`);
- at most one part is a reduction or a product. A kernel with one is never copied: it is taken only
  if one kernel alone reads it;
- beside a product all parts are elementwise, none of them feeds it, and the kernel's output has
  as many elements as the product's (an epilogue).

A kernel without reduction or product is computed anew in each of several readers, as XLA's
priority fusion does. If all readers took it, it disappears; else it stays as well. A view goes
along with the op that reads it; its own level plays no part. A node with a result of the step stays
as well and writes it; but where that is written over resident bytes and one kernel alone reads it,
this kernel writes it in its stead, and is then never copied.

The fused graph has no cycle: whatever kernel p reads, its readers read after it already, so a
kernel never needs anything that is computed after its root in the topological order.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.fusion.kinds import Kind
from go_gym.fusion.structure import Structure, structure
from go_gym.graph import ComputationGraph

MAX_PARTS = 32
"""Most nodes in a kernel (our choice; XLA bounds operands, and so code size, in a like way)."""
MAX_COPIED = 4
"""Most nodes in a kernel that several kernels compute anew (our choice)."""
MAX_COPIES = 4
"""Most kernels that compute a kernel anew (our choice)."""

_OPAQUE, _VIEW, _ELEMENTWISE, _PRODUCT = (
    int(kind) for kind in (Kind.OPAQUE, Kind.VIEW, Kind.ELEMENTWISE, Kind.PRODUCT)
)
_END = np.int32(-1)


@dataclass(frozen=True, eq=False)
class FusionPlan:
    """The kernels of a graph of n ops.

    Attributes:
        roots: (k,) int64, rising: the op that names each kernel and gives its outputs. Ops that
            stay as they are, views too, are kernels of one part.
        part_ptr: (k + 1,) int64.
        parts: (p,) int64, rising in each kernel: the ops that kernel i computes, without the
            views between them, are ``parts[part_ptr[i]:part_ptr[i + 1]]``.
        written: (k,) int64: bytes of results of parts other than its root that a kernel writes.
    """

    roots: np.ndarray
    part_ptr: np.ndarray
    parts: np.ndarray
    written: np.ndarray

    @property
    def num_kernels(self) -> int:
        """How many kernels there are."""
        return len(self.roots)

    def size(self, kernel: int) -> int:
        """How many ops a kernel computes."""
        return int(self.part_ptr[kernel + 1] - self.part_ptr[kernel])


KERNEL = np.dtype(
    [
        ("written", np.int64),  # bytes of results of parts other than its root that it writes
        ("mark", np.int64),  # as an op: the last question that saw it
        ("seen", np.int64),  # as a reader: likewise
        ("hero", np.int32),  # its reduction or product, or -1
        ("count", np.int32),  # its parts
        ("first", np.int32),  # its first instance
        ("instances", np.int32),  # the first instance of the op of that number
        ("alive", np.uint8),
        ("fixed", np.uint8),  # a view of it lies on another device: it is not taken
    ],
    align=True,
)
INSTANCE = np.dtype(
    [
        ("op", np.int32),
        ("kernel", np.int32),
        ("next", np.int32),  # of the kernel
        ("next_of_op", np.int32),
    ]
)


class State(NamedTuple):
    """A plan in the making. An instance is an op in a kernel, linked by kernel and by op."""

    kernels: np.ndarray  # (n,) KERNEL
    instances: np.ndarray  # (room,) INSTANCE
    counts: np.ndarray  # (2,) int64: instances, questions asked
    found: np.ndarray  # (MAX_COPIES,) int32: kernels that read the node in question


_USED, _QUESTION = 0, 1


def new_state(parts: Structure, place: np.ndarray) -> State:
    """Every node a kernel of its own."""
    n = len(parts.ops) - 1
    base = parts.ops["base"][:n]
    kind, numbers = parts.ops["kind"][:n], np.arange(n)
    kernels = np.zeros(n, dtype=KERNEL)
    kernels["hero"] = np.where(kind >= Kind.REDUCTION, numbers, _END)
    kernels["count"] = 1
    kernels["first"] = kernels["instances"] = numbers
    kernels["alive"] = kind != Kind.VIEW
    kernels["fixed"][base[place != place[base]]] = 1
    instances = np.empty(4 * n + MAX_PARTS * MAX_COPIES, dtype=INSTANCE)
    for label, value in (("op", numbers), ("kernel", numbers), ("next", -1), ("next_of_op", -1)):
        instances[label][:n] = value
    return State(kernels, instances, np.array([n, 0]), np.empty(MAX_COPIES, dtype=np.int32))


def grown(state: State) -> State:
    """The state with room for twice as many instances."""
    return state._replace(instances=np.concatenate([state.instances, state.instances]))


def plan_levels(graph: ComputationGraph, placement: np.ndarray, levels: np.ndarray) -> FusionPlan:
    """The plan that fusion ``levels`` (n,) stand for under a ``placement`` (n,)."""
    return plan_order(graph, placement, take_order(levels))


def take_order(levels: np.ndarray) -> np.ndarray:
    """The ops with a level above 0, highest first, ties in topological order."""
    chosen = np.flatnonzero(levels > 0)
    return chosen[np.argsort(-levels[chosen], kind="stable")]


def plan_order(graph: ComputationGraph, placement: np.ndarray, order: np.ndarray) -> FusionPlan:
    """The plan of taking the ops of ``order`` one after the other."""
    parts = structure(graph)
    place, order = (np.ascontiguousarray(each, dtype=np.int64) for each in (placement, order))
    state, done = new_state(parts, place), 0
    while done < len(order):
        done = _take_all(parts.ops, parts.readers, parts.input_base, *state, place, order, done)
        if done < len(order):
            state = grown(state)
    return finished(parts, state)


def finished(parts: Structure, state: State) -> FusionPlan:
    """The plan of a state, views included that someone outside the kernels still reads."""
    stays = _staying(*parts[:5], *state[:3])
    roots = np.flatnonzero(stays)
    part_ptr = np.zeros(len(roots) + 1, dtype=np.int64)
    np.cumsum(state.kernels["count"][roots], out=part_ptr[1:])
    parts_of = _parts(state.kernels, state.instances, roots, part_ptr)
    return FusionPlan(roots, part_ptr, parts_of, state.kernels["written"][roots])


@njit(cache=True, nogil=True)
def _take_all(
    ops, readers, input_base, kernels, instances, counts, found, place, order, begin
):  # fmt: skip
    """Take ops from ``order[begin]`` on; returns how far the room for instances went."""
    for i in range(begin, len(order)):
        op = order[i]
        if ops[op].kind > _VIEW and kernels[op].alive:
            if counts[_USED] + MAX_COPIES * MAX_PARTS > len(instances):
                return i
            count = find_readers(ops, readers, kernels, instances, counts, found, op)
            take(ops, input_base, kernels, instances, counts, found, place, op, count)
    return len(order)


@njit(cache=True, nogil=True)
def find_readers(ops, readers, kernels, instances, counts, found, op):
    """How many kernels read kernel ``op``, at most ``MAX_COPIES`` + 1 counted.

    They are in ``found``, rising. Instances in kernels that are gone are unlinked.
    """
    count = 0
    counts[_QUESTION] += 1
    for i in range(ops[op].readers, ops[op + 1].readers):
        reader = readers[i]
        before = _END
        instance = kernels[reader].instances
        while instance >= 0:
            kernel = instances[instance].kernel
            following = instances[instance].next_of_op
            if kernels[kernel].alive == 0:
                if before < 0:
                    kernels[reader].instances = following
                else:
                    instances[before].next_of_op = following
                instance = following
                continue
            if kernels[kernel].seen != counts[_QUESTION]:
                kernels[kernel].seen = counts[_QUESTION]
                if count == MAX_COPIES:
                    return MAX_COPIES + 1
                j = count
                while j > 0 and found[j - 1] > kernel:
                    found[j] = found[j - 1]
                    j -= 1
                found[j] = kernel
                count += 1
            before = instance
            instance = following
    return count


@njit(cache=True, nogil=True)
def may_take(ops, kernels, op, count):
    """May kernel ``op`` be computed by its ``count`` readers, as far as copies go?"""
    if kernels[op].fixed != 0:
        return False
    copied = count > 1 or ops[op].kept != 0
    costly = kernels[op].hero >= 0 or kernels[op].count > MAX_COPIED or kernels[op].written > 0
    return 0 < count <= MAX_COPIES and not (copied and costly)


@njit(cache=True, nogil=True)
def take(ops, input_base, kernels, instances, counts, found, place, op, count):
    """Move kernel ``op`` into its ``count`` readers in ``found``; returns how many took it.

    Those that did are the first in ``found`` afterwards.
    """
    if not may_take(ops, kernels, op, count):
        return 0
    took = 0
    for i in range(count):
        kernel = found[i]
        if is_legal(ops, input_base, kernels, instances, counts, place, op, kernel):
            _move(kernels, instances, counts, op, kernel)
            if count == 1:
                kernels[kernel].written += written_by_reader(ops, kernels, op)
            found[took] = kernel
            took += 1
    if took == count and disappears(ops, op, count):
        kernels[op].alive = 0
    return took


@njit(cache=True, nogil=True)
def disappears(ops, op, count):
    """Is kernel ``op`` gone once all its ``count`` readers took it?"""
    return ops[op].kept == 0 and (count == 1 or ops[op].in_place == 0)


@njit(cache=True, nogil=True)
def written_by_reader(ops, kernels, op):
    """Bytes of results that the one reader of kernel ``op`` writes in its stead."""
    if ops[op].kept != 0:
        return np.int64(0)
    return kernels[op].written + ops[op].in_place


@njit(cache=True, nogil=True)
def is_legal(ops, input_base, kernels, instances, counts, place, op, kernel):
    """May kernel ``op`` move into ``kernel``?

    If so, the parts that ``kernel`` lacks are marked with the question's number.
    """
    if ops[kernel].kind == _OPAQUE or place[op] != place[kernel]:
        return False
    hero, other = kernels[op].hero, kernels[kernel].hero
    if hero >= 0 and other >= 0:
        return False
    total = kernels[kernel].count
    if total >= MAX_PARTS:
        return False
    hero = max(hero, other)
    product = hero >= 0 and ops[hero].kind == _PRODUCT
    if product and ops[kernel].elements != ops[hero].elements:
        return False
    counts[_QUESTION] += 2
    number = counts[_QUESTION]
    instance = kernels[kernel].first
    while instance >= 0:
        part = instances[instance].op
        if product and part != hero and ops[part].kind != _ELEMENTWISE:
            return False
        kernels[part].mark = number - 1
        instance = instances[instance].next
    instance = kernels[op].first
    while instance >= 0:
        part = instances[instance].op
        if product and part != hero and ops[part].kind != _ELEMENTWISE:
            return False
        if kernels[part].mark != number - 1:
            kernels[part].mark = number
            total += 1
        instance = instances[instance].next
    if total > MAX_PARTS:
        return False
    if product:
        for i in range(ops[hero].inputs, ops[hero + 1].inputs):
            if kernels[input_base[i]].mark >= number - 1:
                return False
    return True


@njit(cache=True, nogil=True)
def _move(kernels, instances, counts, op, kernel):
    """Copy the parts of kernel ``op`` that :func:`is_legal` marked to ``kernel``."""
    instance = kernels[op].first
    while instance >= 0:
        part = instances[instance].op
        if kernels[part].mark == counts[_QUESTION]:
            new = counts[_USED]
            counts[_USED] += 1
            instances[new].op = part
            instances[new].kernel = kernel
            instances[new].next = kernels[kernel].first
            instances[new].next_of_op = kernels[part].instances
            kernels[kernel].first = new
            kernels[part].instances = new
            kernels[kernel].count += 1
        instance = instances[instance].next
    kernels[kernel].hero = max(kernels[kernel].hero, kernels[op].hero)


@njit(cache=True, nogil=True)
def _staying(ops, readers, inputs, input_base, producer, kernels, instances, counts):
    """(n,) bool: kernels, and views that a kernel reads from outside or that nothing reads."""
    n = len(kernels)
    stays = np.zeros(n, dtype=np.bool_)
    for kernel in range(n):
        if kernels[kernel].alive == 0:
            stays[kernel] |= ops[kernel].unread != 0
            continue
        stays[kernel] = True
        counts[_QUESTION] += 1
        instance = kernels[kernel].first
        while instance >= 0:
            kernels[instances[instance].op].mark = counts[_QUESTION]
            instance = instances[instance].next
        instance = kernels[kernel].first
        while instance >= 0:
            op = instances[instance].op
            for i in range(ops[op].inputs, ops[op + 1].inputs):
                if kernels[input_base[i]].mark != counts[_QUESTION]:
                    stays[producer[inputs[i]]] = True
            instance = instances[instance].next
    for op in range(n - 1, -1, -1):
        if ops[op].kind == _VIEW and stays[op]:
            stays[producer[inputs[ops[op].inputs]]] = True
    return stays


@njit(cache=True, nogil=True)
def _parts(kernels, instances, roots, part_ptr):
    result = np.empty(part_ptr[-1], dtype=np.int64)
    for i in range(len(roots)):
        count = part_ptr[i]
        instance = kernels[roots[i]].first
        while instance >= 0:
            op = instances[instance].op
            j = count
            while j > part_ptr[i] and result[j - 1] > op:
                result[j] = result[j - 1]
                j -= 1
            result[j] = op
            count += 1
            instance = instances[instance].next
    return result
