"""Construction: from a caller's columns, in any order, to a checked graph in topological order."""

import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from go_gym.errors import GraphError, refuse_masked
from go_gym.graph.columns import (
    ANY_DEVICE,
    BY_POSITION,
    COLUMNS,
    DTYPES,
    PHASES,
    SHAPE_DIMS,
    Alias,
    GraphColumns,
    Outlives,
)
from go_gym.graph.topology import topological_order
from go_gym.graph.validate import MAX_BYTES, MAX_DURATION_NS, validate, whole_numbers

Graph = TypeVar("Graph", bound=GraphColumns)


def from_costs(
    kind: type[Graph],
    durations: Any,
    tensors: Any,
    uses: Any,
    *,
    parameter_bytes: Any = None,
    colocation: Any = None,
    names: Sequence[str] | None = None,
    aliases: Any = None,
    outlives: Any = None,
    layers: Sequence[str | None] | None = None,
    name: str = "graph",
) -> Graph:
    """See :meth:`ComputationGraph.from_costs`."""
    table = whole_numbers("durations", durations, low=0, high=MAX_DURATION_NS)
    if table.ndim not in (1, 2):
        raise GraphError(f"durations: shape {table.shape}, expected (ops,) or (ops, devices)")
    kinds = (
        (ANY_DEVICE,)
        if table.ndim == 1
        else tuple(f"{BY_POSITION}{column}" for column in range(table.shape[1]))
    )
    return from_arrays(
        kind,
        name,
        durations=table.reshape(len(table), len(kinds)),
        duration_kinds=kinds,
        tensors=tensors,
        uses=uses,
        aliases=aliases,
        outlives=outlives,
        op_names=names,
        parameter_bytes=parameter_bytes,
        colocation=colocation,
        layers=layers,
        num_ops=len(table),
    )


# Long: a keyword for each column, and what each is
def from_arrays(
    kind: type[Graph],
    name: str,
    *,
    num_ops: int,
    tensors: Any,
    uses: Any,
    aliases: Any = None,
    outlives: Any = None,
    op_names: Sequence[str] | None = None,
    op_types: Sequence[str] | None = None,
    layers: Sequence[str | None] | None = None,
    phases: Sequence[str] | None = None,
    dtypes: Sequence[str] | None = None,
    shapes: Sequence[Sequence[int]] | None = None,
    flops: Any = None,
    bytes_read: Any = None,
    bytes_written: Any = None,
    parameter_bytes: Any = None,
    colocation: Any = None,
    durations: Any = None,
    duration_kinds: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Graph:
    """A graph from columns in the caller's op order.

    Args:
        kind: the class to make, ComputationGraph.
        name: the graph's name.
        num_ops: number of ops; every per-op column has that length.
        tensors: (producer op, bytes) pairs.
        uses: (tensor, consumer op) pairs; repeats count once.
        aliases: (tensors,) tensor whose storage each shares, or ``Alias.*``; default own.
        outlives: (tensors,) ``Outlives.*``, default none.
        op_names: unique names, default ``op0``, ``op1``, …
        op_types: type of each op as a string, default ``"op"``.
        layers: layer tag of each op, None for none.
        phases: each one of ``PHASES``, default forward.
        dtypes: each one of ``DTYPES``, default float32.
        shapes: output shape of each op, default scalar.
        flops, bytes_read, bytes_written, parameter_bytes: (ops,) whole numbers, default 0.
        colocation: (ops,) group numbers, -1 for none.
        durations: (ops, kinds) ns, -1 where the cost model decides.
        duration_kinds: the device kind of each column of ``durations``.
        metadata: what else is known of the graph, JSON-able; not part of the content hash.

    Raises:
        GraphError: naming the op, tensor or column at fault.
    """
    n = num_ops
    order, tensor_order, edges = _sorted_edges(n, tensors, uses, aliases)
    edges["tensor_outlives"] = _lasting(outlives, tensor_order)

    def column(label: str, values: Any, default: int = 0, low: int = 0) -> np.ndarray:
        if values is None:
            return np.full(n, default, dtype=np.int64)
        numbers = whole_numbers(label, values, low=low, high=MAX_BYTES)
        _check_length(label, numbers, n, "ops")
        stored: np.ndarray = numbers[order]
        return stored

    times = _durations(durations, n, len(duration_kinds))
    names = [f"op{i}" for i in range(n)] if op_names is None else list(op_names)
    _check_length("op_names", names, n, "ops")
    type_table, op_type = _table("op_types", op_types, "op", order)
    layer_table, layer = _table("layers", layers, None, order)
    columns = {
        "op_type": op_type,
        "dtype": _choice("dtypes", dtypes, DTYPES, order),
        "flops": column("flops", flops),
        "bytes_read": column("bytes_read", bytes_read),
        "bytes_written": column("bytes_written", bytes_written),
        "parameter_bytes": column("parameter_bytes", parameter_bytes),
        "colocation": _dense(column("colocation", colocation, default=-1, low=-1)),
        "phase": _choice("phases", phases, PHASES, order),
        "layer": layer,
        "shape": _shapes(shapes, n)[order],
        "durations": times[order],
        **edges,
    }
    return assemble(
        kind,
        name=name,
        op_names=tuple(names[i] for i in order.tolist()),
        op_types=type_table,
        layers=layer_table,
        duration_kinds=tuple(duration_kinds),
        columns=columns,
        source_index=order,
        tensor_source_index=tensor_order,
        metadata=dict(metadata or {}),
    )


def _sorted_edges(
    n: int, tensors: Any, uses: Any, aliases: Any
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The order of ops and that of tensors, and the columns of tensors and uses in these orders."""
    tensor_table = _pairs("tensors", tensors, high=(n - 1, MAX_BYTES))
    use_table = _pairs("uses", uses, high=(len(tensor_table) - 1, n - 1))
    use_table = np.unique(use_table, axis=0)

    order = topological_order(n, tensor_table[use_table[:, 0], 0], use_table[:, 1])
    position = np.empty(n, dtype=np.int64)
    position[order] = np.arange(n)
    producers = position[tensor_table[:, 0]]
    tensor_order = np.argsort(producers, kind="stable")
    tensor_position = np.empty(len(tensor_table), dtype=np.int64)
    tensor_position[tensor_order] = np.arange(len(tensor_table))
    use_tensors, consumers = tensor_position[use_table[:, 0]], position[use_table[:, 1]]
    use_order = np.lexsort((consumers, use_tensors))

    if aliases is None:
        alias = np.full(len(tensor_table), Alias.OWN, dtype=np.int64)
    else:
        given = whole_numbers("aliases", aliases, low=-2, high=len(tensor_table) - 1)
        _check_length("aliases", given, len(tensor_table), "tensors")
        shared = np.where(given >= 0, tensor_position[np.maximum(given, 0)], given)
        alias = shared[tensor_order]
    columns = {
        "tensor_producer": producers[tensor_order],
        "tensor_bytes": tensor_table[tensor_order, 1],
        "tensor_alias": alias,
        "use_tensor": use_tensors[use_order],
        "use_consumer": consumers[use_order],
    }
    return order, tensor_order, columns


def _lasting(given: Any, tensor_order: np.ndarray) -> np.ndarray:
    """(t,) int64 ``Outlives.*``, in the order of the tensors."""
    if given is None:
        return np.full(len(tensor_order), Outlives.NO, dtype=np.int64)
    values = whole_numbers("outlives", given, low=Outlives.NO, high=Outlives.IN_PLACE)
    _check_length("outlives", values, len(tensor_order), "tensors")
    stored: np.ndarray = values[tensor_order]
    return stored


def _durations(given: Any, n: int, kinds: int) -> np.ndarray:
    """(n, kinds) int64 ns, in the caller's order; no column where nothing was measured."""
    table = np.empty((n, 0), dtype=np.int64) if given is None else given
    times = whole_numbers("durations", table, low=-1, high=MAX_DURATION_NS)
    if times.shape != (n, kinds):
        raise GraphError(
            f"durations: shape {times.shape}, expected {(n, kinds)} (ops, duration kinds)"
        )
    return times


def assemble(
    kind: type[Graph],
    *,
    columns: Mapping[str, np.ndarray],
    source_index: np.ndarray,
    tensor_source_index: np.ndarray,
    **rest: Any,
) -> Graph:
    """The graph of stored columns, with its dtypes, made read-only and validated."""
    arrays: dict[str, Any] = {}
    for label, dtype in COLUMNS.items():
        arrays[label] = np.ascontiguousarray(columns[label], dtype=dtype)
    arrays["source_index"] = np.ascontiguousarray(source_index, dtype=np.int64)
    arrays["tensor_source_index"] = np.ascontiguousarray(tensor_source_index, dtype=np.int64)
    for array in arrays.values():
        array.setflags(write=False)
    graph = kind(**rest, **arrays)
    validate(graph)
    return graph


def _check_length(label: str, values: Any, expected: int, what: str) -> None:
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise GraphError(f"{label}: shape {values.shape}, expected ({what},)")
    if len(values) != expected:
        raise GraphError(f"{label}: {len(values)} entries for {expected} {what}")


def _pairs(label: str, values: Any, high: tuple[int, int]) -> np.ndarray:
    refuse_masked(label, values, GraphError)
    try:
        table = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise GraphError(f"{label}: not pairs of numbers: {error}") from None
    if table.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    if table.ndim != 2 or table.shape[1] != 2:
        raise GraphError(f"{label}: shape {table.shape}, expected (number, 2)")
    left = whole_numbers(f"{label}[:, 0]", table[:, 0], low=0, high=high[0])
    right = whole_numbers(f"{label}[:, 1]", table[:, 1], low=0, high=high[1])
    return np.stack([left, right], axis=1)


def _table(
    label: str, values: Sequence[str | None] | None, default: str | None, order: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    given = [default] * len(order) if values is None else list(values)
    _check_length(label, given, len(order), "ops")
    numbers: dict[str, int] = {}
    codes = []
    for op in order.tolist():
        text = given[op]
        codes.append(-1 if text is None else numbers.setdefault(str(text), len(numbers)))
    return tuple(numbers), np.array(codes, dtype=np.int64)


def _choice(
    label: str, values: Sequence[str] | None, choices: tuple[str, ...], order: np.ndarray
) -> np.ndarray:
    if values is None:
        return np.zeros(len(order), dtype=np.int64)
    _check_length(label, values, len(order), "ops")
    codes = {text: code for code, text in enumerate(choices)}
    try:
        return np.array([codes[values[op]] for op in order.tolist()], dtype=np.int64)
    except KeyError as error:
        raise GraphError(f"{label}: {error} is not one of {', '.join(choices)}") from None


def _dense(groups: np.ndarray) -> np.ndarray:
    """Group numbers renamed 0, 1, … by first appearance, so that equal graphs hash alike."""
    result = np.full(len(groups), -1, dtype=np.int64)
    member = groups >= 0
    _, first, inverse = np.unique(groups[member], return_index=True, return_inverse=True)
    rename = np.empty(len(first), dtype=np.int64)
    rename[np.argsort(first, kind="stable")] = np.arange(len(first))
    result[member] = rename[inverse.reshape(-1)]
    return result


def _shapes(shapes: Sequence[Sequence[int]] | None, n: int) -> np.ndarray:
    table = np.full((n, SHAPE_DIMS), -1, dtype=np.int64)
    if shapes is None:
        return table
    _check_length("shapes", shapes, n, "ops")
    for op, shape in enumerate(shapes):
        try:
            sides = [operator.index(side) for side in shape]
        except TypeError:
            raise GraphError(f"shapes[{op}]: {shape!r} is not whole numbers") from None
        if len(sides) > SHAPE_DIMS:
            sides = [*sides[: SHAPE_DIMS - 1], math.prod(sides[SHAPE_DIMS - 1 :])]
        if any(not -1 <= side <= MAX_BYTES for side in sides):
            raise GraphError(f"shapes[{op}]: {tuple(sides)} has a side outside 0 … 2^53")
        table[op, : len(sides)] = sides
    return table
