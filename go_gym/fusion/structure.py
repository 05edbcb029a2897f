"""What fusion looks at in a graph: kinds of ops, and who reads whom when views are seen through.

A *node* is an op that is no view. The *base* of a view is the node whose storage it shows. What a
node reads through views counts as a read of their base, since a view costs nothing and can be
repeated inside any kernel that computes its base.

A tensor that outlives the step is a *result* of it, and so is one that holds something and that no
op reads, in graphs that tell of none: the kernel that computes it writes it. What is written over
resident bytes is written by whichever kernel computes it: one that updates a parameter by Adam
reads four tensors and writes three.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from go_gym.fusion.kinds import Kind, kind_of
from go_gym.graph import Alias, ComputationGraph, Outlives
from go_gym.graph.frozen import frozen

OP = np.dtype(
    [
        ("kind", np.uint8),  # a Kind
        ("kept", np.uint8),  # a node of which something is a result that is not written in place
        ("unread", np.uint8),  # a view of which something is a result
        ("dtype", np.uint8),  # index into DTYPES
        ("base", np.int32),  # the node that a view shows; a node's own number
        (
            "readers",
            np.uint32,
        ),  # its first entry in ``readers``; the next op's is one past its last
        ("inputs", np.uint32),  # likewise in ``inputs``
        ("tensors", np.uint32),  # likewise among the tensors
        ("elements", np.float64),  # of the first output
        ("flops", np.int64),
        ("bytes_read", np.int64),
        ("bytes_written", np.int64),
        ("in_place", np.int64),  # bytes of results that are written over what is resident
    ]
)


class Structure(NamedTuple):
    """n ops, t tensors, u uses, r pairs of nodes of which the second reads the first."""

    ops: np.ndarray  # (n + 1,) OP, the last one only ends the ranges
    readers: np.ndarray  # (r,) int32: nodes that read a node, views seen through, rising
    inputs: np.ndarray  # (u,) int32: tensors that an op uses
    input_base: np.ndarray  # (u,) int32: the node behind each
    producer: np.ndarray  # (t,) int32: the op, node or view, that gives each tensor
    tensor_bytes: np.ndarray  # (t,) int64


def structure(graph: ComputationGraph) -> Structure:
    """The Structure of ``graph``, built once and kept with it."""
    found: Structure | None = graph.__dict__.get("_fusion_structure")
    if found is None:
        found = graph.__dict__["_fusion_structure"] = Structure(*map(frozen, _build(graph)))
    return found


def _build(graph: ComputationGraph) -> Structure:
    n = graph.num_ops
    view = _views(graph)
    inputs = graph.use_tensor[graph.op_uses]
    producer = graph.tensor_producer.copy()
    base = _bases(view, graph.op_use_ptr, inputs, producer)
    reading = ~view[graph.use_consumer]
    pairs = base[graph.use_producer[reading]].astype(np.int64) * n + graph.use_consumer[reading]
    pairs = np.unique(pairs)
    results = _results(graph)
    ops = np.zeros(n + 1, dtype=OP)
    ops["kind"][:n] = _kinds(graph, view)
    ops["kept"][base[results]] = 1
    ops["unread"][results] = view[results]
    ops["dtype"][:n] = graph.dtype
    ops["base"][:n] = base
    ops["readers"] = np.searchsorted(pairs, np.arange(n + 1) * n)
    ops["inputs"] = graph.op_use_ptr
    ops["tensors"] = graph.op_tensor_ptr
    over = graph.tensor_outlives == Outlives.IN_PLACE
    np.add.at(ops["in_place"], graph.tensor_producer[over], graph.tensor_bytes[over])
    ops["elements"][:n] = np.where(graph.shape < 0, 1.0, graph.shape).prod(axis=1)
    for column in ("flops", "bytes_read", "bytes_written"):
        ops[column][:n] = getattr(graph, column)
    return Structure(
        ops=ops,
        readers=(pairs % n).astype(np.int32),
        inputs=inputs.astype(np.int32),
        input_base=base[producer[inputs]],
        producer=producer,
        tensor_bytes=graph.tensor_bytes.copy(),
    )


def _kinds(graph: ComputationGraph, view: np.ndarray) -> np.ndarray:
    """(n,) uint8 Kinds. Alone stay: ops that write to or show another's storage, parameters, free
    ops, and ops with a measured duration, since nobody measured them as part of a kernel."""
    table = np.array([kind_of(name) for name in graph.op_types], dtype=np.uint8)
    kind = table[graph.op_type]
    shows = graph.tensor_producer[graph.tensor_alias != Alias.OWN]
    alone = graph.is_free | (graph.parameter_bytes > 0) | (graph.durations >= 0).any(axis=1)
    alone[shows] = True
    kind[alone] = Kind.OPAQUE
    kind[view] = Kind.VIEW
    return kind


def _views(graph: ComputationGraph) -> np.ndarray:
    """(n,) bool: free ops with one input, whose every output shows that input's storage."""
    n = graph.num_ops
    one_input = np.diff(graph.op_use_ptr) == 1
    sole = np.full(n, -9, dtype=np.int64)
    sole[one_input] = graph.use_tensor[graph.op_uses[graph.op_use_ptr[:-1][one_input]]]
    shows = graph.tensor_alias == sole[graph.tensor_producer]
    others = np.bincount(graph.tensor_producer[~shows], minlength=n)
    outputs = np.diff(graph.op_tensor_ptr)
    return graph.is_free & one_input & (others == 0) & (outputs > 0) & (graph.parameter_bytes == 0)


def _results(graph: ComputationGraph) -> np.ndarray:
    """(r,) int64 ops with a tensor that nothing reads and that is not empty or that is held beyond
    the step, and all the views of which nothing is read."""
    unread = np.bincount(graph.use_tensor, minlength=graph.num_tensors) == 0
    unread &= (graph.tensor_bytes > 0) | (graph.tensor_alias >= 0)
    return np.unique(graph.tensor_producer[unread | (graph.tensor_outlives == Outlives.HELD)])


@njit(cache=True, nogil=True)
def _bases(view, input_ptr, inputs, producer):
    base = np.empty(len(view), dtype=np.int32)
    for op in range(len(view)):
        base[op] = base[producer[inputs[input_ptr[op]]]] if view[op] else op
    return base
