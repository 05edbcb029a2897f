"""The ready queues: told the same moments, they choose what the simulator chose."""

from itertools import groupby

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym import Cluster, ComputationGraph
from go_gym.hardware.runtime.control import COUNT, HALT, LOG, PTR, STAMP, new_board, view
from go_gym.hardware.runtime.ready import BITS, ENDED, HALTED, advance, begin, build_queues
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate


@st.composite
def decided(draw):
    """A problem in which everything takes time, so that a moment is one moment; a decision."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    ops, devices = draw(st.integers(1, 25)), draw(st.integers(1, 3))
    edges = [(a, b) for b in range(ops) for a in range(b) if rng.random() < 2.5 / ops]
    graph = ComputationGraph.from_costs(
        rng.integers(1, 9, size=ops).tolist(), [(op, 8) for op in range(ops)], edges
    )
    cluster = Cluster.uniform(devices, 8e9)
    levels = rng.integers(3, size=ops) if draw(st.booleans()) else None
    return Problem(graph, cluster), Decision(rng.integers(devices, size=ops), levels)


@given(decided())
@settings(max_examples=100, deadline=None)
def test_the_queues_choose_what_the_simulator_chose(case):
    problem, decision = case
    trace = simulate(problem, decision, trace=True).trace
    place = np.asarray(decision.placement)
    devices = problem.num_devices
    queues = build_queues(problem.graph, place, decision.priority, devices)
    number = {(each.tensor, each.destination): n for n, each in enumerate(queues.channels)}
    board = new_board([each[1:] for each in queues.channels], devices)
    view(board, HALT)[0] = 1  # then it does not wait, and says that nothing is ready
    for device in range(devices):
        arrivals = sorted(
            (int(finish), number[int(tensor), device])
            for tensor, to, finish in zip(
                trace.transfer_tensor,
                trace.transfer_destination,
                trace.transfer_finish,
                strict=True,
            )
            if to == device
        )
        moments = [(time, [n for _, n in group]) for time, group in groupby(arrivals, _time)]
        expected = sorted(np.flatnonzero(place == device), key=lambda op: trace.op_start[op])
        assert list(replay(queues, board, device, trace.op_finish, moments)) == [
            (int(trace.op_start[op]), op) for op in expected
        ]


def _time(arrival):
    return arrival[0]


def replay(queues, board, device, finish, moments):
    """When each op of a device is chosen, and which."""
    table, ops = queues.tables[device], queues.ops(device)
    begin(table, 0)
    ended, now = -1, 0
    while True:
        while moments and moments[0][0] <= now:
            time, channels = moments.pop(0)
            for channel in channels:
                post(queues, board, channel, time)
        code = advance(table, board, ended, now)
        if code == ENDED:
            return
        if code == HALTED:
            ended, now = -1, moments[0][0]
            continue
        ended = code & ((1 << BITS) - 1)
        yield now, ops[ended]
        now = int(finish[ops[ended]])


def post(queues, board, number, time):
    each, workers = queues.channels[number], len(queues.tables)
    pair = each.source * workers + each.destination
    place = view(board, PTR)[pair] + view(board, COUNT)[pair]
    view(board, LOG)[place], view(board, STAMP)[place] = number, time
    view(board, COUNT)[pair] += 1


@given(decided())
@settings(max_examples=50, deadline=None)
def test_what_is_forgotten_is_what_nobody_needs(case):
    """All that is made or arrives is forgotten once, after its last use, but for the results."""
    problem, decision = case
    graph, place = problem.graph, np.asarray(decision.placement)
    kept = [int(graph.num_tensors) - 1]
    queues = build_queues(graph, place, None, problem.num_devices, keep=kept)
    board = new_board([each[1:] for each in queues.channels], problem.num_devices)
    view(board, HALT)[0] = 1
    for number in range(len(queues.channels)):
        post(queues, board, number, 0)
    for device, table in enumerate(queues.tables):
        begin(table, 0)
        ops, news = queues.ops(device), queues.news(device)
        held = {c.tensor for c in queues.channels if c.destination == device}
        ran: list[int] = []
        code = advance(table, board, -1, 0)
        while code >= 0:
            for fact in news[: code >> BITS].tolist():
                if fact >= 0:
                    held.remove(fact)
            ran.append(ops[code & ((1 << BITS) - 1)])
            inputs = graph.use_tensor[graph.use_consumer == ran[-1]]
            assert set(inputs.tolist()) <= held
            held |= set(np.flatnonzero(graph.tensor_producer == ran[-1]).tolist())
            code = advance(table, board, code & ((1 << BITS) - 1), 0)
        assert code == ENDED and sorted(ran) == np.flatnonzero(place == device).tolist()
        last = {int(t) for t in graph.use_tensor[graph.use_consumer == ran[-1]]} if ran else set()
        made = set(np.flatnonzero(graph.tensor_producer == ran[-1]).tolist()) if ran else set()
        assert held <= last | made | set(kept)  # what the last op's end lets go is not told
