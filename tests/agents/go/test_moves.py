"""Moves on offer: they change what they say, and what is known of them is true."""

import itertools

import numpy as np
from go_agents.common.step_view import BINS, StepView, slacks, step_view
from go_agents.common.traced import traced
from go_agents.go.moves import MoveOffer
from hypothesis import given, settings
from hypothesis import strategies as st

import go_gym
from go_gym.partitions.structure import dense_hierarchy
from go_gym.partitions.units import chain_units
from tests.agents.go.test_network import layered
from tests.fusion.examples import aten_problems, fused_decisions
from tests.strategies import problems

COLUMNS, VALUES = ("fusion", "placement"), (8, 3)


def offered(problem, count=200, seed=0):
    units = chain_units(problem, merge_chains=False)
    levels = dense_hierarchy(problem, units, (4, 16))
    values = (8, problem.num_devices)
    offer = MoveOffer(problem, units, levels, COLUMNS, values)
    random = np.random.default_rng(seed)
    genome = np.stack([random.integers(0, v, units.count) for v in values])
    placement = genome[1][units.part_of]
    result = go_gym.simulate(problem, go_gym.Decision(placement), trace=True)
    decision = go_gym.Decision(placement)
    view = step_view(units, traced(problem, decision, result.trace))
    at = random.integers(0, len(levels), count)
    moves = offer.offer(genome, genome[1], result.busy_ns, view, at, 0.5, random)
    return units, levels, offer, genome, result, view, at, moves


@settings(max_examples=25, deadline=None)
@given(problem=problems())
def test_a_move_changes_units_to_other_values_of_its_column(problem):
    _, _, offer, genome, _, _, _, moves = offered(problem, 30)
    for move in range(30):
        part = slice(moves.pointers[move], moves.pointers[move + 1])
        units, row = moves.units[part], moves.column[move]
        changed = moves.applied(move, genome)
        differs = np.argwhere(changed != genome)
        assert len(differs) == len(units) == len(set(units.tolist())) >= 1
        assert set(differs[:, 0]) == {row} and set(differs[:, 1]) == set(units.tolist())
        assert changed[row].min() >= 0 and changed[row].max() < offer.values[row]
        assert moves.key[move] == offer.key(changed)
        assert moves.key[move] != offer.key(genome)
        assert set(moves.sampled[move].tolist()) <= set(units.tolist())
    assert np.isfinite(moves.features).all()


def test_without_a_swap_a_move_is_part_of_a_cluster_and_goes_one_way():
    _, levels, _, _, _, _, at, moves = offered(layered(60))
    swapped = moves.features[:, 24] > 0
    assert swapped.any()
    for move in np.flatnonzero(~swapped):
        part = slice(moves.pointers[move], moves.pointers[move + 1])
        assert len(set(levels[at[move]].part_of[moves.units[part]].tolist())) == 1
        assert set(moves.values[part].tolist()) == {moves.value[move]}


def test_what_is_known_of_a_move_written_out():
    problem = layered(60)
    units, _, _, genome, result, view, _, moves = offered(problem)
    slowness = np.mean([link.ns_per_byte for link in problem.cluster.links])
    mean, checked = result.busy_ns.mean(), 0
    for move in range(len(moves.column)):
        part = slice(moves.pointers[move], moves.pointers[move + 1])
        changed = set(moves.units[part].tolist())
        f = moves.features[move]
        if moves.column[move] != 1 or f[24] > 0:
            continue
        new, old = moves.value[move], genome[1, moves.sampled[move, 0]]
        if len({genome[1, unit] for unit in changed}) > 1:
            continue
        checked += 1
        tied = np.zeros(3)
        for source, target, size in zip(units.source, units.target, units.size, strict=True):
            if (source in changed) != (target in changed):
                other = target if source in changed else source
                tied[genome[1, other]] += size * slowness
        members = sorted(changed)
        work = units.work[members].sum()
        assert np.isclose(f[13], (tied[new] - tied[old]) / max(tied.sum(), 1), atol=1e-5)
        assert np.isclose(f[4], view.slack[members].min() / view.step, atol=1e-5)
        assert np.isclose(f[2], np.log1p(100 * view.focus[members].sum()), atol=1e-5)
        balance = (result.busy_ns[old] - result.busy_ns[new] - work) / mean
        assert np.isclose(f[19], np.clip(balance, -3, 3), atol=1e-5)
    assert checked > 20


def test_without_a_trace_nothing_begins_on_a_chain():
    problem = layered(60)
    units = chain_units(problem, merge_chains=False)
    levels = dense_hierarchy(problem, units, (4, 16))
    offer = MoveOffer(problem, units, levels, ("placement",), (3,))
    genome, random = np.zeros((1, units.count), dtype=np.int64), np.random.default_rng(0)
    at, view = np.zeros(50, dtype=np.int64), StepView.unknown(units.count, 3)
    moves = offer.offer(genome, genome[0], np.zeros(3), view, at, 0.0, random)
    assert not moves.features[:, 9].any()
    assert np.isfinite(moves.features).all()


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_slack_is_by_how_much_an_op_may_be_longer(problem):
    """Each device's order and the transfers as they were: longest paths written out."""
    placement = np.random.default_rng(0).integers(0, problem.num_devices, problem.graph.num_ops)
    placement = placement[problem.colocation_leader]
    decision = go_gym.Decision(placement)
    trace = go_gym.simulate(problem, decision, trace=True).trace
    slack, graph = slacks(traced(problem, decision, trace)), problem.graph
    took = {
        (int(t), int(d)): int(finish - trace.op_finish[graph.tensor_producer[t]])
        for t, d, finish in zip(
            trace.transfer_tensor,
            trace.transfer_destination,
            trace.transfer_finish,
            strict=True,
        )
    }
    after: list[list[tuple[int, int]]] = [[] for _ in range(graph.num_ops)]
    for use in range(graph.num_uses):
        producer, consumer = int(graph.use_producer[use]), int(graph.use_consumer[use])
        apart = placement[producer] != placement[consumer]
        key = int(graph.use_tensor[use]), int(placement[consumer])
        after[producer].append((consumer, took[key] if apart else 0))
    order = sorted(range(graph.num_ops), key=lambda i: (trace.op_start[i], trace.op_finish[i], i))
    for device in range(problem.num_devices):
        mine = [op for op in order if placement[op] == device]
        for first, second in itertools.pairwise(mine):
            after[first].append((second, 0))
    tail = np.zeros(graph.num_ops)
    for op in reversed(order):
        for other, delay in after[op]:
            duration = trace.op_finish[other] - trace.op_start[other]
            tail[op] = max(tail[op], delay + duration + tail[other])
    expected = trace.op_finish.max() - trace.op_finish - tail
    assert np.allclose(slack, np.maximum(expected, 0))


def test_idle_time_is_what_ops_leave():
    problem = layered(60)
    _, _, _, _, result, view, _, _ = offered(problem)
    left = view.idle[:, -1] / BINS * view.step
    assert np.allclose(left, result.step_time_ns - result.busy_ns)


@settings(max_examples=60, deadline=None)
@given(aten_problems(max_ops=24), st.data())
def test_a_view_of_a_fused_step(problem, data):
    """Units begin and end with their ops in the trace, which kernels run together; the chain takes
    the whole step, and what is on it cannot end later."""
    decision = data.draw(fused_decisions(problem))
    result = go_gym.simulate(problem, decision, trace=True)
    units = chain_units(problem, merge_chains=False)
    view = step_view(units, traced(problem, decision, result.trace))
    for unit in range(units.count):
        mine = units.part_of == unit
        assert view.start[unit] == result.trace.op_start[mine].min()
        assert view.finish[unit] == result.trace.op_finish[mine].max()
    assert (view.slack >= 0).all() and np.isfinite(view.slack).all()
    if result.step_time_ns:
        assert np.isclose(view.focus.sum(), 1)
    busy = view.step - view.idle[:, -1] / BINS * view.step
    assert np.allclose(busy, result.busy_ns)
