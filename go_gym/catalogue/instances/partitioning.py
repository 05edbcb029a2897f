"""Profiled networks of msr-fiddle/dnn-partitioning (Tarnawski et al. 2020)."""

from typing import Any

from go_gym.catalogue.instances.instance import Instance
from go_gym.catalogue.instances.reading import Source, file_name
from go_gym.catalogue.instances.workflows import with_interval
from go_gym.cluster import Cluster
from go_gym.errors import GoGymError
from go_gym.problem import Problem

GRAMMAR = "partitioning:PATH of an input .json of dnn-partitioning"
BYTE_NS = 100
"""ns that a byte takes: sizes of nodes already count tensors, so that theirs are to be small."""
MAX_DEVICES = 64


def load(name: str) -> Instance:
    """A network on its ``maxFPGAs`` accelerators of ``maxSizePerFPGA`` bytes.

    Latencies and edges' costs are milliseconds; an accelerator's latency counts, its CPUs are
    left out. A node's ``size`` is resident where it runs, a ``colorClass`` shares a device. An
    edge's cost is what moving it takes; edges of one node that cost alike are one tensor, sent
    once a device. Ports are duplex.
    """
    source = Source(name.removeprefix("partitioning:"))
    data = source.table(source.json(), "file")
    number: dict[Any, int] = {}
    times, sizes, colours = [], [], []
    classes: dict[Any, int] = {}
    for i, node in enumerate(source.rows(data.get("nodes"), "nodes")):
        key = node.get("id")
        where = f"node {key!r}"
        if not isinstance(key, int | str) or isinstance(key, bool) or key in number:
            raise source.fault(f"nodes[{i}]: id {key!r} is missing or taken")
        number[key] = i
        if not node.get("supportedOnFpga", True):
            raise source.fault(f"{where}: runs on no accelerator, which is not told here")
        times.append(source.number(node.get("fpgaLatency"), f"{where}, fpgaLatency", 1e6))
        sizes.append(source.number(node.get("size", 0), f"{where}, size"))
        colour = node.get("colorClass")
        colours.append(-1 if colour is None else classes.setdefault(str(colour), len(classes)))
    if not number:
        raise source.fault("no nodes")
    tensors: dict[tuple[int, int], int] = {}
    uses = []
    for i, edge in enumerate(source.rows(data.get("edges"), "edges")):
        ends = edge.get("sourceId"), edge.get("destId")
        if ends[0] not in number or ends[1] not in number:
            raise source.fault(f"edges[{i}]: from {ends[0]!r} to {ends[1]!r}: no such node")
        delay = source.number(edge.get("cost"), f"edges[{i}].cost", 1e6 / BYTE_NS)
        tensor = tensors.setdefault((number[ends[0]], delay), len(tensors))
        uses.append((tensor, number[ends[1]]))
    graph = source.graph(
        file_name(source.path),
        times,
        list(tensors),
        uses,
        parameter_bytes=sizes,
        colocation=colours,
        names=[str(key) for key in number],
    )
    devices, memory = data.get("maxFPGAs"), data.get("maxSizePerFPGA")
    if not isinstance(devices, int) or not 1 <= devices <= MAX_DEVICES:
        raise source.fault(f"maxFPGAs: {devices!r}, expected 1 to {MAX_DEVICES}")
    capacity = source.number(memory, "maxSizePerFPGA")
    try:
        cluster = Cluster.uniform(
            devices, 1e9 / BYTE_NS, memory=capacity, name=f"{graph.name}-on-{devices}"
        )
        problem = Problem(graph, cluster)
    except GoGymError as error:
        raise source.fault(str(error)) from None
    return with_interval(name, problem)
