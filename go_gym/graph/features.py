"""What a learner sees of a graph: a row of numbers an op, a pair of ops an edge."""

import numpy as np

from go_gym.graph.columns import PHASES, SHAPE_DIMS
from go_gym.graph.model import ComputationGraph

OP_FEATURES = (
    "log_flops",
    "log_bytes_read",
    "log_bytes_written",
    "log_parameter_bytes",
    "log_output_bytes",
    *(f"log_shape_{i}" for i in range(SHAPE_DIMS)),
    "log_inputs",
    "log_consumers",
    "depth",
    "position",
    "free",
    *PHASES,
)
"""Columns of :func:`op_features`. Logarithms are log2(1 + x) / 64, so that all lie in [0, 1];
depth and position are fractions of the graph's greatest."""


def op_features(graph: ComputationGraph) -> np.ndarray:
    """(n, len(OP_FEATURES)) float32 in [0, 1]."""
    produced = np.zeros(graph.num_ops)
    np.add.at(produced, graph.tensor_producer, graph.tensor_bytes.astype(np.float64))
    consumers = np.bincount(graph.use_producer, minlength=graph.num_ops)
    columns = [
        log_scaled(graph.flops),
        log_scaled(graph.bytes_read),
        log_scaled(graph.bytes_written),
        log_scaled(graph.parameter_bytes),
        log_scaled(produced),
        *log_scaled(np.maximum(graph.shape, 0)).T,
        log_scaled(np.diff(graph.op_use_ptr)),
        log_scaled(consumers),
        graph.depth / max(int(graph.depth.max()), 1),
        np.arange(graph.num_ops) / max(graph.num_ops - 1, 1),
        graph.is_free,
        *(graph.phase == phase for phase in range(len(PHASES))),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def edges(graph: ComputationGraph) -> tuple[np.ndarray, np.ndarray]:
    """Edges between ops, one a use.

    Returns:
        ends: (u, 2) int32, producer and consumer.
        features: (u, 1) float32, log2(1 + bytes) / 64 of the tensor.
    """
    ends = np.stack([graph.use_producer, graph.use_consumer], axis=1).astype(np.int32)
    return ends, log_scaled(graph.tensor_bytes[graph.use_tensor])[:, None].astype(np.float32)


def log_scaled(values: np.ndarray) -> np.ndarray:
    """log2(1 + x) / 64: in [0, 1] for whatever fits into 64 bits."""
    return np.log2(1.0 + values) / 64.0
