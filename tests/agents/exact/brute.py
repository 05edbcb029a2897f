"""The optimum of tiny problems, by trying every placement and every order."""

import itertools

import numpy as np

import go_gym
from go_gym.simulator.reference import Simulation


class InOrder(Simulation):
    """The specification, but that each device waits for the next op of its own sequence."""

    def __init__(self, problem, placement, order):
        super().__init__(problem, go_gym.Decision(placement))
        self.there: set[int] = set()
        timed = [op for op in order if self.duration(op) > 0]
        self.order = [[op for op in timed if placement[op] == k] for k in range(len(self.ready))]
        self.started = 0

    def make_ready(self, op):
        if self.duration(op) > 0:
            self.there.add(op)
            return
        super().make_ready(op)  # what takes no time waits for no order
        self.started += 1

    def start_all(self):
        for k, sequence in enumerate(self.order):
            self.ready[k] = [(0, 0, sequence[0])] if sequence and sequence[0] in self.there else []
        super().start_all()

    def start_op(self, device, op):
        self.order[device].pop(0)
        self.started += 1
        super().start_op(device, op)


def orders(graph):
    """Every order of the ops in which producers come before consumers."""
    inputs = [set() for _ in range(graph.num_ops)]
    for producer, consumer in zip(graph.use_producer, graph.use_consumer, strict=True):
        inputs[consumer].add(int(producer))

    def grow(done):
        if len(done) == graph.num_ops:
            yield done
        for op in range(graph.num_ops):
            if op not in done and inputs[op] <= set(done):
                yield from grow((*done, op))

    yield from grow(())


def optimum(problem) -> int | None:
    """The shortest valid step of any placement and order, None where none is valid."""
    d, n = problem.num_devices, problem.num_ops
    leader = problem.colocation_leader
    given = problem.placement
    places = [given] if given is not None else itertools.product(range(d), repeat=n)
    every = list(orders(problem.graph))
    best, seen = None, set()
    for place in places:
        place = np.asarray(place)
        if (place != place[leader]).any():
            continue
        for order in every:
            key = (
                place.tobytes(),
                tuple(tuple(op for op in order if place[op] == k) for k in range(d)),
            )
            if key in seen:
                continue
            seen.add(key)
            simulation = InOrder(problem, place, order)
            result = simulation.run(trace=False)
            if simulation.started == n and result.valid:
                best = result.step_time_ns if best is None else min(best, result.step_time_ns)
    return best


def optimum_without_contention(problem) -> int:
    """The same, without memory and contention, by placing op after op and giving up in time."""
    graph, d = problem.graph, problem.num_devices
    inputs = [[] for _ in range(graph.num_ops)]
    for tensor, consumer in zip(
        graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True
    ):
        inputs[consumer].append(tensor)
    producer, size = graph.tensor_producer.tolist(), graph.tensor_bytes.tolist()
    best = sum(max(problem.durations_on(k)[op] for k in range(d)) for op in range(graph.num_ops))
    best += sum(
        problem.cluster.transfer_ns(s, k, m)
        for s in size
        for k in range(d)
        for m in range(d)
        if k != m
    )
    durations = [problem.durations_on(k).tolist() for k in range(d)]
    end: dict[int, int] = {}
    place: dict[int, int] = {}
    free = [0] * d
    leader = problem.colocation_leader.tolist()

    def grow():
        nonlocal best
        if len(end) == graph.num_ops:
            best = min(best, max(end.values()))
            return
        for op in range(graph.num_ops):
            if op in end or any(producer[t] not in end for t in inputs[op]):
                continue
            mates = [place[other] for other in end if leader[other] == leader[op]]
            for k in mates[:1] or range(d):
                start = free[k]
                for t in inputs[op]:
                    source = producer[t]
                    away = place[source] != k
                    delay = problem.cluster.transfer_ns(size[t], place[source], k) if away else 0
                    start = max(start, end[source] + delay)
                finish = start + durations[k][op]
                if finish > best:
                    continue
                before, free[k], end[op], place[op] = free[k], finish, finish, k
                grow()
                free[k] = before
                del end[op], place[op]

    grow()
    return best
