"""Layers of a captured graph in the order in which the program runs them."""

from dataclasses import replace

import numpy as np

from go_gym.graph import ComputationGraph

GIVEN = ("parameter", "state", "buffer")
"""Ops that run nothing."""


def in_order_of_execution(graph: ComputationGraph) -> ComputationGraph:
    """The same graph, its layer table by the first op of each layer that runs, forward ops first.

    A table by first appearance starts with the layers that have parameters, and those that have
    none (activations, dropout, additions) come last; rules that cut along the table, as
    ``human_expert`` does, would cut around each of them.
    """
    if not graph.layers:
        return graph
    given = np.array([kind in GIVEN for kind in graph.op_types])
    first = np.full(len(graph.layers), 2 * graph.num_ops, dtype=np.int64)
    order = np.arange(graph.num_ops) + graph.num_ops * (graph.phase != 0)
    held = given[graph.op_type]  # and what is made of parameters alone, as their views
    made = np.ones(graph.num_ops, dtype=bool)
    inputs = np.bincount(graph.use_consumer, minlength=graph.num_ops)
    made[held | (inputs == 0)] = False
    for op, view in zip(
        graph.use_consumer.tolist(), held[graph.use_producer].tolist(), strict=True
    ):
        made[op] &= not (view and inputs[op] == 1)
    runs = (graph.layer >= 0) & made
    np.minimum.at(first, graph.layer[runs], order[runs])
    table = np.argsort(first, kind="stable")
    place = np.empty_like(table)
    place[table] = np.arange(len(table))
    layer = np.where(graph.layer >= 0, place[np.maximum(graph.layer, 0)], -1)
    layers = tuple(graph.layers[each] for each in table.tolist())
    return replace(graph, layers=layers, layer=layer.astype(graph.layer.dtype))
