"""Workflows: the JSON of WfCommons (measured runs) and of DAGBench (tasks and a network)."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from go_gym.baselines.bounds import tight_lower_bound_ns
from go_gym.baselines.placements import single_device
from go_gym.catalogue.instances.instance import Instance
from go_gym.catalogue.instances.reading import Source, file_name, split_devices
from go_gym.cluster import Cluster, Device
from go_gym.cluster.model import UNLIMITED_MEMORY
from go_gym.errors import GoGymError
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate

WFCOMMONS_GRAMMAR = "wfcommons:PATH@DEVICES of a .json of WfFormat 1.0 to 1.5"
DAGBENCH_GRAMMAR = "dagbench:PATH of a graph.json of DAGBench"
BANDWIDTH, LATENCY = 1.25e9, 1e-4
"""Between the machines of a workflow, bytes/s and seconds (our choice: 10 Gb/s Ethernet)."""
UNIT_NS = 1_000_000
"""What DAGBench's unit of time is here, so that fractions of it count."""
OURS = "our bound, and one device alone"


def with_interval(name: str, problem: Problem) -> Instance:
    """An instance of which nobody says more than our bound, and what one device takes."""
    alone = Decision(single_device(problem))
    result = simulate(problem, alone)
    upper = result.step_time_ns if result.valid else None
    return Instance(
        name, problem, tight_lower_bound_ns(problem), upper, OURS, alone if result.valid else None
    )


def load_wfcommons(name: str) -> Instance:
    """A run that WfCommons recorded (Coleman et al. 2022), on equal machines.

    A task takes its recorded runtime, a file that a task writes and others read is a tensor; a
    parent that shares no file with its child is an edge without bytes.
    """
    path, devices = split_devices(name.removeprefix("wfcommons:"), "wfcommons")
    source = Source(path)
    flow = source.table(source.table(source.json(), "file").get("workflow"), "workflow")
    if "specification" in flow:
        tasks, runtime, files = _recent(source, flow)
    else:
        tasks, runtime, files = _former(source, flow)
    number = {key: i for i, key in enumerate(tasks)}
    tensors: list[tuple[int, int]] = []
    uses: list[tuple[int, int]] = []
    made: dict[str, int] = {}
    for key, task in tasks.items():
        for file in task["outputs"]:
            if file in made:
                raise source.fault(f"task {key!r}: file {file!r} has another writer")
            made[file] = len(tensors)
            tensors.append((number[key], files.get(file, 0)))
    for key, task in tasks.items():
        read = [made[file] for file in task["inputs"] if file in made]
        uses += [(tensor, number[key]) for tensor in read if tensors[tensor][0] != number[key]]
        sources = {tensors[tensor][0] for tensor in read}
        for parent in task["parents"]:
            if parent not in number:
                raise source.fault(f"task {key!r}: no parent {parent!r}")
            if number[parent] not in sources:
                uses.append((len(tensors), number[key]))
                tensors.append((number[parent], 0))
    times = [runtime.get(key, 0) for key in tasks]
    graph = source.graph(file_name(source.path), times, tensors, uses, names=list(tasks))
    cluster = Cluster.uniform(devices, BANDWIDTH, LATENCY, name=f"{graph.name}-on-{devices}")
    return with_interval(name, _problem(source, graph, cluster))


Tasks = dict[str, dict[str, list[str]]]


def _recent(
    source: Source, flow: Mapping[str, Any]
) -> tuple[Tasks, dict[str, int], dict[str, int]]:
    """WfFormat 1.5: tasks and files under ``specification``, runtimes under ``execution``."""
    said = source.table(flow["specification"], "specification")
    files = {}
    for i, row in enumerate(source.rows(said.get("files", []), "files")):
        key = source.name(row.get("id"), f"files[{i}].id")
        files[key] = source.number(row.get("sizeInBytes"), f"file {key!r}, sizeInBytes")
    tasks: Tasks = {}
    for i, row in enumerate(source.rows(said.get("tasks"), "specification.tasks")):
        key = source.name(row.get("id", row.get("name")), f"tasks[{i}].id")
        _new(source, tasks, key)
        columns = (("inputs", "inputFiles"), ("outputs", "outputFiles"), ("parents", "parents"))
        tasks[key] = {
            ours: [source.name(each, f"task {key!r}, {theirs}") for each in row.get(theirs) or []]
            for ours, theirs in columns
        }
    runtime = {}
    execution = source.table(flow.get("execution", {}), "execution")
    for i, row in enumerate(source.rows(execution.get("tasks"), "execution.tasks")):
        key = source.name(row.get("id"), f"execution.tasks[{i}].id")
        if key not in tasks:
            raise source.fault(f"execution.tasks[{i}]: no task {key!r}")
        seconds = row.get("runtimeInSeconds")
        runtime[key] = source.number(seconds, f"task {key!r}, runtimeInSeconds", 1e9)
    absent = next((key for key in tasks if key not in runtime), None)
    if absent is not None:
        raise source.fault(f"task {absent!r}: no runtimeInSeconds under execution")
    return tasks, runtime, files


def _former(
    source: Source, flow: Mapping[str, Any]
) -> tuple[Tasks, dict[str, int], dict[str, int]]:
    """WfFormat 1.0 to 1.4: all of a task in one place, its files with ``link`` input or output."""
    tasks: Tasks = {}
    runtime: dict[str, int] = {}
    files: dict[str, int] = {}
    names: dict[str, str] = {}
    for i, row in enumerate(source.rows(flow.get("tasks", flow.get("jobs")), "workflow.tasks")):
        key = source.name(row.get("id", row.get("name")), f"tasks[{i}].name")
        _new(source, tasks, key)
        names[source.name(row.get("name", key), f"tasks[{i}].name")] = key
        columns: dict[str, list[str]] = {"inputs": [], "outputs": []}
        for file in source.rows(row.get("files", []), f"task {key!r}, files"):
            label = source.name(file.get("id", file.get("name")), f"task {key!r}, file name")
            link = file.get("link")
            if link not in ("input", "output"):
                raise source.fault(f"task {key!r}, file {label!r}: link {link!r}")
            columns[f"{link}s"].append(label)
            size = file.get("sizeInBytes", file.get("size"))
            files[label] = source.number(size, f"task {key!r}, file {label!r}, size")
        parents = [source.name(each, f"task {key!r}, parents") for each in row.get("parents") or []]
        tasks[key] = {**columns, "parents": parents}
        seconds = row.get("runtimeInSeconds", row.get("runtime"))
        runtime[key] = source.number(seconds, f"task {key!r}, runtime", 1e9)
    for task in tasks.values():
        task["parents"] = [names.get(each, each) for each in task["parents"]]
    return tasks, runtime, files


def _new(source: Source, tasks: Tasks, key: str) -> None:
    if key in tasks:
        raise source.fault(f"two tasks are named {key!r}")


def load_dagbench(name: str) -> Instance:
    """A task graph and a network of DAGBench, in the related-machines model of SAGA.

    A task takes cost / speed of the node, a dependency size / speed of the link, without
    contention; a unit of time is a millisecond. Of links that are not given: no instance.
    """
    source = Source(name.removeprefix("dagbench:"))
    data = source.table(source.json(), "file")
    tasks = source.table(data.get("task_graph"), "task_graph")
    network = source.table(data.get("network"), "network")
    nodes: dict[str, float] = {}
    for i, row in enumerate(source.rows(network.get("nodes"), "network.nodes")):
        nodes[source.name(row.get("name"), f"nodes[{i}].name")] = _speed(source, row, f"nodes[{i}]")
    slot = {key: i for i, key in enumerate(nodes)}
    speeds = np.zeros((len(nodes), len(nodes)))
    for i, row in enumerate(source.rows(network.get("edges"), "network.edges")):
        a, b = (row.get("source"), row.get("target"))
        if a not in slot or b not in slot:
            raise source.fault(f"network.edges[{i}]: from {a!r} to {b!r}: no such node")
        if a != b:
            speeds[slot[a], slot[b]] = speeds[slot[b], slot[a]] = _speed(
                source, row, f"network.edges[{i}]"
            )
    apart = np.argwhere((speeds == 0) & ~np.eye(len(nodes), dtype=bool))
    if len(apart):
        a, b = (list(nodes)[i] for i in apart[0])
        raise source.fault(f"no link joins node {a!r} to {b!r}")
    number: dict[str, int] = {}
    costs = []
    for i, row in enumerate(source.rows(tasks.get("tasks"), "task_graph.tasks")):
        key = source.name(row.get("name"), f"tasks[{i}].name")
        if key in number:
            raise source.fault(f"two tasks are named {key!r}")
        number[key] = len(number)
        source.number(row.get("cost"), f"task {key!r}, cost", UNIT_NS)
        costs.append(float(row["cost"]))
    if not nodes or not number:
        raise source.fault("no tasks, or no nodes")
    edges = []
    for i, row in enumerate(source.rows(tasks.get("dependencies"), "task_graph.dependencies")):
        a, b = row.get("source"), row.get("target")
        if a not in number or b not in number:
            raise source.fault(f"dependencies[{i}]: from {a!r} to {b!r}: no such task")
        size = source.number(row.get("size"), f"dependencies[{i}].size", UNIT_NS)
        edges.append((number[a], number[b], size))
    rate = np.array(list(nodes.values()))
    durations = np.rint(np.array(costs)[:, None] / rate * UNIT_NS)
    graph = source.edges(_graph_name(source, data), durations.tolist(), edges, names=list(number))
    devices = [
        Device(key, "node", {"float32": 1e9 * speed}, 1e12, UNLIMITED_MEMORY)
        for key, speed in nodes.items()
    ]
    np.fill_diagonal(speeds, 1.0)
    try:
        cluster = Cluster.from_matrix(
            f"{graph.name}-network", devices, speeds * 1e9, np.zeros(speeds.shape), "none"
        )
    except GoGymError as error:
        raise source.fault(str(error)) from None
    return with_interval(name, _problem(source, graph, cluster))


def _graph_name(source: Source, data: Mapping[str, Any]) -> str:
    given = source.name(data.get("name", file_name(source.path)), "name")
    return "".join(c if c.isalnum() or c in "-_.+" else "-" for c in given).lstrip(".") or "graph"


def _speed(source: Source, row: Mapping[str, Any], where: str) -> float:
    speed = row.get("speed")
    if not isinstance(speed, int | float) or isinstance(speed, bool) or not 1e-9 < speed < 1e12:
        raise source.fault(f"{where}: speed {speed!r}, expected a number above 0")
    return float(speed)


def _problem(source: Source, graph: Any, cluster: Cluster) -> Problem:
    try:
        return Problem(graph, cluster)
    except GoGymError as error:
        raise source.fault(str(error)) from None
