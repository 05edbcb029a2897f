"""Plans against the documented procedure in plain Python, and against a library's graphs."""

import networkx
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.catalogue import datasets
from go_gym.fusion.fused import fuse
from go_gym.fusion.kinds import TYPES, Kind, kind_of
from go_gym.fusion.plan import MAX_PARTS, plan_levels, take_order
from go_gym.graph.validate import validate
from tests.fusion.examples import Rules, aten_problems, fused_decisions


@settings(max_examples=300, deadline=None)
@given(aten_problems(), st.data())
def test_equals_the_documented_procedure(problem, data):
    decision = data.draw(fused_decisions(problem))
    rules = Rules(problem, decision.placement)
    for op in take_order(decision.fusion).tolist():
        rules.take(op)
    fused = fuse(problem, decision)
    plan, graph = fused.plan, fused.problem.graph
    found = {
        int(root): set(plan.parts[plan.part_ptr[i] : plan.part_ptr[i + 1]].tolist())
        for i, root in enumerate(plan.roots)
    }
    borders = rules.read_from_outside()
    assert found == {op: rules.kernels.get(op, {op}) for op in borders}
    reads = {int(root): set() for root in plan.roots}
    for tensor, kernel in zip(graph.use_tensor, graph.use_consumer, strict=True):
        reads[int(plan.roots[kernel])].add(int(fused.tensor_of[tensor]))
    assert reads == borders
    sizes = problem.graph.tensor_bytes
    written = {op: int(sizes[list(rules.written.get(op, ()))].sum()) for op in borders}
    assert dict(zip(plan.roots.tolist(), plan.written.tolist(), strict=True)) == written


@settings(max_examples=200, deadline=None)
@given(aten_problems(max_ops=30), st.data())
def test_the_fused_graph_is_whole_and_has_no_cycle(problem, data):
    decision = data.draw(fused_decisions(problem))
    fused = fuse(problem, decision)
    graph, plan = fused.problem.graph, fused.plan
    validate(graph)
    net = networkx.DiGraph()
    net.add_nodes_from(range(graph.num_ops))
    net.add_edges_from(zip(graph.use_producer.tolist(), graph.use_consumer.tolist(), strict=True))
    assert networkx.is_directed_acyclic_graph(net)
    place = np.asarray(decision.placement)
    owner = np.repeat(np.arange(plan.num_kernels), np.diff(plan.part_ptr))
    assert (place[plan.parts] == place[plan.roots][owner]).all()
    assert np.diff(plan.part_ptr).max() <= MAX_PARTS
    costing = np.flatnonzero(~problem.graph.is_free)
    assert np.isin(costing, plan.parts).all(), "every op that costs something is computed"
    assert (fused.kernel_of(problem.graph) >= 0).all()


@settings(max_examples=100, deadline=None)
@given(aten_problems(max_ops=30), st.data())
def test_reachability_among_what_stays_is_kept(problem, data):
    """A kernel depends on another one's output if and only if its root did, or it reads it."""
    decision = data.draw(fused_decisions(problem))
    fused = fuse(problem, decision)
    nets = []
    for graph in (problem.graph, fused.problem.graph):
        net = networkx.DiGraph()
        net.add_nodes_from(range(graph.num_ops))
        pairs = zip(graph.use_producer.tolist(), graph.use_consumer.tolist(), strict=True)
        net.add_edges_from(pairs)
        nets.append(net)
    before, after = nets
    roots = fused.plan.roots
    for i, j in after.edges:
        assert networkx.has_path(before, int(roots[i]), int(roots[j]))


def test_the_procedure_on_a_real_graph():
    """Every kernel of a real plan is legal, and what disappeared is in all that read it."""
    problem = go_gym.Problem(datasets.load("rnnlm-2"), go_gym.load_cluster("p100x2"), "joint")
    rng = np.random.default_rng(1)
    decision = go_gym.Decision(
        np.zeros(problem.num_ops, dtype=int), fusion=rng.integers(0, 20, problem.num_ops)
    )
    rules = Rules(problem, decision.placement)
    plan = plan_levels(problem.graph, decision.placement, decision.fusion)
    sizes = np.diff(plan.part_ptr)
    assert (sizes > 1).sum() > 200
    for i in np.flatnonzero(sizes > 1).tolist():
        parts = set(plan.parts[plan.part_ptr[i] : plan.part_ptr[i + 1]].tolist())
        assert rules.is_legal(parts, int(plan.roots[i]))
    validate(fuse(problem, decision).problem.graph)


def test_order_is_by_level_then_topological():
    assert take_order(np.array([1, 0, 3, 1, 3])).tolist() == [2, 4, 0, 3]


def test_kinds():
    names = [name for text in TYPES.values() for name in text.split()]
    assert len(names) == len(set(names)), "a type is of one kind"
    assert kind_of("aten.add.Tensor") == kind_of("aten.relu") == Kind.ELEMENTWISE
    assert kind_of("aten.mm") == Kind.PRODUCT
    assert kind_of("aten._softmax") == Kind.REDUCTION
    for unknown in ("op", "mul", "onnx.Add", "aten.unheard_of", "parameter"):
        assert kind_of(unknown) == Kind.OPAQUE


def test_nearly_all_work_of_the_datasets_is_of_a_known_kind():
    for name in ("inception-b32", "transformer-xl-2", "rnnlm-2", "wavenet-2x18"):
        graph = datasets.load(name)
        known = np.array([kind_of(kind) != Kind.OPAQUE for kind in graph.op_types])
        assert known[graph.op_type[~graph.is_free]].mean() > 0.98
