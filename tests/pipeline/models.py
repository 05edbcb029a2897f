"""Training steps of equal layers, whose pipelines have closed forms."""

import numpy as np

import go_gym
from go_gym.graph import Outlives
from go_gym.graph.builder import GraphBuilder, Op

SAVED = 1_000_003
"""Bytes that a layer saves for its backward pass, of a whole batch of one micro-batch."""


def chain(
    layers: int, forward: int, backward: int, weights: int, saved: int = 0, devices: int = 0
) -> go_gym.Problem:
    """Each layer: forward, backward for its input, backward for its weights, an update of 0 ns;
    ``saved`` bytes from its forward to its backward passes; nothing else has a size."""
    builder, durations = GraphBuilder(), []

    def op(name: str, phase: str, layer: int, time: int, inputs: list[int], **more: int) -> int:
        durations.append([time])
        row = Op(name, f"{name}{layer}", phase=phase, layer=f"layer{layer}", flops=time, **more)
        return builder.add_op(row, inputs)

    resident = [
        builder.add_tensor(op("weight", "forward", i, 0, [], parameter_bytes=4), 0, -2)
        for i in range(layers)
    ]
    stream, kept = builder.add_tensor(op("batch", "forward", 0, 0, []), 0), []
    for i in range(layers):
        made = op("forward", "forward", i, forward, [stream, resident[i]])
        stream = builder.add_tensor(made, 0)
        kept.append(builder.add_tensor(made, saved))
    gradient = stream
    for i in reversed(range(layers)):
        back = op("backward", "backward", i, backward, [gradient, kept[i], resident[i]])
        # what the pass for the weights needs is there once this one has run
        gradient, mine = builder.add_tensor(back, 0), builder.add_tensor(back, 0)
        grad = builder.add_tensor(op("gradient", "backward", i, weights, [mine]), 0)
        update = op("update", "optimizer", i, 0, [grad, resident[i]])
        builder.add_tensor(update, 0)
        builder.outlives[-1] = Outlives.IN_PLACE
    graph = builder.graph("chain", durations=np.array(durations), duration_kinds=["*"])
    cluster = go_gym.Cluster.uniform(
        devices=devices or layers, bandwidth=1e18, contention="none", name="even"
    )
    return go_gym.Problem(graph, cluster)
