"""Random graphs of ATen ops, small and awkward on purpose; the rules of fusion in plain Python."""

import numpy as np
from hypothesis import strategies as st

import go_gym
from go_gym.cluster import Cluster, Device
from go_gym.fusion.kinds import Kind, kind_of
from go_gym.fusion.plan import MAX_COPIED, MAX_COPIES, MAX_PARTS
from go_gym.graph import Alias, Outlives

TYPES = ["aten.mul.Tensor", "aten.tanh", "aten.cat", "aten.sum.dim_IntList", "aten.mm", "mystery"]
WEIGHTS = [0.35, 0.2, 0.1, 0.12, 0.13, 0.1]


@st.composite
def aten_problems(draw, max_ops: int = 16, devices: int = 3) -> go_gym.Problem:
    """A joint problem of random ops, views of several steps, parameters and co-location."""
    n = draw(st.integers(1, max_ops))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tensors, uses, aliases, types, shapes = [], [], [], [], []
    flops, read, written, parameters, lasting = [], [], [], [], []
    for op in range(n):
        earlier = len(tensors)
        count = min(earlier, int(rng.choice([0, 1, 1, 2, 2, 3])))
        mine = sorted(rng.choice(earlier, size=count, replace=False).tolist()) if count else []
        uses += [(tensor, op) for tensor in mine]
        free = rng.random() < 0.3
        is_view = free and len(mine) == 1
        types.append("aten.view" if is_view else str(rng.choice(TYPES, p=WEIGHTS)))
        shapes.append((int(rng.choice([2, 2, 2, 4])),))
        costs = [0, 0, 0] if free else rng.integers(1, 9, 3).tolist()
        for column, cost in zip((flops, read, written), costs, strict=True):
            column.append(cost)
        parameters.append(int(free and not mine) * 3)
        for _ in range(int(rng.choice([1, 1, 1, 2, 0])) if op else 1):
            tensors.append((op, int(rng.integers(0, 9))))
            resident = free and not mine
            aliases.append(mine[0] if is_view else Alias.PARAMETER if resident else Alias.OWN)
            own = aliases[-1] == Alias.OWN
            lasting.append(int(rng.choice([0, 0, 0, 1, 2 if own else 0])))
    graph = go_gym.ComputationGraph.from_arrays(
        "random",
        num_ops=n,
        tensors=tensors,
        uses=uses,
        aliases=aliases,
        outlives=lasting if draw(st.booleans()) else None,
        op_types=types,
        shapes=shapes,
        flops=flops,
        bytes_read=read,
        bytes_written=written,
        parameter_bytes=parameters,
        dtypes=rng.choice(["float32", "float16"], n).tolist(),
        colocation=np.where(rng.random(n) < 0.2, 0, -1) if draw(st.booleans()) else None,
    )
    count = draw(st.integers(1, devices))
    made = [
        Device(f"d{i}", f"kind{i % 2}", {"float32": 1e9, "float16": 2e9}, 1e9 * (1 + i % 2), 60, 2)
        for i in range(count)
    ]
    bandwidth, latency = np.full((count, count), 1e9), np.ones((count, count), dtype=int)
    return go_gym.Problem(graph, Cluster.from_matrix("c", made, bandwidth, latency), "joint")


@st.composite
def fused_decisions(draw, problem: go_gym.Problem) -> go_gym.Decision:
    """A random placement, levels, and sometimes priorities."""
    n = problem.num_ops
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    placement = rng.integers(0, problem.num_devices, n)
    if draw(st.booleans()):
        placement[:] = placement[0]
    priority = rng.integers(0, 4, n) if draw(st.booleans()) else None
    return go_gym.Decision(placement, priority, rng.integers(0, 4, n))


class Rules:
    """The documented procedure, with sets and recursion; see ``go_gym.fusion.plan``."""

    def __init__(self, problem: go_gym.Problem, placement: np.ndarray) -> None:
        graph = self.graph = problem.graph
        self.place = placement.tolist()
        n = graph.num_ops
        self.inputs = [[] for _ in range(n)]
        for tensor, op in zip(graph.use_tensor.tolist(), graph.use_consumer.tolist(), strict=True):
            self.inputs[op].append(tensor)
        self.maker = graph.tensor_producer.tolist()
        self.readers = [set() for _ in range(n)]
        for op in range(n):
            for tensor in self.inputs[op]:
                self.readers[self.maker[tensor]].add(op)
        self.kind = [self.kind_of(op) for op in range(n)]
        self.kernels = {op: {op} for op in range(n) if self.kind[op] != Kind.VIEW}
        self.written: dict[int, set[int]] = {op: set() for op in self.kernels}  # others' results

    def kind_of(self, op: int) -> Kind:
        graph = self.graph
        outputs = [t for t, maker in enumerate(self.maker) if maker == op]
        alias = {int(graph.tensor_alias[t]) for t in outputs}
        free = bool(graph.is_free[op])
        if free and len(self.inputs[op]) == 1 and alias == set(self.inputs[op]):
            return Kind.VIEW if graph.parameter_bytes[op] == 0 else Kind.OPAQUE
        if free or alias - {Alias.OWN} or graph.parameter_bytes[op]:
            return Kind.OPAQUE
        return kind_of(graph.op_types[graph.op_type[op]])

    def base(self, op: int) -> int:
        return self.base(self.maker[self.inputs[op][0]]) if self.kind[op] == Kind.VIEW else op

    def views(self, op: int) -> set[int]:
        """The views of a node, and their views."""
        return {v for v, kind in enumerate(self.kind) if kind == Kind.VIEW and self.base(v) == op}

    def nodes_read(self, op: int) -> set[int]:
        return {self.base(self.maker[tensor]) for tensor in self.inputs[op]}

    def unread(self, op: int) -> set[int]:
        """What nothing reads of an op: of a view all of it, else what is not empty; and what is
        held beyond the step."""
        own = {tensor for tensor, maker in enumerate(self.maker) if maker == op}
        held = {tensor for tensor in own if self.graph.tensor_outlives[tensor] == Outlives.HELD}
        if self.kind[op] != Kind.VIEW:
            own = {tensor for tensor in own if self.graph.tensor_bytes[tensor] > 0}
        return own.difference(*self.inputs) | held

    def in_place(self, op: int) -> set[int]:
        """Its tensors that are written over resident bytes."""
        over = np.flatnonzero(self.graph.tensor_outlives == Outlives.IN_PLACE).tolist()
        return {tensor for tensor in over if self.maker[tensor] == op}

    def is_result(self, op: int) -> bool:
        return any(self.unread(shown) for shown in {op} | self.views(op))

    def is_legal(self, parts: set[int], root: int) -> bool:
        heroes = [p for p in parts if self.kind[p] in (Kind.REDUCTION, Kind.PRODUCT)]
        if len(parts) > MAX_PARTS or len({self.place[p] for p in parts}) > 1 or len(heroes) > 1:
            return False
        if any(self.kind[p] == Kind.OPAQUE for p in parts):
            return False
        products = [p for p in heroes if self.kind[p] == Kind.PRODUCT]
        size = [np.prod(np.maximum(self.graph.shape[p], 1)) for p in (root, *products)]
        return not products or (
            all(self.kind[p] == Kind.ELEMENTWISE for p in parts - set(products))
            and not self.nodes_read(products[0]) & parts
            and size[0] == size[1]
        )

    def take(self, op: int) -> None:
        if self.kind[op] in (Kind.OPAQUE, Kind.VIEW) or op not in self.kernels:
            return
        if any(self.place[view] != self.place[op] for view in self.views(op)):
            return
        mine = self.kernels[op]
        reading = [
            root
            for root, parts in self.kernels.items()
            if op not in parts and any(op in self.nodes_read(part) for part in parts)
        ]
        copied = len(reading) > 1 or self.is_result(op)
        costly = any(self.kind[p] >= Kind.REDUCTION for p in mine) or len(mine) > MAX_COPIED
        if not reading or len(reading) > MAX_COPIES or (copied and (costly or self.written[op])):
            return
        took = [root for root in reading if self.is_legal(self.kernels[root] | mine, root)]
        for root in took:
            self.kernels[root] = self.kernels[root] | mine
        if took != reading or self.is_result(op):
            return
        if len(reading) == 1:
            self.written[reading[0]] |= self.written[op] | self.in_place(op)
        elif self.in_place(op):
            return
        del self.kernels[op]

    def read_from_outside(self) -> dict[int, set[int]]:
        """Of each kernel, and each view that stays, the tensors that it reads."""
        found = {
            root: {
                tensor
                for part in parts
                for tensor in self.inputs[part]
                if self.base(self.maker[tensor]) not in parts
            }
            for root, parts in self.kernels.items()
        }
        wanted = {self.maker[tensor] for tensors in found.values() for tensor in tensors}
        wanted |= {op for op in range(self.graph.num_ops) if self.unread(op)}
        for op in range(self.graph.num_ops - 1, -1, -1):
            if self.kind[op] == Kind.VIEW and op in wanted:
                found[op] = set(self.inputs[op])
                wanted |= {self.maker[tensor] for tensor in self.inputs[op]}
        return found
