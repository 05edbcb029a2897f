"""Instances with published answers."""

import go_gym

COSTS = [
    (14, 16, 9),
    (13, 19, 18),
    (11, 13, 19),
    (13, 8, 17),
    (12, 13, 10),
    (13, 16, 9),
    (7, 15, 11),
    (5, 11, 14),
    (18, 12, 20),
    (21, 7, 16),
]
EDGES = {
    (1, 2): 18,
    (1, 3): 12,
    (1, 4): 9,
    (1, 5): 11,
    (1, 6): 14,
    (2, 8): 19,
    (2, 9): 16,
    (3, 7): 23,
    (4, 8): 27,
    (4, 9): 23,
    (5, 9): 13,
    (6, 8): 15,
    (7, 10): 17,
    (8, 10): 11,
    (9, 10): 13,
}


def topcuoglu() -> go_gym.Problem:
    """The 10-task, 3-processor example of Topcuoglu, Hariri and Wu (2002), figure 2."""
    graph = go_gym.ComputationGraph.from_costs(
        COSTS,
        [(source - 1, cost) for (source, _), cost in EDGES.items()],
        [(index, target - 1) for index, (_, target) in enumerate(EDGES)],
    )
    return go_gym.Problem(graph, go_gym.Cluster.uniform(3, 1e9, contention="none"))
