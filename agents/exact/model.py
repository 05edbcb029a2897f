"""The constraint model: placement, order, transfers and memory of one step (OR-Tools CP-SAT)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import numpy as np
from ortools.sat.python import cp_model

from go_gym.graph import Alias, Outlives
from go_gym.simulator import Trace

from .case import Case

WORKERS = 2
"""Of the solver: always as many, whatever the machine has."""
SUBSOLVERS = ("no_lp",)
"""One searches without linear relaxations, which tell little of disjunctive scheduling (with them
ft10 takes several times as long), the other improves solutions."""


class Transfers(Enum):
    """How transfers, and what waits for them, are modelled."""

    FREE = "at any time, ports apart: a relaxation"
    AT_ONCE = "as soon as made: a restriction"
    SIMULATED = "and ops, exactly as the simulator has them in a given order"


@dataclass(frozen=True, eq=False)
class Answer:
    """What the solver found.

    Attributes:
        bound: no solution of the model has a shorter step; in units of the case.
        length: of the step found, None if none was.
        place, start: (n,) int64 each of the solution.
        proven: whether ``length`` is the model's optimum.
        impossible: whether the model has no solution up to the given length.
    """

    bound: int
    length: int | None = None
    place: np.ndarray | None = None
    start: np.ndarray | None = None
    proven: bool = False
    impossible: bool = False


# Wide: the variables of one model, to be read with its constraints side by side
class Model:
    """The model of a case up to a length.

    Args:
        case: the problem.
        length: of the step, at most.
        least: of the step, at least: a bound that is known.
        transfers: how they are modelled, under duplex contention; else they never wait.
    """

    def __init__(self, case: Case, length: int, least: int, transfers: Transfers) -> None:
        self.case, self.length, self.transfers = case, length, transfers
        self.cp = cp_model.CpModel()
        self.d, self.n = case.problem.num_devices, case.problem.num_ops
        duplex = case.problem.cluster.contention == "duplex"
        self.ports = duplex and transfers is not Transfers.AT_ONCE
        self.makespan = self.cp.new_int_var(least, length, "makespan")
        self._place_ops()
        self._start_ops()
        self._send()
        if case.memory_binds:
            self._fill_memory()
        if transfers is Transfers.SIMULATED:
            self._start_as_simulated()
            if duplex:
                self._send_as_simulated()
        self.cp.minimize(self.makespan)

    # -- where and when ops run

    def _place_ops(self) -> None:
        """``on[g][k]``: is group g on device k?"""
        cp, case = self.cp, self.case
        given = case.problem.placement
        groups = range(len(case.members))
        if given is not None:
            self.on = [
                [cp.new_constant(int(given[case.members[g][0]] == k)) for k in range(self.d)]
                for g in groups
            ]
            return
        self.on = [[cp.new_bool_var(f"on{g},{k}") for k in range(self.d)] for g in groups]
        for row in self.on:
            cp.add_exactly_one(row)
        if case.equal_devices:  # a device is used only if the one before it was
            for g in groups:
                for k in range(1, self.d):
                    before = [self.on[h][k - 1] for h in range(g)]
                    cp.add_bool_or([self.on[g][k].Not(), *before])

    def _start_ops(self) -> None:
        cp, case = self.cp, self.case
        head, tail = case.window
        self.start, self.end = [], []
        lanes: list[list[cp_model.IntervalVar]] = [[] for _ in range(self.d)]
        for op in range(self.n):
            times = [case.durations[k][op] for k in range(self.d)]
            start = cp.new_int_var(head[op], self.length - tail[op] - min(times), f"start{op}")
            row = self.on[case.group[op]]
            if len(set(times)) == 1:
                end = start + times[0]
            else:
                end = cp.new_int_var(head[op] + min(times), self.length - tail[op], f"end{op}")
                cp.add(end == start + sum(t * on for t, on in zip(times, row, strict=True)))
            self.start.append(start)
            self.end.append(end)
            cp.add(self.makespan >= end + tail[op])
            for k in range(self.d):
                if times[k] == 0:  # it queues for no device
                    continue
                lanes[k].append(
                    cp.new_optional_interval_var(start, times[k], end, row[k], f"op{op},{k}")
                )
        for lane in lanes:
            cp.add_no_overlap(lane)
        if case.problem.placement is None and len(case.problem.durations) == 1:
            whole = [
                cp.new_fixed_size_interval_var(self.start[op], case.durations[0][op], f"any{op}")
                for op in range(self.n)
            ]
            cp.add_cumulative(whole, [1] * self.n, self.d)
            cp.add(self.makespan * self.d >= sum(case.durations[0]))

    @cached_property
    def _apart(self) -> dict[tuple[int, int], cp_model.IntVar]:
        return {}

    def apart(self, g: int, h: int) -> cp_model.IntVar:
        """Are two groups on different devices?"""
        key = min(g, h), max(g, h)
        if key not in self._apart:
            apart = self.cp.new_bool_var(f"apart{key}")
            for k in range(self.d):
                a, b = self.on[g][k], self.on[h][k]
                self.cp.add_bool_or([a.Not(), b, apart])
                self.cp.add_bool_or([a.Not(), b.Not(), apart.Not()])
            self._apart[key] = apart
        return self._apart[key]

    # -- transfers

    def _send(self) -> None:
        """Consumers start after their inputs: here as made, elsewhere as sent."""
        cp, case = self.cp, self.case
        self.sent: dict[tuple[int, int], cp_model.IntVar] = {}  # is tensor j sent to device k?
        self.leaves: dict[tuple[int, int], cp_model.LinearExprT] = {}
        self.arrives: dict[tuple[int, int], cp_model.LinearExprT] = {}
        moved = set(case.moved)
        for tensor, users in enumerate(case.consumers):
            source = case.producer[tensor]
            for op in users:
                cp.add(self.start[op] >= self.end[source])
            away = [op for op in users if case.group[op] != case.group[source]]
            if tensor not in moved and not case.memory_binds:
                continue
            for k in range(self.d) if away else ():
                self._transfer(tensor, source, away, k)
        self._keep_ports_apart()

    def _transfer(self, tensor: int, source: int, away: list[int], k: int) -> None:
        cp, case = self.cp, self.case
        here = self.on[case.group[source]]
        users = [self.on[case.group[op]][k] for op in away]
        sent = cp.new_bool_var(f"sent{tensor},{k}")
        for user in users:
            cp.add_bool_or([user.Not(), here[k], sent])
        cp.add_implication(sent, here[k].Not())
        cp.add_bool_or([sent.Not(), *users])
        delays = [case.delays[tensor][m][k] for m in range(self.d)]
        waits = self.ports and any(delays)
        leaves = (
            cp.new_int_var(0, self.length, f"leaves{tensor},{k}") if waits else self.end[source]
        )
        if waits:
            cp.add(leaves >= self.end[source])
        apart = [delay for m, delay in enumerate(delays) if m != k]
        if len(set(apart)) == 1:
            arrives: cp_model.LinearExprT = leaves + apart[0]
        else:
            arrives = cp.new_int_var(0, self.length + max(apart), f"arrives{tensor},{k}")
            takes = sum(t * on for t, on in zip(delays, here, strict=True))
            cp.add(arrives == leaves + takes)
        for op, user in zip(away, users, strict=True):
            cp.add(self.start[op] >= arrives).only_enforce_if(user, here[k].Not())
        key = tensor, k
        self.sent[key], self.leaves[key], self.arrives[key] = sent, leaves, arrives

    def _keep_ports_apart(self) -> None:
        """Duplex: one transfer at a time leaves a device, and one arrives."""
        cp, case = self.cp, self.case
        if case.problem.cluster.contention != "duplex":
            return
        out: list[list[cp_model.IntervalVar]] = [[] for _ in range(self.d)]
        into: list[list[cp_model.IntervalVar]] = [[] for _ in range(self.d)]
        for (tensor, k), sent in self.sent.items():
            here = self.on[case.group[case.producer[tensor]]]
            for m in range(self.d):
                delay = case.delays[tensor][m][k]
                if m == k or delay == 0:
                    continue
                both = cp.new_bool_var(f"sent{tensor},{m},{k}")
                cp.add_bool_and([sent, here[m]]).only_enforce_if(both)
                cp.add_bool_or([sent.Not(), here[m].Not(), both])
                interval = cp.new_optional_fixed_size_interval_var(
                    self.leaves[tensor, k], delay, both, f"transfer{tensor},{m},{k}"
                )
                out[m].append(interval)
                into[k].append(interval)
        for port in (*out, *into):
            cp.add_no_overlap(port)

    # -- memory

    def _fill_memory(self) -> None:
        """Parameters for the whole step; a tensor from its op's start, a copy from its transfer's,
        to the end of its last use, transfer, and view."""
        cp, case, graph = self.cp, self.case, self.case.problem.graph
        loads: list[list[tuple[cp_model.IntervalVar, int]]] = [[] for _ in range(self.d)]
        for op, size in enumerate(graph.parameter_bytes.tolist()):
            for k in range(self.d) if size else ():
                here = self.on[case.group[op]][k]
                whole = cp.new_optional_interval_var(
                    0, self.length, self.length, here, f"p{op},{k}"
                )
                loads[k].append((whole, size))
        alias, sizes = graph.tensor_alias.tolist(), graph.tensor_bytes.tolist()
        views: dict[int, list[int]] = {}
        for tensor, shared in enumerate(alias):
            views.setdefault(shared, []).append(tensor)
        made = [cp.new_int_var(0, self.length, f"freed{t}") for t in range(len(alias))]
        for tensor, freed in enumerate(made):
            source = case.producer[tensor]
            cp.add(freed >= self.end[source])
            if graph.tensor_outlives[tensor] != Outlives.NO:
                cp.add(freed >= self.makespan)
            mine = case.group[source]
            for k in range(self.d):
                here = self.on[mine][k]
                later = [(self.end[op], op) for op in case.consumers[tensor]]
                later += [(made[v], case.producer[v]) for v in views.get(tensor, [])]
                copy = self.sent.get((tensor, k))
                gone = cp.new_int_var(0, self.length, f"gone{tensor},{k}")
                for time, op in later:
                    there = self.on[case.group[op]][k]
                    cp.add(freed >= time).only_enforce_if(here, there)
                    if copy is not None:
                        cp.add(gone >= time).only_enforce_if(copy, there)
                if copy is not None:
                    leaves, arrives = self.leaves[tensor, k], self.arrives[tensor, k]
                    cp.add(freed >= arrives).only_enforce_if(copy)
                    cp.add(gone >= arrives).only_enforce_if(copy)
                    held = cp.new_int_var(0, self.length, f"held{tensor},{k}")
                    there_for = cp.new_optional_interval_var(
                        leaves, held, gone, copy, f"copy{tensor},{k}"
                    )
                    loads[k].append((there_for, sizes[tensor]))
                in_place = graph.tensor_outlives[tensor] == Outlives.IN_PLACE
                if alias[tensor] == Alias.OWN and not in_place:
                    held = cp.new_int_var(0, self.length, f"held{tensor},{k}")
                    there_for = cp.new_optional_interval_var(
                        self.start[source], held, freed, here, f"tensor{tensor},{k}"
                    )
                    loads[k].append((there_for, sizes[tensor]))
        for load, capacity in zip(loads, case.problem.cluster.memory_bytes.tolist(), strict=True):
            cp.add_cumulative([each for each, _ in load], [size for _, size in load], capacity)

    # -- exactly as simulated

    def _when(self, literals: list, time: cp_model.LinearExprT, name: str) -> cp_model.IntVar:
        """``time`` where all the literals hold, else 0."""
        term = self.cp.new_int_var(0, 2 * self.length, name)
        self.cp.add(term == time).only_enforce_if(*literals)
        for literal in literals:
            self.cp.add(term == 0).only_enforce_if(literal.Not())
        return term

    def _untimed(self, op: int) -> list[cp_model.IntVar]:
        """Literals that say that an op is on a device on which it takes no time."""
        row = self.on[self.case.group[op]]
        return [row[k] for k in range(self.d) if self.case.durations[k][op] == 0]

    def _start_as_simulated(self) -> None:
        """An op starts as its last input is there and the one before it on its device has ended."""
        cp, case = self.cp, self.case
        before: dict[tuple[int, int], cp_model.IntVar] = {}
        timed = [op for op in range(self.n) if any(row[op] for row in case.durations)]
        for place, a in enumerate(timed):
            for b in timed[:place]:
                g, h = case.group[a], case.group[b]
                one, other = cp.new_bool_var(f"{b}<{a}"), cp.new_bool_var(f"{a}<{b}")
                before[b, a], before[a, b] = one, other
                without = [*self._untimed(a), *self._untimed(b)]
                if g != h:
                    without.append(self.apart(g, h))
                cp.add_bool_or([one, other, *without])
                cp.add_at_most_one(one, other)
                for literal in without:
                    cp.add_implication(literal, one.Not())
                    cp.add_implication(literal, other.Not())
                cp.add(self.start[a] >= self.end[b]).only_enforce_if(one)
                cp.add(self.start[b] >= self.end[a]).only_enforce_if(other)
        inputs: list[list[int]] = [[] for _ in range(self.n)]
        for tensor, users in enumerate(case.consumers):
            for op in users:
                inputs[op].append(tensor)
        for op in range(self.n):
            terms: list[cp_model.LinearExprT] = [0]
            for previous in timed if op in timed else ():
                if previous != op:
                    name = f"after{previous},{op}"
                    terms.append(self._when([before[previous, op]], self.end[previous], name))
            for tensor in inputs[op]:
                terms.append(self.end[case.producer[tensor]])
                for k in range(self.d):
                    if (tensor, k) in self.sent:
                        used = [self.sent[tensor, k], self.on[case.group[op]][k]]
                        name = f"input{tensor},{op},{k}"
                        terms.append(self._when(used, self.arrives[tensor, k], name))
            cp.add_max_equality(self.start[op], terms)

    def _send_as_simulated(self) -> None:
        """Ports are first come first served, by request, tensor and destination; the head of a
        source's queue needs both ports, and of several heads the earliest goes first."""
        cp, case = self.cp, self.case
        keys = [key for key in self.sent if any(map(any, case.delays[key[0]]))]
        asked: dict[tuple[int, int], cp_model.IntVar] = {}
        for i, j in {(a[0], b[0]) for a in keys for b in keys if a[0] < b[0]}:
            first = asked[i, j] = cp.new_bool_var(f"asked{i},{j}")
            ends = self.end[case.producer[i]], self.end[case.producer[j]]
            cp.add(ends[0] <= ends[1]).only_enforce_if(first)
            cp.add(ends[0] > ends[1]).only_enforce_if(first.Not())

        def earlier(a: tuple[int, int], b: tuple[int, int]) -> list:
            """Literals that hold together if a is served before b."""
            if a[0] == b[0]:
                return [] if a[1] < b[1] else [cp.new_constant(0)]
            return [asked[a[0], b[0]]] if a[0] < b[0] else [asked[b[0], a[0]].Not()]

        heads = {}
        for key in keys:
            terms = [self.end[case.producer[key[0]]]]
            for other in keys:
                if other == key:
                    continue
                g, h = (case.group[case.producer[each[0]]] for each in (other, key))
                same = [] if g == h else [self.apart(g, h).Not()]
                literals = [self.sent[other], self.sent[key], *same, *earlier(other, key)]
                terms.append(self._when(literals, self.arrives[other], f"queue{other},{key}"))
            heads[key] = cp.new_int_var(0, 2 * self.length, f"head{key}")
            cp.add_max_equality(heads[key], terms)
        arrived: dict[tuple[int, int], list[cp_model.IntVar]] = {key: [] for key in keys}
        for a in keys:
            for b in keys:
                if a[1] == b[1] and a[0] < b[0]:
                    self._share_port(a, b, heads, arrived, earlier)
        for key in keys:
            served = cp.new_int_var(0, 2 * self.length, f"served{key}")
            cp.add_max_equality(served, [heads[key], *arrived[key]])
            cp.add(self.leaves[key] == served).only_enforce_if(self.sent[key])

    def _share_port(
        self,
        a: tuple[int, int],
        b: tuple[int, int],
        heads: dict[tuple[int, int], cp_model.IntVar],
        arrived: dict[tuple[int, int], list[cp_model.IntVar]],
        earlier: Callable[[tuple[int, int], tuple[int, int]], list],
    ) -> None:
        """Two transfers to one device: one goes first, and had the right to."""
        cp = self.cp
        both = [self.sent[a], self.sent[b]]
        first = {a: cp.new_bool_var(f"first{a},{b}"), b: cp.new_bool_var(f"first{b},{a}")}
        for one, other in ((a, b), (b, a)):
            for literal in both:
                cp.add_implication(first[one], literal)
            cp.add(self.leaves[other] >= self.arrives[one]).only_enforce_if(first[one])
            cp.add(heads[other] > self.leaves[one]).only_enforce_if(
                first[one], *earlier(other, one)
            )
            arrived[other].append(self._when([first[one]], self.arrives[one], f"port{one},{other}"))
        cp.add_bool_or([*(literal.Not() for literal in both), *first.values()])
        cp.add_at_most_one(first.values())

    # -- solving

    def hint(self, placement: np.ndarray, trace: Trace) -> None:
        """Where the search may begin: a decision's placement and starts."""
        if self.case.equal_devices:  # as the model names devices
            placement = _renamed(placement)
        for g, ops in enumerate(self.case.members):
            for k in range(self.d):
                if self.case.problem.placement is None:
                    self.cp.add_hint(self.on[g][k], int(placement[ops[0]] == k))
        for op, start in enumerate((trace.op_start // self.case.unit).tolist()):
            self.cp.add_hint(self.start[op], start)

    def solve(self, seconds: float, seed: int) -> Answer:
        """The best solution found in time, and the bound proven."""
        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = max(seconds, 0.01)
        solver.parameters.num_workers = WORKERS
        solver.parameters.subsolvers.extend(SUBSOLVERS)
        solver.parameters.random_seed = seed % 2**31
        status = solver.solve(self.cp)
        if status == cp_model.INFEASIBLE:
            return Answer(self.length, impossible=True)
        bound = int(np.ceil(solver.best_objective_bound - 1e-6))
        if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
            return Answer(max(bound, 0))
        place = [
            next(k for k in range(self.d) if solver.boolean_value(self.on[g][k]))
            for g in self.case.group
        ]
        start = [solver.value(each) for each in self.start]
        return Answer(
            bound,
            round(solver.objective_value),
            np.array(place, dtype=np.int64),
            np.array(start, dtype=np.int64),
            status == cp_model.OPTIMAL,
        )


def _renamed(placement: np.ndarray) -> np.ndarray:
    """Devices numbered by their first use."""
    names: dict[int, int] = {}
    return np.array([names.setdefault(k, len(names)) for k in placement.tolist()])
