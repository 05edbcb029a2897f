"""Cells whose best known is beaten on fewer of the same devices: more can never be worse."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations

from go_gym.cluster import Cluster
from go_gym.errors import GoGymError
from go_gym.leaderboard.schema import Row
from go_gym.problem import PLACED_TASKS


@dataclass(frozen=True)
class Beaten:
    """A graph's best known on a cluster, and the better one on a part of the cluster.

    Attributes:
        task, graph, cluster, step_time_ns: the cell and its best known.
        part, part_ns: the smaller cluster and what is reached there.
    """

    task: str
    graph: str
    cluster: str
    step_time_ns: int
    part: str
    part_ns: int

    def __str__(self) -> str:
        return (
            f"{self.task} of {self.graph}: {self.step_time_ns / 1e6:.3f} ms on {self.cluster}, "
            f"beaten by {self.part_ns / 1e6:.3f} ms on {self.part}, a part of it"
        )


def is_part(smaller: Cluster, larger: Cluster) -> bool:
    """Is ``smaller`` the first devices of ``larger``, with the same links between them?

    Whatever is valid on it is then valid on the larger one and takes as long.
    """
    count = smaller.num_devices
    if count >= larger.num_devices or smaller.contention != larger.contention:
        return False

    def figures(cluster: Cluster, number: int) -> tuple[object, ...]:
        device = cluster.devices[number]
        return (
            device.kind,
            dict(device.peak_flops),
            device.memory_bandwidth,
            device.memory_bytes,
            device.launch_overhead_ns,
        )

    return all(figures(smaller, k) == figures(larger, k) for k in range(count)) and all(
        smaller.link(a, b) == larger.link(a, b)
        for a in range(count)
        for b in range(count)
        if a != b
    )


def beaten(rows: Iterable[Row], cluster_of: Callable[[str], Cluster]) -> list[Beaten]:
    """The cells among ``rows`` that are beaten on a part of their cluster, by task and graph.

    Args:
        rows: of a board; invalid ones do not count, nor tasks whose placement is given, which
            another cluster gives otherwise. The best of all priorities and agents counts.
        cluster_of: the cluster of that name; one that raises GoGymError is compared with none.
    """
    best: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        if row.valid and row.task not in PLACED_TASKS:
            cell = best.setdefault((row.task, row.graph), {})
            cell[row.cluster] = min(cell.get(row.cluster, row.step_time_ns), row.step_time_ns)
    clusters: dict[str, Cluster] = {}
    for name in sorted({name for cell in best.values() for name in cell}):
        with suppress(GoGymError):
            clusters[name] = cluster_of(name)
    parts = {(a, b) for a, b in permutations(clusters, 2) if is_part(clusters[a], clusters[b])}
    found = []
    for (task, graph), cell in sorted(best.items()):
        for name, step in sorted(cell.items()):
            rivals = [(cell[a], a) for a, b in parts if b == name and a in cell]
            if rivals and min(rivals)[0] < step:
                found.append(Beaten(task, graph, name, step, min(rivals)[1], min(rivals)[0]))
    return found
