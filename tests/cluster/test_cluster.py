"""Clusters, TOML, the cost model and Problem's checks."""

import numpy as np
import pytest

import go_gym
from go_gym.cluster import Cluster, Device, Link, load_cluster, preset_names
from go_gym.cluster.cost import roofline_ns
from go_gym.cluster.toml import format_cluster, parse_cluster
from go_gym.errors import ClusterError, DecisionError, GoGymError, ProblemError
from go_gym.problem import Decision, Problem

TIERS = """
name = "two racks"
contention = "duplex"
[[device]]
kind = "p100"
count = 2
host = "a"
rack = "1"
[[device]]
kind = "v100"
count = 2
host = "b"
rack = "1"
[[device]]
kind = "cpu"
host = "c"
rack = "2"
[[link]]
tier = "all"
bandwidth = 1e9
latency_ns = 300
[[link]]
tier = "rack"
bandwidth = 1e10
latency_ns = 200
[[link]]
tier = "host"
bandwidth = 1e11
latency_ns = 100
[[link]]
from = "p100:1"
to = "cpu"
bandwidth = 5e9
latency_ns = 7
"""


@pytest.mark.parametrize("name", preset_names())
def test_presets(name):
    cluster = load_cluster(name)
    assert cluster.name == name and cluster.sources
    again = parse_cluster(format_cluster(cluster))
    assert again.content_hash == cluster.content_hash


def test_the_ordered_presets_are_there():
    wanted = [
        "p100x2",
        "p100x4",
        "p100x8",
        "v100x8",
        "a100x8",
        "h100x8",
        "cpu+gpu",
        "giph",
        "placeto",
    ]
    assert set(wanted) <= set(preset_names())


def test_tiers_and_single_links():
    cluster = parse_cluster(TIERS)
    latencies = [cluster.link(a, b).latency_ns for a, b in [(0, 1), (0, 2), (0, 4), (1, 4), (4, 1)]]
    assert latencies == [100, 200, 300, 7, 300]
    assert parse_cluster(format_cluster(cluster)).content_hash == cluster.content_hash


def test_thousands_of_devices():
    rows = [f'[[device]]\nkind="v100"\nname="h{h}"\ncount=8\nhost="{h}"' for h in range(512)]
    links = ['[[link]]\ntier="all"\nbandwidth=1e9', '[[link]]\ntier="host"\nbandwidth=1e11']
    cluster = parse_cluster("\n".join(['name="big"', *rows, *links]))
    assert cluster.num_devices == 4096
    graph = go_gym.ComputationGraph.from_costs([5, 5, 5], [(0, 1000)], [(0, 1), (0, 2)])
    placed = go_gym.simulate(Problem(graph, cluster), Decision(placement=[0, 7, 4095]))
    assert placed.step_time_ns == 5 + 10 + 1000 + 5


def test_transfer_times_are_rounded_to_the_nearest_ns():
    cluster = Cluster.uniform(devices=2, bandwidth=3e9, latency=1e-6)
    assert [cluster.transfer_ns(size, 0, 1) for size in (0, 1, 2, 3, 3000)] == [
        1000, 1000, 1001, 1001, 2000,
    ]  # fmt: skip


BAD = {
    "no name": ("name = 'two racks'", "name = ''", "no name"),
    "contention": ("duplex", "chaos", "contention 'chaos'"),
    "kind": ("'v100'", "'v1000'", None),
    "unknown entry": ("rack = '2'", "shelf = '2'", "shelf"),
    "tier": ("tier = 'rack'", "tier = 'moon'", "tier 'moon'"),
    "end": ("to = 'cpu'", "to = 'tpu'", "'tpu' is no device"),
    "count": ("count = 2", "count = 0", "count 0"),
    "bandwidth": ("bandwidth = 5e9", "bandwidth = -5", "bandwidth: -5"),
    "NaN": ("bandwidth = 5e9", "bandwidth = nan", "bandwidth: nan"),
    "latency": ("latency_ns = 7", "latency_ns = 7.5", "latency_ns: 7.5"),
    "no link": ("tier = 'all'", "tier = 'host'", "no link joins"),
    "syntax": ("[[link]]", "[[link", "not TOML"),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_bad_toml_gives_one_clear_error(case):
    before, after, message = BAD[case]
    text = TIERS.replace('"', "'").replace(before, after)
    with pytest.raises(GoGymError, match=message) as error:
        parse_cluster(text, "mine.toml")
    assert "mine.toml" in str(error.value)


@pytest.mark.parametrize(
    "options",
    [
        {"devices": 0},
        {"devices": 2.5},
        {"bandwidth": 0},
        {"bandwidth": float("nan")},
        {"latency": -1},
        {"memory": -1},
        {"memory": 1.5},
        {"contention": "some"},
    ],
    ids=str,
)
def test_bad_uniform(options):
    with pytest.raises(ClusterError):
        Cluster.uniform(**{"devices": 2, "bandwidth": 1e9, **options})


def graph(**columns):
    n = len(next(iter(columns.values())))
    return go_gym.ComputationGraph.from_arrays("g", num_ops=n, tensors=[], uses=[], **columns)


def test_roofline_by_hand():
    """P100: 9.3 TFLOP/s, 732 GB/s, 5.7 µs to launch; free ops cost nothing."""
    (p100, *_) = load_cluster("p100x2").devices
    made = graph(
        flops=[93_000_000, 93_000_000, 0, 0],
        bytes_read=[0, 0, 732_000, 0],
        dtypes=["float32", "float64", "float32", "float32"],
    )
    assert roofline_ns(made, p100).tolist() == [15_700, 5_700 + 19_788, 6_700, 0]


def test_measured_durations_come_first():
    made = graph(durations=[[5, -1], [-1, 9]], duration_kinds=["p100", "cpu"], flops=[0, 93_000])
    problem = Problem(made, load_cluster("cpu+gpu"))
    assert problem.durations_on(1).tolist() == [5, 5710]
    assert problem.durations_on(0)[1] == 9


def test_columns_by_device_must_fit_the_cluster():
    made = go_gym.ComputationGraph.from_costs([[1, 2, 3]], [], [])
    with pytest.raises(ProblemError, match="3 devices"):
        Problem(made, load_cluster("p100x2"))


def test_sums_that_could_overflow_are_refused():
    made = go_gym.ComputationGraph.from_costs([10**15] * 3000, [], [])
    with pytest.raises(ProblemError, match="64-bit"):
        Problem(made, load_cluster("p100x2"))


@pytest.mark.parametrize(
    ("placement", "priority", "message"),
    [
        ([0], None, "1 entries for 2 ops"),
        ([0, 2], None, "placement.1.: op 'op1' on device 2"),
        ([0, -1], None, "placement.1."),
        ([0.0, 1.0], None, "dtype float64"),
        ([[0, 1]], None, "shape"),
        ([], None, "shape"),
        (["a", "b"], None, "dtype"),
        ([0, 1], [1], "priority: 1 entries"),
        ([0, 1], [1.5, 2], "priority: dtype"),
        ([True, False], None, "dtype bool"),
    ],
)
def test_bad_decisions(placement, priority, message):
    made = go_gym.ComputationGraph.from_costs([1, 1], [], [])
    problem = Problem(made, load_cluster("p100x2"))
    with pytest.raises(DecisionError, match=message):
        go_gym.simulate(problem, Decision(placement=placement, priority=priority))


def test_from_matrix():
    devices = [Device(f"d{i}", "k", {"float32": 1e12}, 1e12, 10) for i in range(2)]
    cluster = Cluster.from_matrix("m", devices, np.full((2, 2), 2e9), np.array([[0, 3], [4, 0]]))
    assert cluster.link(0, 1) == Link(2e9, 3) and cluster.link(1, 0) == Link(2e9, 4)
    with pytest.raises(ClusterError, match="expected"):
        Cluster.from_matrix("m", devices, np.ones((3, 3)), np.zeros((2, 2)))


def test_hash_goes_by_the_link_of_each_pair_not_by_how_links_are_numbered():
    devices = Cluster.uniform(devices=2, bandwidth=1).devices
    forth, back, unused = Link(1, 0), Link(2, 5), Link(3, 0)
    links_of = np.array([[0, 0], [1, 0]])
    one = Cluster("one", devices, (forth, back), links_of, "none")
    same = Cluster("same", devices, (back, unused, forth), np.array([[1, 2], [0, 1]]), "none")
    assert same.content_hash == one.content_hash
    assert parse_cluster(format_cluster(same)).content_hash == one.content_hash
    swapped = Cluster("swapped", devices, (back, forth), links_of, "none")
    assert swapped.content_hash != one.content_hash


@pytest.mark.parametrize("bandwidth", [10**400, 1e-300, float("nan"), float("inf"), True])
def test_absurd_rates_are_refused(bandwidth):
    with pytest.raises(ClusterError, match="bandwidth"):
        Cluster.uniform(devices=2, bandwidth=bandwidth)
    with pytest.raises(ClusterError, match="latency"):
        Cluster.uniform(devices=2, bandwidth=1e9, latency=10**400)
