"""The parts of the jitted list schedulers, each against plain Python."""

import heapq
import itertools

import numpy as np
import pytest
from go_agents.heuristics import etf_kernel, kernels
from go_agents.heuristics.arrays import cost_arrays, graph_arrays
from go_agents.heuristics.kernels import Case, new_copies, new_plan, new_timelines, ports_of
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

import go_gym
from go_gym.errors import AgentError
from go_gym.partitions import colocation_partition
from tests.agents.heuristics.test_list_scheduling import SEEDS, costly_problem

END = 200  # ns that the plain timelines look at


# Python can call what is compiled here, not what is made to be inlined


@njit
def fit(timelines, line, earliest, length):
    return kernels.fit(timelines, line, earliest, length)


@njit
def fit_both(timelines, line, other, earliest, length):
    return kernels.fit_both(timelines, line, other, earliest, length)


@njit
def book(timelines, line, start, length):
    kernels.book(timelines, line, start, length)


@njit
def copy_arrival(copies, tensor, device):
    return kernels.copy_arrival(copies, tensor, device)


@njit
def add_copy(copies, tensor, device, start, arrival):
    kernels.add_copy(copies, tensor, device, start, arrival)


@njit
def try_device(case, plan, op, device):
    return kernels.try_device(case, plan, op, kernels.placed_inputs(case, plan, op), device)


@njit
def commit_device(case, plan, op, device):
    kernels.commit_device(case, plan, op, kernels.placed_inputs(case, plan, op), device)


@njit
def push(heaps, heap, device, key, op):
    etf_kernel.push(heaps, heap, device, key, op)


@njit
def pop(heaps, heap, device):
    return etf_kernel.pop(heaps, heap, device)


@njit
def wait(put_off, device, urgent, op):
    etf_kernel.wait(put_off, device, urgent, op)


@njit
def recall(heaps, put_off, device, time):
    etf_kernel.recall(heaps, put_off, device, time)


def plain_fit(busy: np.ndarray, earliest: int, length: int) -> int:
    """The first time from which no ns of ``busy`` (END,) bool is taken for ``length``."""
    return next(at for at in range(earliest, END) if not busy[at : at + length].any())


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(1, 4)), min_size=1, max_size=30
    )
)
def test_timelines_are_free_where_nothing_was_booked(requests):
    timelines = new_timelines(3, len(requests))
    busy = np.zeros((3, END), dtype=bool)
    for line, earliest, length in requests:
        other = (line + 1) % 3
        start = fit(timelines, line, earliest, length)
        assert start == plain_fit(busy[line], earliest, length)
        both = fit_both(timelines, line, other, earliest, length)
        assert both == plain_fit(busy[line] | busy[other], earliest, length)
        assert fit_both(timelines, line, line, earliest, length) == start
        book(timelines, line, start, length)
        busy[line, start : start + length] = True
        booked = timelines.used[0]
        book(timelines, line, start, 0)
        book(timelines, other, start, 0)
        assert timelines.used[0] == booked


@pytest.mark.parametrize("bookings", [1, 3, 4, 5, 100, 1000])
def test_a_timeline_of_many_gaps_stays_in_the_pool(bookings):
    timelines = new_timelines(1, bookings)
    for index in range(bookings):
        book(timelines, 0, 3 * index + 1, 1)
    assert timelines.stretches[0]["gaps"] == bookings + 1
    assert timelines.used[0] <= len(timelines.gap_start)
    assert fit(timelines, 0, 0, 3) == 3 * bookings - 1
    assert fit(timelines, 0, 0, 2) == (2 if bookings > 1 else 2 * bookings)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 99)),
        max_size=16,
        unique_by=lambda sent: sent[:2],
    )
)
def test_copies_are_found_where_they_were_sent(sent):
    copies = new_copies(4, len(sent))
    expected = {}
    for tensor, device, arrival in sent:
        add_copy(copies, tensor, device, arrival - 1, arrival)
        expected[tensor, device] = arrival
        newest = copies.entries[copies.newest[tensor]]
        assert (newest["device"], newest["start"], newest["arrival"]) == (
            device,
            arrival - 1,
            arrival,
        )
    for key in itertools.product(range(4), range(4)):
        assert copy_arrival(copies, *key) == expected.get(key, -1)


def test_contention_models_say_which_ports_a_transfer_occupies():
    """From device 0 to 1, and back; timelines 0 and 1 are the devices'."""

    def both_ways(contention):
        ports = ports_of(contention, 2)
        lines = ports.lines[[0, 1], [1, 0]].tolist()
        return lines, ports.total, ports.multicast

    assert both_ways("none") == ([[-1, -1], [-1, -1]], 0, False)
    assert both_ways("link") == ([[3, 3], [4, 4]], 4, False)
    assert both_ways("egress") == ([[2, 2], [3, 3]], 2, True)
    assert both_ways("duplex") == ([[2, 5], [3, 4]], 4, False)
    with pytest.raises(AgentError, match="no contention model 'bus'"):
        ports_of("bus", 2)


def new_case(problem: go_gym.Problem) -> Case:
    """``problem`` with its own contention model."""
    ports = ports_of(problem.cluster.contention, problem.num_devices)
    groups = colocation_partition(problem).part_of
    return Case(groups, graph_arrays(problem), cost_arrays(problem), ports)


def snapshot(plan: kernels.PartialSchedule) -> bytes:
    """All that is decided and booked in ``plan``."""
    used = plan.timelines.used[0]
    booked = (plan.timelines.stretches, plan.timelines.gap_start[:used])
    booked += (plan.timelines.gap_end[:used], plan.copies.newest, plan.copies.total)
    columns = (plan.device_of, plan.start, plan.finish, *booked)
    return b"".join(column.tobytes() for column in columns)


@pytest.mark.parametrize("contention", go_gym.cluster.CONTENTION_MODELS)
@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_a_trial_books_nothing_and_a_commitment_what_was_tried(contention, seed):
    problem = costly_problem(seed, contention)
    rng = np.random.default_rng(seed)
    case = new_case(problem)
    plan = new_plan(case, np.full(problem.num_ops, -1))
    for op in range(problem.num_ops):
        device = int(rng.integers(problem.num_devices))
        before = snapshot(plan)
        finish, taken = try_device(case, plan, op, device)
        assert snapshot(plan) == before
        sent = plan.copies.total[0]
        commit_device(case, plan, op, device)
        plan.device_of[case.group_of[op]] = device
        new = plan.copies.entries[sent : plan.copies.total[0]]
        if len(new) <= 1:  # more are tried one after the other, and may fit in older gaps
            assert plan.finish[op] == finish
        if contention in ("link", "duplex"):
            assert taken == (new["arrival"] - new["start"]).sum()
        if contention == "none":
            assert taken == 0


@pytest.mark.parametrize("contention", ["link", "egress", "duplex"])
@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_transfers_take_turns_at_their_ports(contention, seed):
    problem = costly_problem(seed, contention)
    graph = problem.graph
    rng = np.random.default_rng(seed)
    case = new_case(problem)
    plan = new_plan(case, np.full(problem.num_ops, -1))
    for op in range(problem.num_ops):
        device = int(rng.integers(problem.num_devices))
        commit_device(case, plan, op, device)
        plan.device_of[case.group_of[op]] = device
    turns = {}
    for tensor, producer in enumerate(graph.tensor_producer.tolist()):
        source = int(plan.device_of[case.group_of[producer]])
        copy = plan.copies.newest[tensor]
        while copy >= 0:
            entry = plan.copies.entries[copy]
            target, span = int(entry["device"]), (int(entry["start"]), int(entry["arrival"]))
            assert span[0] >= plan.finish[producer]
            copy = entry["next"]
            if contention == "egress" and copy >= 0:  # the first one sent serves all
                continue
            for port in {
                "link": [(source, target)],
                "egress": [source],
                "duplex": [("out", source), ("in", target)],
            }[contention]:
                turns.setdefault(port, []).append(span)
    for spans in turns.values():
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(sorted(spans)))


@settings(deadline=None)
@given(st.lists(st.none() | st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=40))
def test_heaps_give_the_least_first(steps):
    """None takes one out, a pair puts one in; the heaps beside it stay empty."""
    heaps = etf_kernel.new_heaps(2, len(steps))
    expected: list[tuple[int, int]] = []
    for step in steps:
        if step is not None:
            push(heaps, 1, 0, *step)
            heapq.heappush(expected, step)
        elif expected:
            assert pop(heaps, 1, 0) == heapq.heappop(expected)[1]
        assert heaps.sizes.tolist() == [[0, 0], [len(expected), 0]]
    while expected:
        assert pop(heaps, 1, 0) == heapq.heappop(expected)[1]


def test_ops_put_off_come_back_at_the_given_time():
    heaps, put_off = etf_kernel.new_heaps(2, 4), etf_kernel.new_put_off(2, 4)
    for op, urgent in ((3, 50), (1, 40), (2, 60)):
        wait(put_off, 1, urgent, op)
    assert put_off.counts.tolist() == [0, 3]
    assert put_off.wake.tolist() == [etf_kernel.FOREVER, 40]
    recall(heaps, put_off, 1, 45)
    assert put_off.counts.tolist() == [0, 0]
    assert put_off.wake.tolist() == [etf_kernel.FOREVER] * 2
    assert heaps.keys[etf_kernel.COMING, 1, :3].tolist() == [45] * 3
    assert [pop(heaps, etf_kernel.COMING, 1) for _ in range(3)] == [1, 2, 3]
