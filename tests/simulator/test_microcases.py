"""Small cases with answers from independent simulators, or worked out by hand."""

import pytest

import go_gym
from go_gym.cluster import CONTENTION_MODELS
from go_gym.simulator import simulate_reference

SIMULATORS = (go_gym.simulate, simulate_reference)


def run(simulate, durations, tensors, uses, placement, contention, devices=4, **cluster):
    """(starts, step time) with a bandwidth of one byte a nanosecond."""
    graph = go_gym.ComputationGraph.from_costs(durations, tensors, uses)
    problem = go_gym.Problem(
        graph,
        go_gym.Cluster.uniform(devices=devices, bandwidth=1e9, contention=contention, **cluster),
    )
    result = simulate(problem, go_gym.Decision(placement=placement), trace=True)
    return result.trace.op_start.tolist(), result.step_time_ns


# durations, tensors, uses, placement → starts, makespan: the same under no contention and with an
# egress queue a source (measured on GiPH's and Placeto's simulators)
CASES = {
    "chain across": ([10, 10], [(0, 1)], [(0, 1)], [0, 1], [0, 11], 21),
    "chain on one device": ([10, 10], [(0, 1)], [(0, 1)], [0, 0], [0, 10], 20),
    "one tensor to three devices": (
        [10] * 4, [(0, 10)], [(0, 1), (0, 2), (0, 3)], [0, 1, 2, 3], [0, 20, 20, 20], 30,
    ),
    "one tensor to two ops of a device": (
        [10] * 3, [(0, 10)], [(0, 1), (0, 2)], [0, 1, 1], [0, 20, 30], 40,
    ),
    "two sources to one device": (
        [10, 10, 1, 1], [(0, 10), (1, 10)], [(0, 2), (1, 3)], [0, 1, 2, 2], [0, 0, 20, 21], 22,
    ),
    "two devices swap": (
        [10, 10, 1, 1], [(0, 10), (1, 10)], [(0, 2), (1, 3)], [0, 1, 1, 0], [0, 0, 20, 20], 21,
    ),
    "the early one does not wait": (
        [100, 1, 1, 1], [(0, 10), (1, 10)], [(0, 2), (1, 3)], [0, 1, 2, 2], [0, 0, 110, 11], 111,
    ),
}  # fmt: skip


@pytest.mark.parametrize("simulate", SIMULATORS)
@pytest.mark.parametrize("contention", ["none", "egress"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_independent_simulators(case, contention, simulate):
    durations, tensors, uses, placement, starts, makespan = CASES[case]
    assert run(simulate, durations, tensors, uses, placement, contention) == (starts, makespan)


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_duplex_sends_copies_one_after_the_other(simulate):
    starts, makespan = run(
        simulate, [10] * 4, [(0, 10)], [(0, 1), (0, 2), (0, 3)], [0, 1, 2, 3], "duplex"
    )
    assert (starts, makespan) == ([0, 20, 30, 40], 50)


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_duplex_incoming_port_serves_the_earliest_request(simulate):
    """Devices 0 (at 10) and 1 (at 5) both send to 2: the earlier request goes first."""
    starts, makespan = run(
        simulate,
        [10, 5, 1, 1],
        [(0, 10), (1, 10)],
        [(0, 2), (1, 3)],
        [0, 1, 2, 2],
        "duplex",
    )
    assert (starts, makespan) == ([0, 0, 25, 15], 26)


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_duplex_nothing_overtakes_the_head_of_a_queue(simulate):
    """Device 0 sends to 2, which is taken by 1 until 105; its tensor for 3 waits behind."""
    durations = [5, 10, 1, 1, 1]
    tensors = [(0, 100), (1, 10), (1, 10)]
    uses = [(0, 2), (1, 3), (2, 4)]
    starts, makespan = run(simulate, durations, tensors, uses, [1, 0, 2, 2, 3], "duplex")
    assert (starts, makespan) == ([0, 0, 105, 115, 125], 126)
    starts, makespan = run(simulate, durations, tensors, uses, [1, 0, 2, 2, 3], "link")
    assert (starts, makespan) == ([0, 0, 105, 20, 20], 106)


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_latency_is_added_to_every_transfer(simulate):
    starts, _ = run(simulate, [10, 10], [(0, 7)], [(0, 1)], [0, 1], "duplex", latency=5e-9)
    assert starts == [0, 22]


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_ready_queue(simulate):
    """FIFO by ready time, ties by lowest op; with priorities the highest first."""
    graph = go_gym.ComputationGraph.from_costs([4, 3, 2, 1], [], [])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=1, bandwidth=1e9))
    fifo = simulate(problem, go_gym.Decision(placement=[0] * 4), trace=True)
    assert fifo.trace.op_start.tolist() == [0, 4, 7, 9]
    levels = go_gym.Decision(placement=[0] * 4, priority=[0, 5, 5, 9])
    assert simulate(problem, levels, trace=True).trace.op_start.tolist() == [6, 1, 4, 0]


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_durations_by_device(simulate):
    graph = go_gym.ComputationGraph.from_costs([[3, 7], [5, 2]], [(0, 0)], [(0, 1)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
    times = [
        simulate(problem, go_gym.Decision(placement=[a, b])).step_time_ns
        for a in range(2)
        for b in range(2)
    ]
    assert times == [8, 5, 12, 9]


def memory(simulate, placement, capacity=None, **graph):
    made = go_gym.ComputationGraph.from_costs(**graph)
    cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, memory=capacity)
    return simulate(go_gym.Problem(made, cluster), go_gym.Decision(placement=placement))


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_memory_of_outputs_copies_and_parameters(simulate):
    """A (5 B) feeds B; A's output dies when B ends, B's output (3 B) has no user."""
    graph = {"durations": [10, 10], "tensors": [(0, 5), (1, 3)], "uses": [(0, 1)]}
    both = memory(simulate, [0, 0], **graph)
    assert both.peak_memory.tolist() == [8, 0] and both.bytes_moved == 0
    across = memory(simulate, [0, 1], parameter_bytes=[100, 1000], **graph)
    assert across.peak_memory.tolist() == [105, 1008] and across.bytes_moved == 5


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_views_take_no_memory_and_keep_what_they_view(simulate):
    """0 → view 1 → 2, then 3 makes 50 B once 2 has ended and the storage is free."""
    graph = {
        "durations": [10, 0, 10, 10],
        "tensors": [(0, 40), (1, 40), (2, 1), (3, 50)],
        "uses": [(0, 1), (1, 2), (2, 3)],
    }
    assert memory(simulate, [0] * 4, aliases=[-1, 0, -1, -1], **graph).peak_memory[0] == 51
    assert memory(simulate, [0] * 4, **graph).peak_memory[0] == 51, "the storages change over"
    moved = memory(simulate, [0, 0, 1, 1], aliases=[-1, 0, -1, -1], **graph)
    assert moved.peak_memory.tolist() == [40, 51]


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_out_of_memory_names_device_and_time(simulate):
    graph = {"durations": [10, 10], "tensors": [(0, 5), (1, 3)], "uses": [(0, 1)]}
    assert memory(simulate, [1, 1], capacity=8, **graph).valid
    result = memory(simulate, [1, 1], capacity=7, **graph)
    assert not result.valid
    assert result.reason == "out of memory on device 1 (device1) at 10 ns"
    assert result.step_time_ns == 20


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_broken_colocation_is_named_before_memory(simulate):
    graph = {"durations": [1, 1], "tensors": [(0, 99)], "uses": [], "colocation": [4, 4]}
    result = memory(simulate, [0, 1], capacity=1, names=["weight", "update"], **graph)
    assert "co-location" in result.reason and "'update'" in result.reason


# -- what takes no time


@pytest.mark.parametrize("simulate", SIMULATORS)
@pytest.mark.parametrize("priority", [None, [0, 0, 1, 0]])
def test_a_view_does_not_queue(simulate, priority):
    """A makes 8 bytes, L runs for 100 ns; the view of A's is there at 1, and X on device 1 at 2."""
    graph = go_gym.ComputationGraph.from_costs(
        [1, 100, 0, 1], [(0, 8), (2, 8)], [(0, 2), (1, 3)], aliases=[-1, 0]
    )
    cluster = go_gym.Cluster.uniform(devices=2, bandwidth=8e9, contention="none")
    decision = go_gym.Decision([0, 0, 0, 1], priority)
    result = simulate(go_gym.Problem(graph, cluster), decision, trace=True)
    assert result.trace.op_start.tolist() == [0, 1, 1, 2] and result.step_time_ns == 101
    assert result.trace.op_finish.tolist() == [1, 101, 1, 3]


@pytest.mark.parametrize("simulate", SIMULATORS)
@pytest.mark.parametrize("contention", CONTENTION_MODELS)
def test_what_needs_no_time_arrives_before_devices_start(simulate, contention):
    """List scheduling: X, of the highest priority, starts at 1, as its input from A is there."""
    graph = go_gym.ComputationGraph.from_costs(
        [1, 1, 5, 1, 5], [(0, 0), (1, 0), (2, 0)], [(0, 2), (1, 3), (2, 4)]
    )
    cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, contention=contention)
    decision = go_gym.Decision([0, 1, 1, 1, 0], priority=[0, 0, 9, 0, 0])
    result = simulate(go_gym.Problem(graph, cluster), decision, trace=True)
    assert result.trace.op_start.tolist() == [0, 0, 1, 6, 6] and result.step_time_ns == 11
    graph = go_gym.ComputationGraph.from_costs(
        [2, 3, 1, 3], [(0, 0), (0, 0), (1, 0)], [(0, 1), (1, 2), (2, 3)]
    )
    decision = go_gym.Decision([0, 1, 1, 0], priority=[0, 0, 1, 0])
    result = simulate(go_gym.Problem(graph, cluster), decision, trace=True)
    assert result.trace.op_start.tolist() == [0, 3, 2, 6] and result.step_time_ns == 9


@pytest.mark.parametrize("simulate", SIMULATORS)
@pytest.mark.parametrize("contention", CONTENTION_MODELS)
def test_what_needs_no_time_waits_for_no_port(simulate, contention):
    """B's 0 bytes for D are there at 2, while A's 100 bytes leave the same port until 101."""
    graph = go_gym.ComputationGraph.from_costs([1, 1, 1, 1], [(0, 100), (1, 0)], [(0, 2), (1, 3)])
    cluster = go_gym.Cluster.uniform(devices=2, bandwidth=1e9, contention=contention)
    decision = go_gym.Decision([0, 0, 1, 1])
    result = simulate(go_gym.Problem(graph, cluster), decision, trace=True)
    assert result.trace.op_start.tolist() == [0, 1, 101, 2]


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_views_elsewhere_than_what_they_show(simulate):
    """A's 4 bytes go to the view on device 1 (1–5), the view's back to B on device 0 (5–9)."""
    graph = go_gym.ComputationGraph.from_costs(
        [1, 0, 0, 1, 1], [(0, 4), (1, 4), (2, 4)], [(0, 1), (1, 2), (1, 3), (2, 4)],
        aliases=[-1, 0, 1],
    )  # fmt: skip
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
    result = simulate(problem, go_gym.Decision([0, 1, 1, 0, 1]), trace=True)
    assert result.trace.op_start.tolist() == [0, 5, 5, 9, 5] and result.step_time_ns == 10
    assert result.bytes_moved == 8 and result.peak_memory.tolist() == [4, 4]


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_an_op_that_takes_no_time_on_one_device_queues_on_the_other(simulate):
    graph = go_gym.ComputationGraph.from_costs([[3, 3], [0, 2], [5, 5]], [(0, 0)], [(0, 1)])
    problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
    fast = simulate(problem, go_gym.Decision([0, 0, 0]), trace=True)
    assert fast.trace.op_start.tolist() == [0, 3, 3] and fast.step_time_ns == 8
    slow = simulate(problem, go_gym.Decision([1, 1, 1]), trace=True)
    assert slow.trace.op_start.tolist() == [0, 8, 3] and slow.busy_ns.tolist() == [0, 10]


# -- what outlives the step


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_results_of_the_step_stay_to_its_end(simulate):
    """A's 5 bytes are held, for nothing that runs, while B makes 3 and C 7."""
    graph = {
        "durations": [10, 10, 10],
        "tensors": [(0, 5), (0, 1), (1, 3), (2, 7)],
        "uses": [(1, 1), (2, 2)],
    }
    gone = memory(simulate, [0] * 3, **graph)
    assert gone.peak_memory[0] == 10
    held = memory(simulate, [0] * 3, outlives=[1, 0, 0, 0], **graph)
    assert held.peak_memory[0] == 15
    in_place = memory(simulate, [0] * 3, outlives=[0, 0, 0, 2], **graph)
    assert in_place.peak_memory[0] == 6, "C writes over what is resident: A's alone count"
    away = memory(simulate, [0, 1, 1], outlives=[0, 1, 0, 0], **graph)
    assert away.peak_memory.tolist() == [6, 10], "the copy goes when B has run"


@pytest.mark.parametrize("simulate", SIMULATORS)
def test_a_view_that_outlives_the_step_holds_its_storage(simulate):
    graph = {
        "durations": [10, 0, 10, 10],
        "tensors": [(0, 40), (1, 40), (2, 1), (3, 50)],
        "uses": [(0, 1), (1, 2), (2, 3)],
        "aliases": [-1, 0, -1, -1],
    }
    assert memory(simulate, [0] * 4, **graph).peak_memory[0] == 51
    assert memory(simulate, [0] * 4, outlives=[0, 1, 0, 0], **graph).peak_memory[0] == 91
