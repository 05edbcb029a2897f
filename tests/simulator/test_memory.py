"""Peak memory worked out by hand; bandwidth 1e9, so a tensor of ``x`` bytes takes ``x`` ns."""

import pytest

import go_gym
from go_gym.cluster import CONTENTION_MODELS
from go_gym.simulator import ColocationBroken, OutOfMemory, simulate, simulate_reference

BOTH = pytest.mark.parametrize("run", [simulate, simulate_reference], ids=["engine", "reference"])
MODELS = pytest.mark.parametrize("contention", CONTENTION_MODELS)
PARAMETER = go_gym.Alias.PARAMETER
OWN = go_gym.Alias.OWN


def play(run, durations, tensors, uses, placement, memory=None, contention="duplex", **columns):
    graph = go_gym.ComputationGraph.from_costs(durations, tensors, uses, **columns)
    cluster = go_gym.Cluster.uniform(devices=3, bandwidth=1e9, memory=memory, contention=contention)
    return run(go_gym.Problem(graph, cluster), go_gym.Decision(placement=placement))


def peaks(*args, **kwargs):
    return play(*args, **kwargs).peak_memory.tolist()


CHAIN = ([10, 10, 10], [(0, 5), (1, 7)], [(0, 1), (1, 2)])
"""A makes 5 bytes, B makes 7 of them, C uses those."""


@BOTH
def test_parameters_are_resident_on_the_device_of_their_op(run):
    found = peaks(run, [1, 1, 1], [], [], [0, 1, 1], parameter_bytes=[100, 50, 7])
    assert found == [100, 57, 0]


@BOTH
def test_an_input_is_held_while_its_consumer_runs_and_freed_after(run):
    assert peaks(run, *CHAIN, [0, 0, 0]) == [12, 0, 0]
    longer = ([10] * 4, [(0, 5), (1, 7), (2, 1)], [(0, 1), (1, 2), (2, 3)])
    assert peaks(run, *longer, [0] * 4, parameter_bytes=[0, 0, 0, 20]) == [32, 0, 0]


@BOTH
@MODELS
def test_a_copy_is_held_from_its_transfer_to_its_last_consumer(run, contention):
    found = peaks(run, [10, 10], [(0, 5), (1, 3)], [(0, 1)], [0, 1], contention=contention)
    assert found == [5, 8, 0]
    # Two consumers of one copy: 5 + 3 while the first runs, 5 + 3 + 2 while the second does.
    both = ([10, 10, 10, 1], [(0, 5), (1, 3), (2, 2)], [(0, 1), (0, 2), (1, 3)])
    assert peaks(run, *both, [0, 1, 1, 1], contention=contention) == [5, 10, 0]


@BOTH
@MODELS
def test_an_output_is_held_until_its_last_transfer_has_left(run, contention):
    """A's 50 bytes leave during 10–60, while C (4 bytes) and D (6 bytes) run on device 0."""
    found = peaks(
        run,
        [10, 10, 10, 10],
        [(0, 50), (2, 4), (3, 6)],
        [(0, 1), (0, 2), (1, 3)],
        [0, 1, 0, 0],
        contention=contention,
    )
    assert found == [60, 50, 0]


@BOTH
@MODELS
def test_a_copy_is_allocated_as_its_transfer_starts_not_as_it_is_asked_for(run, contention):
    """Two tensors of 20 bytes leave for device 1 at 10; C, which uses the first, ends at 31."""
    found = peaks(
        run, [10, 1, 1], [(0, 20), (0, 20)], [(0, 1), (1, 2)], [0, 1, 1], contention=contention
    )
    assert found == [40, 40, 0]
    # With a third tensor of the same size the first is gone when a port sends it: 31 < 50.
    three = ([10, 1, 1, 1], [(0, 20)] * 3, [(0, 1), (1, 2), (2, 3)])
    free = contention == "none"
    assert peaks(run, *three, [0, 1, 1, 1], contention=contention) == [60, 60 if free else 40, 0]


@BOTH
def test_views_hold_the_storage_until_the_last_consumer_of_the_last_view(run):
    """A (8 bytes) → V, a view → B (3 bytes)."""
    one = ([10, 0, 10], [(0, 8), (1, 8), (2, 3)], [(0, 1), (1, 2)])
    assert peaks(run, *one, [0] * 3, aliases=[OWN, 0, OWN]) == [11, 0, 0]
    # with storage of its own it takes over from A at one moment: 8 bytes, then 8 + 3
    assert peaks(run, *one, [0] * 3) == [11, 0, 0]
    # A → V → W → B → C: a view of a view; storage is free once B has run, so C's 9 stand alone.
    chain = (
        [10, 0, 0, 10, 10],
        [(0, 8), (1, 8), (2, 8), (3, 3), (4, 9)],
        [(0, 1), (1, 2), (2, 3), (3, 4)],
    )
    assert peaks(run, *chain, [0] * 5, aliases=[OWN, 0, 1, OWN, OWN]) == [12, 0, 0]


@BOTH
@pytest.mark.parametrize("longer", [0, 1])
def test_the_longer_of_two_views_counts(run, longer):
    """A makes 8 bytes; views V and W; B uses V at 10, C uses W at 20; then D makes 5."""
    last = 3 + longer  # D waits for B alone, or for C
    found = peaks(
        run,
        [10, 0, 0, 10, 10, 10],
        [(0, 8), (1, 8), (2, 8), (3, 1), (4, 1), (5, 5)],
        [(0, 1), (0, 2), (1, 3), (2, 4), (last, 5)],
        [0] * 6,
        aliases=[OWN, 0, 0, OWN, OWN, OWN],
    )
    # B is at 10–20 and C at 20–30. If nobody uses B's byte it goes at 20: then 8 + 1 during B,
    # 8 + 1 during C, 1 + 5 during D. If D uses it, 8 + 1 + 1 during C.
    assert found == [9 if longer else 10, 0, 0]


@BOTH
def test_an_unused_view_lets_its_storage_go(run):
    """A (8 bytes) → V, a view for nobody, and A's byte for C → C makes 3 after V."""
    case = ([10, 0, 10, 10], [(0, 8), (0, 1), (1, 8), (2, 3), (3, 4)], [(0, 1), (1, 2), (3, 3)])
    assert peaks(run, *case, [0] * 4, aliases=[OWN, OWN, 0, OWN, OWN]) == [9, 0, 0]


@BOTH
@MODELS
def test_a_copy_of_a_view_takes_its_bytes_and_holds_the_storage(run, contention):
    """A (8) and its view V on device 0; B on device 1 uses V and makes 3; D then makes 4 on 0."""
    found = peaks(
        run,
        [10, 0, 10, 1],
        [(0, 8), (1, 6), (2, 3), (3, 4)],
        [(0, 1), (1, 2), (1, 3)],
        [0, 0, 1, 0],
        contention=contention,
        aliases=[OWN, 0, OWN, OWN],
    )
    assert found == [12, 9, 0]


@BOTH
def test_a_view_of_a_copy_takes_nothing_and_holds_the_copy(run):
    """A on device 0; its copy, the view V of the copy and V's consumer B (3 bytes) on device 1."""
    found = peaks(
        run,
        [10, 0, 10],
        [(0, 8), (1, 8), (2, 3)],
        [(0, 1), (1, 2)],
        [0, 1, 1],
        aliases=[OWN, 0, OWN],
    )
    assert found == [8, 11, 0]


@BOTH
def test_a_tensor_that_is_a_parameter_costs_nothing_at_home_but_its_copies_do(run):
    case = ([0, 10], [(0, 20), (1, 3)], [(0, 1)])
    columns = {"parameter_bytes": [20, 0], "aliases": [PARAMETER, OWN]}
    assert peaks(run, *case, [0, 0], **columns) == [23, 0, 0]
    assert peaks(run, *case, [0, 1], **columns) == [20, 23, 0]


@BOTH
def test_dead_outputs_are_held_while_their_op_runs(run):
    """A makes 9 bytes for nobody and 1 for B, which makes 4: 10 during A, 5 during B."""
    assert peaks(run, [10, 10], [(0, 9), (0, 1), (1, 4)], [(1, 1)], [0, 0]) == [10, 0, 0]
    assert peaks(run, [10, 10], [(0, 2), (0, 1), (1, 4)], [(1, 1)], [0, 0]) == [5, 0, 0]


@BOTH
@pytest.mark.parametrize("memory", [12, 11])
def test_out_of_memory_by_one_byte(run, memory):
    result = play(run, *CHAIN, [0, 0, 0], memory=memory)
    assert result.step_time_ns == 30, "told as if memory sufficed"
    assert result.peak_memory.tolist() == [12, 0, 0]
    if memory == 12:
        assert result.valid and result.violation is None
    else:
        assert result.violation == OutOfMemory(device=0, device_name="device0", time_ns=10)
        assert result.reason == "out of memory on device 0 (device0) at 10 ns"


@BOTH
@MODELS
def test_out_of_memory_as_a_copy_comes(run, contention):
    """Device 1 holds 8 bytes of parameters; at 10 a copy of 5 is on its way there."""
    case = ([10, 10], [(0, 5)], [(0, 1)], [0, 1])
    result = play(run, *case, memory=12, contention=contention, parameter_bytes=[0, 8])
    assert result.violation == OutOfMemory(1, "device1", 10)
    assert play(run, *case, memory=13, contention=contention, parameter_bytes=[0, 8]).valid


@BOTH
def test_the_first_lack_of_memory_is_named_and_of_those_the_lowest_device(run):
    parameters = {"parameter_bytes": [0, 30, 40]}
    result = play(run, [1, 1, 1], [(0, 99)], [], [0, 2, 1], memory=20, **parameters)
    assert result.violation == OutOfMemory(0, "device0", 0)
    result = play(run, [1, 1, 1], [(0, 9)], [], [0, 2, 1], memory=20, **parameters)
    assert result.violation == OutOfMemory(1, "device1", 0)
    # Device 2 lacks memory at 10, device 0 only at 15.
    later = ([15, 10, 1, 1], [(0, 1), (1, 1), (2, 30), (3, 30)], [(0, 2), (1, 3)])
    result = play(run, *later, [0, 2, 0, 2], memory=20)
    assert result.violation == OutOfMemory(2, "device2", 10)


@BOTH
def test_broken_colocation_is_named_before_a_lack_of_memory(run):
    columns = {"colocation": [-1, 4, 4], "names": ["a", "b", "c"]}
    result = play(run, *CHAIN, [0, 1, 0], memory=1, **columns)
    assert result.violation == ColocationBroken(op=2, op_name="c", leader=1)
    assert "op 2 ('c')" in result.reason and "op 1" in result.reason
    assert isinstance(play(run, *CHAIN, [0, 1, 1], memory=1, **columns).violation, OutOfMemory)
    assert play(run, *CHAIN, [0, 1, 1], memory=12, **columns).valid
