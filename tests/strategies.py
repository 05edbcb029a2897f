"""Hypothesis strategies: random graphs, clusters and decisions, small and awkward on purpose."""

import numpy as np
from hypothesis import strategies as st

import go_gym
from go_gym.cluster import CONTENTION_MODELS, Cluster, Device

SMALL = st.integers(0, 4)
"""Durations, sizes and latencies: zero and equal ones often, so that ties are common."""


@st.composite
def graphs(draw, max_ops: int = 14, devices: int | None = None) -> go_gym.ComputationGraph:
    """A random graph with several tensors an op, views, parameters and co-location groups."""
    n = draw(st.integers(1, max_ops))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    big = draw(st.booleans())
    high = 1000 if big else 4
    tensors, uses, aliases, outlives = [], [], [], []
    inputs: list[list[int]] = []
    for op in range(n):
        earlier = len(tensors)
        count = min(earlier, int(rng.integers(0, 4)))
        mine = sorted(rng.choice(earlier, size=count, replace=False).tolist()) if count else []
        inputs.append(mine)
        uses += [(tensor, op) for tensor in mine]
        for _ in range(int(rng.integers(0, 3)) if op else 1):
            tensors.append((op, int(rng.integers(0, high))))
            kind = rng.random()
            if mine and kind < 0.3:
                aliases.append(int(rng.choice(mine)))
            else:
                aliases.append(-2 if kind > 0.9 else -1)
            own = aliases[-1] == -1
            outlives.append(int(rng.choice([0, 0, 0, 0, 1, 2 if own else 0])))
    columns = () if devices is None else (devices,)
    groups = np.where(rng.random(n) < 0.3, rng.integers(0, 3, n), -1)
    durations = rng.integers(0, high, (n, *columns))
    durations[rng.random(n) < draw(st.sampled_from([0, 0.3, 0.7]))] = 0  # on every device
    order = rng.permutation(n)  # callers number their ops in any order
    return go_gym.ComputationGraph.from_costs(
        durations[np.argsort(order)],
        [(int(order[op]), size) for op, size in tensors],
        [(tensor, int(order[op])) for tensor, op in uses],
        parameter_bytes=rng.integers(0, 3, n),
        colocation=groups if draw(st.booleans()) else None,
        aliases=aliases,
        outlives=outlives if draw(st.booleans()) else None,
    )


@st.composite
def clusters(draw, max_devices: int = 6, contention: str | None = None) -> Cluster:
    """A random cluster: heterogeneous links, tight or ample memory."""
    count = draw(st.integers(1, max_devices))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    memory = draw(st.sampled_from([2**40, 40, 8]))
    made = [
        Device(f"d{i}", f"kind{i}", {"float32": 1e9}, 1e9, int(memory + rng.integers(0, 5)), 0)
        for i in range(count)
    ]
    bandwidth = rng.choice([1e9, 5e8, 3e9], size=(count, count))
    latency = rng.integers(0, 3, (count, count))
    kind = contention or draw(st.sampled_from(CONTENTION_MODELS))
    return Cluster.from_matrix("random", made, bandwidth, latency, kind)


@st.composite
def problems(draw, max_ops: int = 14, max_devices: int = 6) -> go_gym.Problem:
    """A random problem, durations alike everywhere or a column a device."""
    cluster = draw(clusters(max_devices))
    devices = cluster.num_devices if draw(st.booleans()) else None
    return go_gym.Problem(draw(graphs(max_ops, devices)), cluster)


@st.composite
def decisions(draw, problem: go_gym.Problem) -> go_gym.Decision:
    """A random placement, sometimes keeping co-location, and sometimes priorities."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    placement = rng.integers(0, problem.num_devices, problem.num_ops)
    if draw(st.booleans()):
        placement = placement[problem.colocation_leader]
    priority = rng.integers(0, 3, problem.num_ops) if draw(st.booleans()) else None
    return go_gym.Decision(placement=placement, priority=priority)
