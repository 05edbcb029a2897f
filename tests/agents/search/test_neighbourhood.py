"""The neighbourhood: what a move changes, how often it does what, and a plain way to draw it."""

import numpy as np
import pytest
from go_agents.common.critical import Focus
from go_agents.search.encoding import Encoding
from go_agents.search.neighbourhood import ELSEWHERE, FOLLOWING, RELIEVING, Neighbourhood, Shares
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym.catalogue.problems import make_problem
from go_gym.partitions import Hierarchy
from go_gym.partitions.structure import structural_partitions
from go_gym.partitions.units import smallest_units
from tests.agents.go.test_network import layered
from tests.strategies import problems

COUNT = 4000


def of(problem, task="placement", shares=None):
    """Encoding, hierarchy and neighbourhood of a task on the problem's graph and cluster."""
    problem = make_problem(problem.graph, problem.cluster, task)
    encoding = Encoding(problem, smallest_units(problem))
    hierarchy = Hierarchy.of(structural_partitions(problem, encoding.units))
    return encoding, hierarchy, Neighbourhood(encoding, hierarchy, shares)


def drawn(problem, task="placement", shares=None, count=COUNT, focus=None, progress=0.5):
    """A random genome and moves from it."""
    encoding, hierarchy, neighbourhood = of(problem, task, shares)
    random = np.random.default_rng(0)
    genome = np.stack([random.integers(0, v, encoding.units.count) for v in encoding.values])
    busy = np.arange(problem.num_devices)[::-1]
    moves = neighbourhood.draw(genome, focus or Focus.unknown(), busy, progress, count, random)
    return encoding, hierarchy, genome, moves


def plain_move(encoding, hierarchy, shares, levels, focus, busy, genome, random):
    """A changed genome, the rules of a move written out one after the other."""
    row, columns = 0, len(genome)
    if columns > 1 and random.random() >= shares.first:
        row = int(random.integers(columns))
    level = hierarchy[int(np.searchsorted(levels, random.random() * levels[-1]))]
    if len(focus.units) and random.random() < shares.critical:
        pivot = focus.units[np.searchsorted(focus.cumulative, random.random())]
        members = level.members(level.part_of[pivot])
    else:
        members = level.members(int(random.integers(level.count)))
        pivot = members[random.integers(len(members))]
    old, values = genome[row, pivot], encoding.values[row]
    if random.random() >= shares.whole:
        members = members[genome[row, members] == old]
    if len(members) > 1 and random.random() < shares.halve:
        cut = random.integers(1, len(members))
        members = members[:cut] if random.random() < 0.5 else members[cut:]
    kind, new = random.random(), None
    if encoding.columns[row] == "placement":
        if kind < shares.follow:
            pointers, others = encoding.units.neighbours
            for _ in range(4):
                unit = members[random.integers(len(members))]
                near = others[pointers[unit] : pointers[unit + 1]]
                if len(near) and (device := genome[row, near[random.integers(len(near))]]) != old:
                    new = device
                    break
        elif kind < shares.follow + shares.relieve and busy.argmin() != old:
            new = busy.argmin()
    elif kind < shares.step:
        step = 1 if random.random() < 0.5 else -1
        new = min(max(old + step, 0), values - 1)
    if new is None:
        new = (old + random.integers(1, values)) % values if values > 1 else 0
    changed = genome.copy()
    if encoding.columns[row] == "placement" and random.random() < shares.swap:
        other = level.members(int(random.integers(level.count)))
        changed[row, other[genome[row, other] == new]] = old
    changed[row, members] = new
    return changed


def check_against_plain_rules(problem, task, seed, critical, shares, progress, count):
    """The same moves from the same chance, of which both take as much."""
    encoding, hierarchy, neighbourhood = of(problem, task, shares)
    random = np.random.default_rng(seed)
    genome = np.stack([random.integers(0, v, encoding.units.count) for v in encoding.values])
    busy = random.integers(0, 5, problem.num_devices)
    focus = Focus.unknown()
    if critical:
        focus = Focus(random.integers(0, encoding.units.count, 3), np.array([0.2, 0.9, 1.0]))
    plain, random = np.random.default_rng(seed), np.random.default_rng(seed)
    moves = neighbourhood.draw(genome, focus, busy, progress, count, random)
    levels = neighbourhood.levels.cumulative(progress)
    for number in range(count):
        expected = plain_move(encoding, hierarchy, shares, levels, focus, busy, genome, plain)
        assert np.array_equal(moves.applied(number, genome), expected)
    assert random.bit_generator.state == plain.bit_generator.state


@settings(max_examples=40, deadline=None)
@given(
    problem=problems(),
    task=st.sampled_from(["placement", "scheduling", "fusion", "joint"]),
    seed=st.integers(0, 99),
    critical=st.booleans(),
)
def test_moves_are_those_of_the_plain_rules(problem, task, seed, critical):
    check_against_plain_rules(problem, task, seed, critical, Shares(), 0.7, 30)


@pytest.mark.parametrize("shares", [Shares(), Shares(whole=1.0, halve=0.0, swap=1.0)])
@pytest.mark.parametrize("task", ["placement", "joint"])
def test_moves_of_large_parts_are_those_of_the_plain_rules(task, shares):
    check_against_plain_rules(layered(60), task, 0, True, shares, 0.1, 500)


@settings(max_examples=40, deadline=None)
@given(problem=problems(), task=st.sampled_from(["placement", "joint", "fusion"]))
def test_a_move_changes_units_of_a_part_in_one_column_to_one_value(problem, task):
    encoding, hierarchy, genome, moves = drawn(problem, task, count=60)
    assert len(moves) == 60
    for number, move in enumerate(moves.drawn):
        part = slice(moves.pointers[number], moves.pointers[number + 1])
        units, values = moves.units[part], moves.values[part]
        changed = moves.applied(number, genome)
        differs = np.argwhere(changed != genome)
        assert len(units) == len(set(units.tolist())) >= 1
        if len(differs):
            assert set(differs[:, 0]) == {move["column"]}
            assert set(differs[:, 1]) == set(units.tolist())
        assert values.min() >= 0 and values.max() < encoding.values[move["column"]]
        level = hierarchy[int(move["level"])]
        moved = units[: move["moved"]]
        assert len(set(level.part_of[moved].tolist())) <= 1, "of one part"
        assert (values[: move["moved"]] == move["value"]).all()
        back = units[move["moved"] :]
        if len(differs) and len(back):
            assert move["swap"] and (values[move["moved"] :] == move["old"]).all()
            assert (genome[move["column"], back] == move["value"]).all()
            assert len(set(level.part_of[back].tolist())) == 1, "of one other part"


def test_moves_do_what_their_shares_say():
    *_, moves = drawn(layered(60), "joint")
    made, shares = moves.drawn, Shares()
    column, placing = made["column"], made["column"] == 0
    assert np.mean(placing) == pytest.approx(shares.first + (1 - shares.first) / 3, abs=0.03)
    assert np.mean(column == 1) == pytest.approx((1 - shares.first) / 3, abs=0.03)
    assert np.mean(made["whole"]) == pytest.approx(shares.whole, abs=0.03)
    assert np.mean(made["swap"][placing]) == pytest.approx(shares.swap, abs=0.03)
    assert not made["swap"][~placing].any() and not made["critical"].any()
    relieves = made["way"][placing & (made["old"] != 2)] == RELIEVING
    assert np.mean(relieves) == pytest.approx(shares.relieve, abs=0.03)
    assert (made["value"][made["way"] == RELIEVING] == 2).all(), "the least busy device"
    ranks = made[~placing]
    near = np.abs(ranks["value"] - ranks["old"]) <= 1
    others = 1 - shares.step
    assert np.mean(near) == pytest.approx(shares.step + others * 2 / 17, abs=0.05)
    assert (ranks["way"] == ELSEWHERE).all()


def test_a_follower_goes_where_a_neighbour_is():
    shares = Shares(follow=1.0, swap=0.0)
    encoding, hierarchy, genome, moves = drawn(layered(60), shares=shares, progress=1.0)
    pointers, others = encoding.units.neighbours
    made = moves.drawn
    assert (made["value"] != made["old"]).all()
    single = np.flatnonzero((made["way"] == FOLLOWING) & (made["level"] == len(hierarchy) - 1))
    assert len(single) > COUNT / 4
    for number in single:
        unit = moves.units[moves.pointers[number]]
        near = genome[0, others[pointers[unit] : pointers[unit + 1]]]
        assert made["value"][number] in near


def test_critical_moves_begin_as_often_as_the_units_answer_for_the_step():
    units = np.array([7, 3, 7, 9])
    focus = Focus(units, np.cumsum([0.2, 0.5, 0.1, 0.2]))
    shares = Shares(critical=1.0, halve=0.0, whole=0.0, swap=0.0)
    _, hierarchy, _, moves = drawn(layered(60), shares=shares, focus=focus, progress=1.0)
    assert moves.drawn["critical"].all()
    finest = moves.drawn["level"] == len(hierarchy) - 1
    begun = moves.units[moves.pointers[:-1]][finest]
    assert set(begun.tolist()) == {3, 7, 9}
    assert np.mean(begun == 3) == pytest.approx(0.5, abs=0.06)
    assert np.mean(begun == 7) == pytest.approx(0.3, abs=0.06)


def test_levels_are_drawn_by_their_weights():
    _, hierarchy, neighbourhood = of(layered(60))
    *_, moves = drawn(layered(60))
    weights = np.diff(neighbourhood.levels.cumulative(0.5), prepend=0.0)
    counts = np.bincount(moves.drawn["level"], minlength=len(hierarchy))
    assert counts / COUNT == pytest.approx(weights / weights.sum(), abs=0.03)


def test_a_value_that_has_no_other_is_no_change():
    encoding, _, neighbourhood = of(layered(20))
    neighbourhood.values[:] = 1
    genome = np.zeros((1, encoding.units.count), dtype=np.int64)
    random = np.random.default_rng(0)
    moves = neighbourhood.draw(genome, Focus.unknown(), np.zeros(3), 0.5, 50, random)
    for number in range(50):
        assert np.array_equal(moves.applied(number, genome), genome)
