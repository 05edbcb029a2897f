"""What a fused kernel costs: one launch, the FLOPs of its parts, and what crosses its border.

- FLOPs: the sum over the parts, each type of arithmetic at its own peak.
- bytes read: what the parts read, less what they read of each other, and less what another part
  has read already;
- bytes written: what the root writes, and results of other parts that it writes (see
  :mod:`go_gym.fusion.plan`).

The duration is the roofline of :mod:`go_gym.cluster.cost` over these figures. A kernel of one part
keeps its op's duration.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.fusion.structure import Structure
from go_gym.graph import DTYPES
from go_gym.problem import Problem

_DTYPES = len(DTYPES)


class Rates(NamedTuple):
    """Of each class of devices that cost the same; c classes, n ops, d devices."""

    durations: np.ndarray  # (c, n) int64 ns of the ops by themselves
    device_class: np.ndarray  # (d,) int64
    flop_rate: np.ndarray  # (c, dtypes) float64 FLOP/s
    bandwidth: np.ndarray  # (c,) float64 bytes/s
    launch_ns: np.ndarray  # (c,) int64


def rates(problem: Problem) -> Rates:
    """The Rates of a problem's devices."""
    first = np.unique(problem.device_class, return_index=True)[1]
    devices = [problem.cluster.devices[int(number)] for number in first]
    return Rates(
        durations=problem.durations.copy(),
        device_class=problem.device_class.copy(),
        flop_rate=np.array([device.rates() for device in devices]),
        bandwidth=np.array([device.memory_bandwidth for device in devices], dtype=np.float64),
        launch_ns=np.array([device.launch_overhead_ns for device in devices], dtype=np.int64),
    )


class Scratch(NamedTuple):
    """Marks by op and by tensor, so that questions need no clearing."""

    op: np.ndarray  # (n,) int64
    tensor: np.ndarray  # (t,) int64
    question: np.ndarray  # (1,) int64
    flops: np.ndarray  # (dtypes,) int64


def new_scratch(parts: Structure) -> Scratch:
    """Memory for questions about one graph's kernels, to use again and again."""
    return Scratch(
        op=np.zeros(len(parts.ops), dtype=np.int64),
        tensor=np.zeros(len(parts.tensor_bytes), dtype=np.int64),
        question=np.zeros(1, dtype=np.int64),
        flops=np.zeros(_DTYPES, dtype=np.int64),
    )


@njit(cache=True, nogil=True)
def border_read(parts, scratch, ops):
    """Bytes that the kernel of ``ops`` reads; leaves its FLOPs by dtype in ``scratch.flops``."""
    scratch.question[0] += 1
    number = scratch.question[0]
    scratch.flops[:] = 0
    for op in ops:
        scratch.op[op] = number
        scratch.flops[parts.ops[op].dtype] += parts.ops[op].flops
    total = np.int64(0)
    for op in ops:
        left = parts.ops[op].bytes_read
        for i in range(parts.ops[op].inputs, parts.ops[op + 1].inputs):
            tensor = parts.inputs[i]
            inside = scratch.op[parts.input_base[i]] == number
            if inside or scratch.tensor[tensor] == number:
                left -= min(left, parts.tensor_bytes[tensor])
            scratch.tensor[tensor] = number
        total += left
    return total


@njit(cache=True, nogil=True)
def kernel_ns(parts, scratch, cost, row, ops, root, written):
    """int64 ns of the kernel of ``ops`` on devices of class ``row``; it writes ``written`` bytes of
    other parts' than its root's."""
    if len(ops) == 1:
        return cost.durations[row, root]
    size = border_read(parts, scratch, ops) + parts.ops[root].bytes_written + written
    return _roofline(scratch, cost, row, size)


@njit(cache=True, nogil=True)
def _roofline(scratch, cost, row, size):
    arithmetic = 0.0
    for dtype in range(_DTYPES):
        if scratch.flops[dtype] > 0:
            arithmetic += scratch.flops[dtype] / cost.flop_rate[row, dtype]
    seconds = max(arithmetic, size / cost.bandwidth[row])
    return cost.launch_ns[row] + np.int64(np.ceil(seconds * 1e9))


@njit(cache=True, nogil=True)
def kernel_table(parts, scratch, cost, roots, part_ptr, members, written):
    """The figures of k kernels, of which each writes (k,) ``written`` bytes beside its root's.

    Returns: durations (classes, k) int64 ns, bytes read (k,) and FLOPs (k,) int64.
    """
    classes, count = len(cost.durations), len(roots)
    durations = np.empty((classes, count), dtype=np.int64)
    read = np.empty(count, dtype=np.int64)
    flops = np.empty(count, dtype=np.int64)
    for i in range(count):
        root = roots[i]
        if part_ptr[i + 1] - part_ptr[i] == 1:
            read[i], flops[i] = parts.ops[root].bytes_read, parts.ops[root].flops
            for row in range(classes):
                durations[row, i] = cost.durations[row, root]
            continue
        read[i] = border_read(parts, scratch, members[part_ptr[i] : part_ptr[i + 1]])
        flops[i] = scratch.flops.sum()
        for row in range(classes):
            durations[row, i] = _roofline(
                scratch, cost, row, read[i] + parts.ops[root].bytes_written + written[i]
            )
    return durations, read, flops
