"""The specification of the simulator, in plain Python: short, slow, readable.

Time is whole nanoseconds. At every moment at which something happens, there are two phases:

1. *Completions*: every op and transfer that ends now ends. Its memory is freed, the tensors of a
   finished op are requested by the devices that use them, and ops whose last input arrived become
   ready. What takes no time queues for nothing and happens in this phase, too, until nothing more
   does: a transfer of 0 ns arrives as it is requested, whatever its ports do, and an op of 0 ns
   (a view, a parameter, an input: it launches nothing) is done as its last input arrives.
2. *Starts*: every idle device starts the head of its ready queue, every free port the head of its
   transfer queue. Memory is allocated.

The order inside a phase changes nothing. What a device holds at a moment is what it holds after
both. See ``Simulation`` for the queues.

Under a strict order a device's queue is its sequence of ops: it starts the next one once that is
ready, and waits till then, whatever else is. What takes no time stands in no sequence.
"""

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

import numpy as np

from go_gym.graph import Alias, Outlives
from go_gym.problem import Decision, Problem, check_decision
from go_gym.simulator.fused import simulate_kernels
from go_gym.simulator.result import (
    ColocationBroken,
    OrderStuck,
    OutOfMemory,
    Result,
    Trace,
    Violation,
)


def simulate_reference(
    problem: Problem, decision: Decision, trace: bool = False, *, limit_ns: int | None = None
) -> Result:
    """What :func:`go_gym.simulate` computes, by the specification; about 1,000× slower."""
    check_decision(problem, decision)
    if decision.fusion is not None:
        run = partial(simulate_reference, limit_ns=limit_ns)
        return simulate_kernels(problem, decision, trace, run)
    return Simulation(problem, decision).run(trace, limit_ns)


@dataclass(order=True)
class Transfer:
    """A request to move a tensor; queues are FIFO: by request time, tensor, destination."""

    requested: int
    tensor: int
    destinations: tuple[int, ...]  # one, but under egress contention all
    source: int = field(compare=False)
    start: int = field(compare=False, default=0)
    finish: int = field(compare=False, default=0)


# Wide: the whole state of a step is in one place, to be read with the rules
class Simulation:
    """The state of one simulated step."""

    def __init__(self, problem: Problem, decision: Decision) -> None:
        graph, cluster = problem.graph, problem.cluster
        self.problem, self.graph, self.cluster = problem, graph, cluster
        self.place = [int(device) for device in decision.placement]
        self.decision = decision
        levels = decision.priority
        self.priority = [0] * graph.num_ops if levels is None else [int(x) for x in levels]
        # strict order: what each device has yet to start, the next one last
        self.sequence: list[list[int]] | None = None
        if decision.order is not None:
            self.sequence = [[] for _ in cluster.devices]
            for op in reversed(np.argsort(decision.order).tolist()):
                if self.duration(op) > 0:
                    self.sequence[self.place[op]].append(op)
            self.priority = [-int(rank) for rank in decision.order]
        self.finished: set[int] = set()
        self.inputs: list[list[int]] = [[] for _ in range(graph.num_ops)]
        self.consumers: list[list[int]] = [[] for _ in range(graph.num_tensors)]
        for tensor, op in zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True):
            self.inputs[op].append(tensor)
            self.consumers[tensor].append(op)
        self.outputs: list[list[int]] = [[] for _ in range(graph.num_ops)]
        for tensor, op in enumerate(graph.tensor_producer.tolist()):
            self.outputs[op].append(tensor)
        self.producer: list[int] = graph.tensor_producer.tolist()
        self.alias: list[int] = graph.tensor_alias.tolist()
        self.size: list[int] = graph.tensor_bytes.tolist()
        self.outlives: list[int] = graph.tensor_outlives.tolist()

        self.now = 0
        self.ends: list[
            tuple[int, int, int | Transfer]
        ] = []  # heap of (time, serial, op or Transfer)
        self.serial = 0
        self.instant: list[int | Transfer] = []  # what takes no time and is yet to end now
        self.missing = [len(tensors) for tensors in self.inputs]
        # heaps, see make_ready
        self.ready: list[list[tuple[int, int, int]]] = [[] for _ in cluster.devices]
        self.running: list[int | None] = [None] * len(cluster.devices)
        self.queues: dict[object, list[Transfer]] = defaultdict(list)  # heap of each port
        self.busy_ports: set[object] = set()
        self.holders: dict[tuple[int, int], int] = {}  # (tensor, device) → what still needs it
        self.memory = [0] * len(cluster.devices)
        self.peak = [0] * len(cluster.devices)
        self.out_of_memory: tuple[int, int] | None = None  # (time, device), the first
        self.busy = [0] * len(cluster.devices)
        self.moved = 0
        self.op_start, self.op_finish = [0] * graph.num_ops, [0] * graph.num_ops
        self.transfers: list[Transfer] = []
        self.least = 0  # what the step takes at least, by the ops that have begun
        self.tail = [int(least) for least in problem.durations.min(axis=0)]  # to the end
        self.work = [0] * len(cluster.devices)  # ns, of all its ops
        for op, device in enumerate(self.place):
            self.work[device] += self.duration(op)
        for op in reversed(range(graph.num_ops)):
            later = [user for tensor in self.outputs[op] for user in self.consumers[tensor]]
            self.tail[op] += max((self.tail[user] for user in later), default=0)

    def run(self, trace: bool, limit: int | None = None) -> Result:
        """Simulate from the start to the last event, or until the step must exceed a limit."""
        for op, device in enumerate(self.place):
            self.allocate(device, int(self.graph.parameter_bytes[op]))
        for op in range(self.graph.num_ops):
            if self.missing[op] == 0:
                self.make_ready(op)
        self.moment()
        while self.ends and (limit is None or self.least <= limit):
            self.now = self.ends[0][0]
            self.moment()
        step = max(self.now, self.least)
        over = limit is not None and step > limit
        if limit is not None and over:
            step, self.out_of_memory = limit + 1, None
        elif len(self.finished) < self.graph.num_ops:  # a strict order that cannot proceed
            step = self.now
        return Result(
            step_time_ns=step,
            violation=self.violation(over),
            busy_ns=np.array(self.busy, dtype=np.int64),
            peak_memory=np.array(self.peak, dtype=np.int64),
            bytes_moved=self.moved,
            trace=self.trace() if trace and not over else None,
            over_limit=over,
        )

    def moment(self) -> None:
        """All that happens now."""
        while self.instant or (self.ends and self.ends[0][0] == self.now):
            ended = self.instant.pop() if self.instant else heapq.heappop(self.ends)[2]
            if isinstance(ended, Transfer):
                self.end_transfer(ended)
            else:
                self.end_op(ended)
        self.start_all()
        for device, held in enumerate(self.memory):
            self.peak[device] = max(self.peak[device], held)
            if held > self.cluster.devices[device].memory_bytes:
                found = (self.now, device)
                self.out_of_memory = min(self.out_of_memory or found, found)

    # -- completions

    def end_op(self, op: int) -> None:
        """An op ends: its outputs are sent or free, its consumers here get ready."""
        device = self.place[op]
        if self.running[device] == op:
            self.running[device] = None
        self.op_finish[op] = self.now
        self.finished.add(op)
        for tensor in self.outputs[op]:
            users = self.consumers[tensor]
            remote = sorted({self.place[user] for user in users} - {device})
            local = [user for user in users if self.place[user] == device]
            transfers = self.request(tensor, device, remote)
            self.holders[tensor, device] = sum(self.hold(tensor, user) for user in local)
            self.holders[tensor, device] += transfers
            self.holders[tensor, device] += int(self.outlives[tensor] != Outlives.NO)
            if self.holders[tensor, device] == 0:
                self.free(tensor, device)
            self.arrive(tensor, device)
        shared = {self.alias[tensor] for tensor in self.outputs[op]}
        for tensor in self.inputs[op]:
            if tensor not in shared:  # else released with the outputs that share its storage
                self.release(tensor, device)

    def hold(self, tensor: int, user: int) -> int:
        """How many releases the use of ``tensor`` by ``user`` will bring."""
        views = sum(self.alias[output] == tensor for output in self.outputs[user])
        return max(views, 1)

    def request(self, tensor: int, source: int, destinations: list[int]) -> int:
        """Queue what sends ``tensor``; returns the number of transfers."""
        if not destinations:
            return 0
        if self.cluster.contention == "egress":
            groups = [tuple(destinations)]
        else:
            groups = [(destination,) for destination in destinations]
        for group in groups:
            transfer = Transfer(self.now, tensor, group, source)
            if self.transfer_ns(transfer) == 0:
                self.begin_transfer(transfer)
                self.instant.append(transfer)
            elif self.cluster.contention == "link":
                heapq.heappush(self.queues[source, group[0]], transfer)
            elif self.cluster.contention == "none":
                heapq.heappush(self.queues[source, tensor, group[0]], transfer)
            else:
                heapq.heappush(self.queues[source], transfer)
        return len(groups)

    def transfer_ns(self, transfer: Transfer) -> int:
        """How long a transfer takes: until its last copy has arrived."""
        size = self.size[transfer.tensor]
        return max(
            self.cluster.transfer_ns(size, transfer.source, destination)
            for destination in transfer.destinations
        )

    def end_transfer(self, transfer: Transfer) -> None:
        """A copy arrives: its port is free, the source lets go of the tensor, consumers there
        get ready."""
        if transfer.finish > transfer.start:
            if self.cluster.contention == "link":
                self.busy_ports.discard((transfer.source, transfer.destinations[0]))
            self.busy_ports.discard(transfer.source)
            self.busy_ports.discard(("in", *transfer.destinations))
        self.release(transfer.tensor, transfer.source)
        for destination in transfer.destinations:
            self.arrive(transfer.tensor, destination)

    def arrive(self, tensor: int, device: int) -> None:
        """A tensor is present on a device: one input less for its consumers there."""
        for user in self.consumers[tensor]:
            if self.place[user] == device:
                self.missing[user] -= 1
                if self.missing[user] == 0:
                    self.make_ready(user)

    def make_ready(self, op: int) -> None:
        """Highest priority first, then FIFO by ready time, ties by lowest op number."""
        if self.duration(op) == 0:
            self.begin_op(op)
            self.instant.append(op)
        else:
            heapq.heappush(self.ready[self.place[op]], (-self.priority[op], self.now, op))

    def duration(self, op: int) -> int:
        """ns that an op takes on its device."""
        return int(self.problem.durations_on(self.place[op])[op])

    def release(self, tensor: int, device: int) -> None:
        """One fewer needs ``tensor`` on ``device``; the last one frees it."""
        self.holders[tensor, device] -= 1
        if self.holders[tensor, device] == 0:
            self.free(tensor, device)

    def free(self, tensor: int, device: int) -> None:
        """A tensor leaves a device; whose storage it shares may then leave too."""
        self.memory[device] -= self.held_bytes(tensor, device)
        if device == self.place[self.producer[tensor]] and self.alias[tensor] >= 0:
            self.release(self.alias[tensor], device)

    def held_bytes(self, tensor: int, device: int) -> int:
        """A tensor that shares storage, or is written over what is resident, takes no memory where
        it is produced; copies do."""
        at_home = device == self.place[self.producer[tensor]]
        resident = self.outlives[tensor] == Outlives.IN_PLACE
        if at_home and (resident or self.alias[tensor] != Alias.OWN):
            return 0
        return self.size[tensor]

    # -- starts

    def start_all(self) -> None:
        """Start what can start now: ops by device, then transfers."""
        for device in range(len(self.ready)):
            if self.running[device] is None and self.ready[device]:
                head = self.ready[device][0][2]
                if self.sequence is not None:
                    if self.sequence[device][-1] != head:
                        continue  # the device waits for its next op
                    self.sequence[device].pop()
                heapq.heappop(self.ready[device])
                self.start_op(device, head)
        if self.cluster.contention == "duplex":
            self.start_duplex()
        else:
            for port, queue in list(self.queues.items()):
                if queue and port not in self.busy_ports:
                    self.busy_ports.add(port)
                    self.start_transfer(heapq.heappop(queue))

    def start_duplex(self) -> None:
        """The head of a source's queue needs both ports; the earliest request wins one."""
        heads = [
            queue[0] for port, queue in self.queues.items() if queue and port not in self.busy_ports
        ]
        for head in sorted(heads):
            incoming = ("in", *head.destinations)
            if incoming not in self.busy_ports:
                self.busy_ports |= {head.source, incoming}
                self.start_transfer(heapq.heappop(self.queues[head.source]))

    def start_op(self, device: int, op: int) -> None:
        """A device begins an op."""
        duration = self.duration(op)
        self.running[device] = op
        left = self.work[device] - self.busy[device]
        self.least = max(self.least, self.now + self.tail[op], self.now + left)
        self.busy[device] += duration
        self.begin_op(op)
        self.push(self.now + duration, op)

    def begin_op(self, op: int) -> None:
        """An op begins: its outputs take their memory."""
        device = self.place[op]
        self.op_start[op] = self.now
        for tensor in self.outputs[op]:
            self.allocate(device, self.held_bytes(tensor, device))

    def start_transfer(self, transfer: Transfer) -> None:
        """A port begins a transfer."""
        self.begin_transfer(transfer)
        self.push(transfer.finish, transfer)

    def begin_transfer(self, transfer: Transfer) -> None:
        """A copy begins: it takes its memory where it goes."""
        size = self.size[transfer.tensor]
        transfer.start = self.now
        transfer.finish = self.now + self.transfer_ns(transfer)
        for destination in transfer.destinations:
            local = [u for u in self.consumers[transfer.tensor] if self.place[u] == destination]
            self.holders[transfer.tensor, destination] = sum(
                self.hold(transfer.tensor, user) for user in local
            )
            self.allocate(destination, size)
            self.moved += size
        self.transfers.append(transfer)

    def push(self, time: int, what: int | Transfer) -> None:
        """Note that ``what`` ends at ``time``; of equal times the first noted ends first."""
        self.serial += 1
        heapq.heappush(self.ends, (time, self.serial, what))

    def allocate(self, device: int, size: int) -> None:
        """Take memory on a device."""
        self.memory[device] += size

    # -- results

    def violation(self, over: bool) -> Violation | None:
        """What makes the decision invalid, if anything does."""
        leaders = self.problem.colocation_leader.tolist()
        for op, leader in enumerate(leaders):
            if self.place[op] != self.place[leader]:
                return ColocationBroken(op, self.graph.op_names[op], leader)
        if self.sequence is not None and any(self.sequence) and not over:
            return self.stuck(self.sequence)
        if self.out_of_memory is not None:
            time, device = self.out_of_memory
            return OutOfMemory(device, self.cluster.devices[device].name, time)
        return None

    def stuck(self, sequence: list[list[int]]) -> OrderStuck:
        """Ops that wait for each other, from that of the smallest number on.

        Found from the first op that never ran, by what each waits for: the op before it on its
        device if that has not run, else the first that has not of those that it reads from.
        """
        before = {op: earlier for ops in sequence for op, earlier in pairwise(ops)}
        at, way = min(set(range(self.graph.num_ops)) - self.finished), list[int]()
        while at not in way:
            way.append(at)
            makers = (self.producer[tensor] for tensor in self.inputs[at])
            missing = (op for op in makers if op not in self.finished)
            at = before[at] if at in before else next(missing)
        cycle = way[way.index(at) :]
        first = cycle.index(min(cycle))
        ops = tuple(cycle[first:] + cycle[:first])
        return OrderStuck(ops, tuple(self.graph.op_names[op] for op in ops))

    def trace(self) -> Trace:
        """Start and end of every op and transfer."""
        rows = sorted(
            (transfer.start, transfer.tensor, destination, transfer.source, transfer.finish)
            for transfer in self.transfers
            for destination in transfer.destinations
        )
        table = np.array(rows, dtype=np.int64).reshape(-1, 5)
        return Trace(
            op_start=np.array(self.op_start, dtype=np.int64),
            op_finish=np.array(self.op_finish, dtype=np.int64),
            transfer_start=table[:, 0],
            transfer_tensor=table[:, 1],
            transfer_destination=table[:, 2],
            transfer_source=table[:, 3],
            transfer_finish=table[:, 4],
        )
