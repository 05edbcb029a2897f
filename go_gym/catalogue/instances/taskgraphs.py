"""Task graphs of scheduling research: Kasahara's STG, Auckland's GXL.

One unit of time is one nanosecond; devices are equal, and nothing contends.
"""

import xml.etree.ElementTree as ET

from go_gym.baselines.bounds import tight_lower_bound_ns
from go_gym.catalogue.instances.instance import Instance
from go_gym.catalogue.instances.reading import (
    UNIT_BANDWIDTH,
    Source,
    busiest,
    file_name,
    split_devices,
)
from go_gym.cluster import Cluster
from go_gym.graph import ComputationGraph
from go_gym.problem import Problem

STG_GRAMMAR = "stg:PATH@DEVICES of a file of the Standard Task Graph Set"
GXL_GRAMMAR = "gxl:PATH@DEVICES of a .gxl file of the University of Auckland"


def on_equal_devices(
    name: str,
    graph: ComputationGraph,
    devices: int,
    source: str,
    lower: int = 0,
    upper: int | None = None,
) -> Instance:
    """A graph whose edges' bytes are delays in ns, on equal devices without contention.

    Args:
        name: of the instance.
        graph: durations in ns, an edge's delay as the bytes of its tensor.
        devices: how many.
        source: who says what is known.
        lower, upper: the interval; where none is given, our bound and one device's work.
    """
    cluster = Cluster.uniform(
        devices, UNIT_BANDWIDTH, contention="none", name=f"{graph.name}-on-{devices}"
    )
    problem = Problem(graph, cluster)
    alone = busiest(graph.durations[:, 0])
    lower = max(lower, tight_lower_bound_ns(problem))
    return Instance(name, problem, lower, alone if upper is None else upper, source)


def load_stg(name: str) -> Instance:
    """A graph of the Standard Task Graph Set (Tobita and Kasahara 2002), without communication.

    The file: the number of tasks, then a line for each with its number, its time, the number of
    its predecessors and these. Two tasks without time, the first and last, are not counted.
    """
    path, devices = split_devices(name.removeprefix("stg:"), "stg")
    source = Source(path)
    lines = source.lines()
    if not lines:
        raise source.fault("empty: expected the number of tasks")
    rows = [[source.whole(word, f"line {i}") for word in text.split()] for i, text in lines]
    tasks = rows[1:]
    if len(rows[0]) != 1 or len(tasks) not in (rows[0][0], rows[0][0] + 2):
        raise source.fault(f"{len(tasks)} lines of tasks, line {lines[0][0]} says {rows[0][0]}")
    edges = []
    for task, (row, (number, _)) in enumerate(zip(tasks, lines[1:], strict=True)):
        if len(row) < 3 or row[0] != task or len(row) != 3 + row[2]:
            raise source.fault(
                f"line {number}: expected task {task}, its time, the number of its predecessors "
                "and so many of them"
            )
        for predecessor in row[3:]:
            if predecessor >= len(tasks):
                raise source.fault(f"line {number}: no task {predecessor}")
            edges.append((predecessor, task, 0))
    graph = source.edges(file_name(source.path), [row[1] for row in tasks], edges)
    return on_equal_devices(name, graph, devices, "our bound, and the work on one device")


def load_gxl(name: str) -> Instance:
    """A graph of Auckland's collection: a weight a node, and a delay an edge.

    An edge's delay is paid between any two devices, whatever else travels (the delay model of
    Rayward-Smith 1987). Here it is a tensor of its own, of as many bytes as it takes ns, on links
    of a byte a nanosecond: an output that two edges carry is sent twice, as their weights say.
    A file of a known schedule (``Target system``, ``Total schedule length``) says the optimum
    for so many devices.
    """
    path, devices = split_devices(name.removeprefix("gxl:"), "gxl")
    source = Source(path)
    text = source.text()
    if "<!ENTITY" in text:
        raise source.fault("declares entities, which are not read")
    try:
        root = ET.fromstring(text.encode())
    except ET.ParseError as error:
        raise source.fault(f"not XML: {error}") from None
    top = root.find("graph")
    if root.tag != "gxl" or top is None:
        raise source.fault("no <graph> in a <gxl>")
    number: dict[str, int] = {}
    times = []
    for node in top.iterfind("node"):
        key = source.name(node.get("id"), "node id")
        if key in number:
            raise source.fault(f"two nodes are named {key!r}")
        number[key] = len(number)
        times.append(_weight(source, node, f"node {key!r}"))
    if not number:
        raise source.fault("no <node>")
    edges = []
    for edge in top.iterfind("edge"):
        ends = edge.get("from"), edge.get("to")
        where = f"edge from {ends[0]!r} to {ends[1]!r}"
        if ends[0] not in number or ends[1] not in number:
            raise source.fault(f"{where}: no such node")
        edges.append((number[ends[0]], number[ends[1]], _weight(source, edge, where)))
    graph = source.edges(file_name(source.path), times, edges, names=list(number))
    length = None
    if _attribute(top, "Target system") == f"Homogeneous-{devices}":
        stated = _attribute(top, "Total schedule length")
        length = None if stated is None else source.whole(stated, "Total schedule length")
    said = "our bound, and the work on one device" if length is None else str(source.path)
    return on_equal_devices(name, graph, devices, said, length or 0, length)


def _attribute(element: ET.Element, name: str) -> str | None:
    for attribute in element.iterfind("attr"):
        if attribute.get("name") == name and len(attribute):
            return (attribute[0].text or "").strip()
    return None


def _weight(source: Source, element: ET.Element, where: str) -> int:
    text = _attribute(element, "Weight")
    if text is None:
        raise source.fault(f"{where}: no attribute 'Weight'")
    return source.whole(text, f"{where}, Weight")
