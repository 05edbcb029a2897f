"""What must hold of every simulation, recomputed from the graph and the trace alone."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.cluster import CONTENTION_MODELS
from go_gym.simulator import simulate, simulate_reference
from tests.strategies import decisions, graphs, problems

MANY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MODELS = pytest.mark.parametrize("contention", CONTENTION_MODELS)
AMPLE = 2**40


def inputs_of(graph):
    """For each op, its input tensors, from the uses alone."""
    inputs = [[] for _ in range(graph.num_ops)]
    for tensor, op in zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True):
        inputs[op].append(tensor)
    return inputs


@st.composite
def plain_runs(draw, contention, memory=AMPLE):
    """A problem without aliases in which every op and transfer takes time, and a decision."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, devices = draw(st.integers(1, 25)), draw(st.integers(1, 5))
    tensors = [(op, int(rng.integers(0, 9))) for op in range(n) for _ in range(rng.integers(0, 3))]
    uses = [
        (tensor, op)
        for op in range(n)
        for tensor, (producer, _) in enumerate(tensors)
        if producer < op and rng.random() < 3 / n
    ]
    high = int(rng.choice([3, 30]))
    graph = go_gym.ComputationGraph.from_costs(
        rng.integers(1, high, n), tensors, uses, parameter_bytes=rng.integers(0, 5, n)
    )
    cluster = go_gym.Cluster.uniform(
        devices=devices, bandwidth=1e9, latency=1e-9, memory=memory, contention=contention
    )
    decision = go_gym.Decision(
        placement=rng.integers(0, devices, n),
        priority=rng.integers(0, 3, n) if draw(st.booleans()) else None,
    )
    return go_gym.Problem(graph, cluster), decision


def transfers_of(trace):
    return list(
        zip(
            trace.transfer_tensor.tolist(),
            trace.transfer_source.tolist(),
            trace.transfer_destination.tolist(),
            trace.transfer_start.tolist(),
            trace.transfer_finish.tolist(),
            strict=True,
        )
    )


# -- bounds


@MANY
@given(st.data())
def test_step_time_is_at_least_the_critical_path_and_the_busiest_device(data):
    problem = data.draw(problems())
    decision = data.draw(decisions(problem))
    result = simulate(problem, decision)
    graph, place = problem.graph, decision.placement.tolist()
    took = [int(problem.durations_on(device)[op]) for op, device in enumerate(place)]
    end = []
    for op, tensors in enumerate(inputs_of(graph)):
        arrivals = [0]
        for tensor in tensors:
            source = int(graph.tensor_producer[tensor])
            size = int(graph.tensor_bytes[tensor])
            away = place[source] != place[op]
            moving = problem.cluster.transfer_ns(size, place[source], place[op]) if away else 0
            arrivals.append(end[source] + moving)
        end.append(max(arrivals) + took[op])
    work = [
        sum(t for t, d in zip(took, place, strict=True) if d == i)
        for i in range(problem.num_devices)
    ]
    assert result.step_time_ns >= max(end)
    assert result.busy_ns.tolist() == work
    assert result.step_time_ns >= max(work)
    assert result.step_time_ns * problem.num_devices >= sum(took)


@MANY
@given(graphs(), st.sampled_from(CONTENTION_MODELS), st.integers(1, 4), st.data())
def test_one_device_takes_the_sum_of_durations_and_moves_nothing(graph, contention, count, data):
    cluster = go_gym.Cluster.uniform(devices=count, bandwidth=1e9, contention=contention)
    device = data.draw(st.integers(0, count - 1))
    priority = data.draw(st.none() | st.just(np.arange(graph.num_ops) % 3))
    decision = go_gym.Decision(placement=[device] * graph.num_ops, priority=priority)
    result = simulate(go_gym.Problem(graph, cluster), decision, trace=True)
    assert result.step_time_ns == graph.durations.sum()
    assert result.bytes_moved == 0
    assert len(result.trace.transfer_tensor) == 0
    assert np.flatnonzero(result.peak_memory).tolist() in ([], [device])


# -- what must not matter


def results_equal(a, b) -> bool:
    return (a.step_time_ns, a.bytes_moved, a.busy_ns.tolist(), a.peak_memory.tolist()) == (
        b.step_time_ns,
        b.bytes_moved,
        b.busy_ns.tolist(),
        b.peak_memory.tolist(),
    )


@MODELS
@MANY
@given(graphs(), st.integers(1, 5), st.data())
def test_numbering_of_equal_devices(contention, graph, count, data):
    """Under duplex, a tensor's copies leave in order of destination: there, one copy at most."""
    cluster = go_gym.Cluster.uniform(devices=count, bandwidth=1e9, contention=contention)
    problem = go_gym.Problem(graph, cluster)
    decision = data.draw(decisions(problem))
    place = np.array(decision.placement)
    if contention == "duplex":
        place %= 2  # one destination at most
    renamed = np.array(data.draw(st.permutations(range(count))))
    before = simulate(problem, go_gym.Decision(place, decision.priority))
    after = simulate(problem, go_gym.Decision(renamed[place], decision.priority))
    moved_back = dataclasses.replace(
        after, busy_ns=after.busy_ns[renamed], peak_memory=after.peak_memory[renamed]
    )
    assert results_equal(before, moved_back)


@MANY
@given(st.data())
def test_names_of_devices(data):
    problem = data.draw(problems())
    decision = data.draw(decisions(problem))
    devices = tuple(
        dataclasses.replace(device, name=f"other{i}")
        for i, device in enumerate(problem.cluster.devices)
    )
    other = go_gym.Problem(problem.graph, dataclasses.replace(problem.cluster, devices=devices))
    assert results_equal(simulate(problem, decision), simulate(other, decision))


@MANY
@given(st.data(), st.integers(-(2**62), 2**62))
def test_equal_priorities_are_first_in_first_out(data, level):
    problem = data.draw(problems())
    decision = data.draw(decisions(problem))
    fifo = simulate(problem, go_gym.Decision(decision.placement))
    level = np.full(problem.num_ops, level)
    assert results_equal(fifo, simulate(problem, go_gym.Decision(decision.placement, level)))


@MANY
@given(st.data())
def test_a_graph_given_in_its_stored_order_is_the_same_graph(data):
    """The caller's own order does not matter once it is topological, nor the order of uses."""
    problem = data.draw(problems())
    graph = problem.graph
    uses = np.stack([graph.use_tensor, graph.use_consumer], axis=1)
    again = go_gym.ComputationGraph.from_arrays(
        "again",
        num_ops=graph.num_ops,
        tensors=np.stack([graph.tensor_producer, graph.tensor_bytes], axis=1),
        uses=data.draw(st.permutations(uses.tolist())),
        aliases=graph.tensor_alias,
        outlives=graph.tensor_outlives,
        op_names=graph.op_names,
        parameter_bytes=graph.parameter_bytes,
        colocation=graph.colocation,
        durations=graph.durations,
        duration_kinds=graph.duration_kinds,
    )
    assert again.content_hash == graph.content_hash
    decision = data.draw(decisions(problem))
    same = simulate(go_gym.Problem(again, problem.cluster), decision)
    assert results_equal(simulate(problem, decision), same)


# -- the trace


@MODELS
@MANY
@given(st.data())
def test_trace_obeys_the_rules(contention, data):
    """Every start is where the rules put it: no overlap, no idling, queues in order."""
    problem, decision = data.draw(plain_runs(contention))
    graph, place = problem.graph, decision.placement.tolist()
    result = simulate(problem, decision, trace=True)
    start, finish = result.trace.op_start.tolist(), result.trace.op_finish.tolist()
    took = problem.durations_on(0).tolist()
    assert [b - a for a, b in zip(start, finish, strict=True)] == took
    assert result.step_time_ns == max(finish)

    transfers = transfers_of(result.trace)
    arrival = {}
    for tensor, source, destination, begin, end in transfers:
        producer = int(graph.tensor_producer[tensor])
        assert source == place[producer] != destination
        assert begin >= finish[producer]
        assert end - begin == 1 + graph.tensor_bytes[tensor]
        assert (tensor, destination) not in arrival, "sent once per destination"
        arrival[tensor, destination] = end
    wanted = set()
    ready = []
    for op, tensors in enumerate(inputs_of(graph)):
        times = [0]
        for tensor in tensors:
            producer = int(graph.tensor_producer[tensor])
            if place[producer] == place[op]:
                times.append(finish[producer])
            else:
                wanted.add((tensor, place[op]))
                times.append(arrival[tensor, place[op]])
        ready.append(max(times))
    assert set(arrival) == wanted
    assert result.bytes_moved == sum(int(graph.tensor_bytes[tensor]) for tensor, _ in wanted)

    level = [0] * graph.num_ops if decision.priority is None else decision.priority.tolist()
    key = [(-level[op], ready[op], op) for op in range(graph.num_ops)]
    for device in range(problem.num_devices):
        ops = sorted(
            (op for op in range(graph.num_ops) if place[op] == device), key=start.__getitem__
        )
        for before, after in pairwise(ops):
            assert start[after] == max(
                finish[before], min(ready[op] for op in ops[ops.index(after) :])
            )
        for index, op in enumerate(ops):
            assert start[op] >= ready[op]
            waiting = [other for other in ops[index:] if ready[other] <= start[op]]
            assert op == min(waiting, key=key.__getitem__)
        if ops:
            assert start[ops[0]] == min(ready[op] for op in ops)


@MODELS
@MANY
@given(st.data())
def test_ports_serve_their_requests_in_order(contention, data):
    problem, decision = data.draw(plain_runs(contention))
    graph = problem.graph
    trace = simulate(problem, decision, trace=True).trace
    # (request, tensor, destination, source, start, finish)
    rows = sorted(
        (int(trace.op_finish[graph.tensor_producer[tensor]]), tensor, destination, source, a, b)
        for tensor, source, destination, a, b in transfers_of(trace)
    )
    if contention == "none":
        assert all(request == a for request, *_, a, _ in rows)
        return
    if contention == "egress":  # one transfer serves all: keep one row of each
        rows = list({(row[0], row[1], row[3], row[4], row[5]): row for row in rows}.values())
        assert len(rows) == len({row[1] for row in rows})
    ports = {}
    for row in rows:
        ports.setdefault((row[3], row[2]) if contention == "link" else row[3], []).append(row)
    head_since = {}
    for queue in ports.values():
        free = 0
        for row in queue:  # FIFO: by request, tensor, destination
            head_since[row] = max(row[0], free)
            assert row[4] >= head_since[row]
            free = row[5]
    if contention in ("link", "egress"):
        assert all(row[4] == since for row, since in head_since.items())
        return
    for row, since in head_since.items():  # duplex: the incoming port as well
        others = [other for other in rows if other[2] == row[2] and other is not row]
        for other in others:
            assert other[5] <= row[4] or row[5] <= other[4]
        if row[4] > since:  # it had to wait: always for a transfer, started by an earlier request
            covered = since
            for other in sorted(others, key=lambda each: each[4]):
                if other[4] <= covered < other[5]:
                    assert other[4] < since or other[:3] < row[:3]
                    covered = other[5]
            assert covered == row[4]


# -- memory


def sweep(problem, decision, trace):
    """Peak of each device, and the first (time, device) above capacity, from the trace."""
    graph, place = problem.graph, decision.placement.tolist()
    events = []  # (time, allocations after frees, device, bytes)
    memory = [0] * problem.num_devices
    for op, device in enumerate(place):
        memory[device] += int(graph.parameter_bytes[op])
    transfers = transfers_of(trace)
    users = [[] for _ in range(graph.num_tensors)]
    for op, tensors in enumerate(inputs_of(graph)):
        for tensor in tensors:
            users[tensor].append(op)
    for tensor, producer in enumerate(graph.tensor_producer.tolist()):
        size, here = int(graph.tensor_bytes[tensor]), place[producer]
        ends = [int(trace.op_finish[producer])]
        ends += [int(trace.op_finish[op]) for op in users[tensor] if place[op] == here]
        ends += [end for moved, *_, end in transfers if moved == tensor]
        events += [(int(trace.op_start[producer]), 1, here, size), (max(ends), 0, here, -size)]
        for moved, _, there, begin, _ in transfers:
            if moved == tensor:
                last = max(int(trace.op_finish[op]) for op in users[tensor] if place[op] == there)
                events += [(begin, 1, there, size), (last, 0, there, -size)]
    capacity = [device.memory_bytes for device in problem.cluster.devices]
    peak = list(memory)
    over = [(0, device) for device in range(len(memory)) if memory[device] > capacity[device]]
    for time, _, device, size in sorted(events):
        memory[device] += size
        peak[device] = max(peak[device], memory[device])
        if memory[device] > capacity[device]:
            over.append((time, device))
    return peak, min(over, default=None)


@MODELS
@pytest.mark.parametrize("memory", [15, 40, AMPLE])
@settings(MANY, max_examples=60)
@given(st.data())
def test_peak_memory_and_its_lack_follow_from_the_trace(contention, memory, data):
    problem, decision = data.draw(plain_runs(contention, memory))
    result = simulate(problem, decision, trace=True)
    peak, over = sweep(problem, decision, result.trace)
    assert result.peak_memory.tolist() == peak
    found = result.violation and (result.violation.time_ns, result.violation.device)
    assert found == over
    assert result.valid == (max(peak) <= memory)


@MANY
@given(st.data())
def test_the_same_call_gives_the_same_answer(data):
    """Also after another decision: nothing is left over from one call to the next."""
    problem = data.draw(problems())
    first, second = data.draw(decisions(problem)), data.draw(decisions(problem))
    once = simulate(problem, first)
    simulate(problem, second)
    assert results_equal(once, simulate(problem, first))
    assert results_equal(once, simulate_reference(problem, first))
