"""What a well-formed computation graph is; every graph, built or loaded, passes through here."""

from typing import Any

import numpy as np

from go_gym.errors import GraphError, refuse_masked
from go_gym.graph.columns import (
    ANY_DEVICE,
    BY_POSITION,
    DTYPES,
    PHASES,
    SHAPE_DIMS,
    Alias,
    GraphColumns,
    Outlives,
)

MAX_OPS = 5_000_000
MAX_TENSORS = 10_000_000
MAX_USES = 50_000_000
MAX_BYTES = 2**53
"""Largest byte or FLOP count of one op or tensor: exact in float64 (our choice)."""
MAX_DURATION_NS = 10**15
"""Longest op: eleven days (our choice)."""
MAX_NAME_LENGTH = 1024


def whole_numbers(label: str, values: Any, low: int, high: int) -> np.ndarray:
    """``values`` as int64, each between ``low`` and ``high``.

    Raises GraphError, naming the label and the first place at fault, for NaN, fractions, numbers
    out of range, and anything that is not a number.
    """
    refuse_masked(label, values, GraphError)
    try:
        array = np.asarray(values)
    except (ValueError, OverflowError) as error:
        raise GraphError(f"{label}: not an array of numbers: {error}") from None
    if array.dtype == object or array.dtype.kind not in "iufb":
        raise GraphError(f"{label}: dtype {array.dtype}, expected whole numbers")
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array) | (array != np.floor(array))
    else:
        bad = np.zeros(array.shape, dtype=bool)
    bad |= (array < low) | (array > high)
    if bad.any():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        where = ", ".join(map(str, place))
        raise GraphError(
            f"{label}[{where}]: {array[place]} is not a whole number from {low} to {high}"
        )
    return array.astype(np.int64)


def validate(graph: GraphColumns) -> None:
    """Raise GraphError, naming the op, unless ``graph`` keeps every promise of its class."""
    n, t, u = graph.num_ops, graph.num_tensors, graph.num_uses
    if not 1 <= n <= MAX_OPS or t > MAX_TENSORS or u > MAX_USES:
        raise GraphError(
            f"{n:,} ops, {t:,} tensors, {u:,} uses: expected 1 to {MAX_OPS:,} ops, at most "
            f"{MAX_TENSORS:,} tensors and {MAX_USES:,} uses"
        )
    _check_shapes(graph)
    _check_names(graph)

    def op(index: np.ndarray | int) -> str:
        return f"op {int(index)} ({graph.op_names[int(index)]!r})"

    def reject_op(bad: Any, message: str) -> None:
        if bad.any():
            raise GraphError(f"{op(int(np.argmax(bad)))}: {message}")

    for label, size, low in (
        ("op_type", len(graph.op_types), 0),
        ("layer", len(graph.layers), -1),
        ("dtype", len(DTYPES), 0),
        ("phase", len(PHASES), 0),
        ("colocation", n, -1),
    ):
        values = getattr(graph, label)
        reject_op((values < low) | (values >= size), f"{label} outside {low} … {size - 1}")
    for label in ("flops", "bytes_read", "bytes_written", "parameter_bytes"):
        values = getattr(graph, label)
        reject_op((values < 0) | (values > MAX_BYTES), f"{label} outside 0 … 2^53")
    times = graph.durations
    reject_op(
        ((times < -1) | (times > MAX_DURATION_NS)).any(axis=1),
        f"a measured duration outside 0 … {MAX_DURATION_NS:,} ns (or -1, not measured)",
    )
    reject_op((graph.shape < -1).any(axis=1), "a negative side in its output shape")

    producer, bytes_, alias = graph.tensor_producer, graph.tensor_bytes, graph.tensor_alias
    _reject("tensor", (producer < 0) | (producer >= n), f"its producer is not one of {n} ops")
    _reject("tensor", np.diff(producer) < 0, "tensors are not sorted by producer")
    _reject("tensor", (bytes_ < 0) | (bytes_ > MAX_BYTES), "bytes outside 0 … 2^53")
    _reject("tensor", (alias < Alias.PARAMETER) | (alias >= t), "alias of no tensor")
    lasting = graph.tensor_outlives
    _reject("tensor", lasting > Outlives.IN_PLACE, "outlives the step in no known way")
    over = (lasting == Outlives.IN_PLACE) & (alias != Alias.OWN)
    _reject("tensor", over, "written over what is resident, and a view of something else")

    tensor, consumer = graph.use_tensor, graph.use_consumer
    _reject("use", (tensor < 0) | (tensor >= t), f"its tensor is not one of {t}")
    _reject("use", (consumer < 0) | (consumer >= n), f"its consumer is not one of {n} ops")
    key = tensor.astype(np.int64) * n + consumer
    _reject("use", np.diff(key) <= 0, "uses are not sorted by tensor and consumer, or repeat")
    backward = producer[tensor] >= consumer
    if backward.any():
        use = int(np.argmax(backward))
        raise GraphError(
            f"{op(consumer[use])} uses a tensor of {op(producer[tensor[use]])}, which does not "
            "come before it: a cycle, or ops not in topological order"
        )
    shared = np.flatnonzero(alias >= 0)
    wanted = alias[shared].astype(np.int64) * n + producer[shared]
    found = np.searchsorted(key, wanted)
    missing = found >= len(key)
    missing[~missing] = key[found[~missing]] != wanted[~missing]
    if missing.any():
        index = int(shared[np.argmax(missing)])
        raise GraphError(
            f"tensor {index} of {op(producer[index])} shares the storage of tensor "
            f"{int(alias[index])}, which is no input of that op"
        )


def _check_shapes(graph: GraphColumns) -> None:
    n, t, u = graph.num_ops, graph.num_tensors, graph.num_uses
    expected = {
        **dict.fromkeys(("op_type", "dtype", "flops", "bytes_read", "bytes_written"), (n,)),
        **dict.fromkeys(("parameter_bytes", "colocation", "phase", "layer"), (n,)),
        "shape": (n, SHAPE_DIMS),
        "durations": (n, len(graph.duration_kinds)),
        **dict.fromkeys(("tensor_producer", "tensor_bytes", "tensor_alias"), (t,)),
        "tensor_outlives": (t,),
        **dict.fromkeys(("use_tensor", "use_consumer"), (u,)),
        "source_index": (n,),
        "tensor_source_index": (t,),
    }
    for label, shape in expected.items():
        if getattr(graph, label).shape != shape:
            raise GraphError(f"{label}: shape {getattr(graph, label).shape}, expected {shape}")
    for label, size in (("source_index", n), ("tensor_source_index", t)):
        values = getattr(graph, label)
        seen = np.zeros(size, dtype=bool)
        seen[values[(values >= 0) & (values < size)]] = True
        if not seen.all():
            raise GraphError(f"{label}: not a permutation of 0 … {size - 1}")


def _check_names(graph: GraphColumns) -> None:
    n = graph.num_ops
    _check_text("name", graph.name)
    if len(graph.op_names) != n:
        raise GraphError(f"{len(graph.op_names)} op names for {n} ops")
    for label in ("op_names", "op_types", "layers", "duration_kinds"):
        for text in getattr(graph, label):
            _check_text(label, text)
    if len(set(graph.op_names)) != n:
        seen: set[str] = set()
        repeated = next(x for x in graph.op_names if x in seen or seen.add(x))  # type: ignore[func-returns-value]
        raise GraphError(f"two ops are named {repeated!r}")
    for label in ("op_types", "layers", "duration_kinds"):
        table = getattr(graph, label)
        if len(set(table)) != len(table):
            raise GraphError(f"{label}: an entry repeats")
    positions = [kind for kind in graph.duration_kinds if kind.startswith(BY_POSITION)]
    by_position = [f"{BY_POSITION}{i}" for i in range(len(positions))]
    if positions and (positions != by_position or len(positions) != len(graph.duration_kinds)):
        raise GraphError(
            f"duration_kinds: {', '.join(graph.duration_kinds)}: durations by device number must "
            f"be {BY_POSITION}0, {BY_POSITION}1, … and nothing else"
        )
    if ANY_DEVICE in graph.duration_kinds and len(graph.duration_kinds) != 1:
        raise GraphError(f"duration_kinds: {ANY_DEVICE!r} holds for all, so it must stand alone")


def _check_text(label: str, text: Any) -> None:
    if not isinstance(text, str) or not text or len(text) > MAX_NAME_LENGTH:
        raise GraphError(
            f"{label}: {str(text)[:40]!r} is not a text of 1 to {MAX_NAME_LENGTH} letters"
        )
    if "\n" in text:
        raise GraphError(f"{label}: {text[:40]!r} holds a line break")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise GraphError(f"{label}: {text[:40]!r} is not text: a lone surrogate") from None


def _reject(what: str, bad: Any, message: str) -> None:
    if bad.any():
        raise GraphError(f"{what} {int(np.argmax(bad))}: {message}")
