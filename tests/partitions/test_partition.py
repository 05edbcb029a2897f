"""One partition: members, sums, the longest item, fewer parts, and the cut into equal work."""

from fractions import Fraction

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym.partitions import Partition
from go_gym.partitions.joining import components, joined
from go_gym.partitions.partition import equal_work, work_shares

LABELS = st.lists(st.integers(-3, 3), min_size=1, max_size=12)


def plain_parts(partition: Partition) -> list[list[int]]:
    """The items of each part, by looking at each."""
    part_of = partition.part_of.tolist()
    return [[i for i, part in enumerate(part_of) if part == own] for own in range(partition.count)]


@given(first=LABELS, data=st.data())
def test_items_are_together_that_agree_in_every_label(first, data):
    second = data.draw(st.lists(st.integers(-9, 9), min_size=len(first), max_size=len(first)))
    partition = Partition.by_labels(np.array(first), np.array(second))
    pairs = sorted(set(zip(first, second, strict=True)))
    expected = [pairs.index(pair) for pair in zip(first, second, strict=True)]
    assert partition.part_of.tolist() == expected
    assert partition.count == len(pairs)


@given(labels=LABELS, data=st.data())
def test_parts_against_plain_lists(labels, data):
    partition = Partition.by_labels(np.array(labels))
    parts, n = plain_parts(partition), len(labels)
    assert [partition.members(part).tolist() for part in range(partition.count)] == parts
    assert partition.sizes.tolist() == [len(part) for part in parts]
    duration = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    for values in (np.array(duration), np.array(duration) / 4):
        assert partition.sums(values).tolist() == [values[part].sum() for part in parts]
    assert partition.sums(np.array(duration)).dtype == np.int64
    first = [max(part, key=lambda i: (duration[i], -i)) for part in parts]
    last = [max(part, key=lambda i: (duration[i], i)) for part in parts]
    assert partition.longest(np.array(duration)).tolist() == first
    assert partition.longest(np.array(duration), ties="last").tolist() == last


def test_large_whole_numbers_are_summed_exactly():
    values = np.array([2**53, 1, 1])
    assert Partition.by_labels(np.zeros(3, dtype=np.int64)).sums(values).tolist() == [2**53 + 2]


@given(labels=LABELS, data=st.data())
def test_fewer_parts_and_other_numbers(labels, data):
    fine = Partition.by_labels(np.array(labels))
    count = fine.count
    coarse = Partition.by_labels(
        np.array(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    )
    merged = fine.merged(coarse)
    assert plain_parts(merged) == [
        sorted(item for part in group for item in plain_parts(fine)[part])
        for group in plain_parts(coarse)
    ]
    renumbered = fine.renumbered()
    assert plain_parts(renumbered) == sorted(plain_parts(fine), key=lambda part: part[0])


def test_the_finest_partition_and_what_is_read_only():
    finest = Partition.singletons(3)
    assert plain_parts(finest) == [[0], [1], [2]]
    with pytest.raises(ValueError, match="read-only"):
        finest.part_of[0] = 1


@given(work=st.lists(st.integers(0, 5), min_size=1, max_size=12), parts=st.integers(1, 8))
def test_equal_work_cuts_where_the_middle_of_an_item_lies(work, parts):
    """In exact fractions; what lies on a cut is left out, since rounding may take it either way."""
    found = equal_work(np.array(work, dtype=float), parts)
    total, before = sum(work), 0
    for item, amount in enumerate(work):
        place = Fraction(2 * before + amount, 2 * total) * parts if total else Fraction(0)
        if place.denominator > 1 or place == 0:
            assert found[item] == int(place)
        assert 0 <= found[item] < parts
        before += amount


def test_equal_work_by_hand():
    assert equal_work(np.array([10.0, 10, 20, 5, 5, 30]), 4).tolist() == [0, 0, 1, 2, 2, 3]


def test_shares_are_the_same_bits_however_a_processor_adds():
    """Over a sum that is exact: ones are lost in the large item, and how many, by the order."""
    work = np.array([2.0**53, *[1.0] * 1000])
    exact = float(sum(map(Fraction, work.tolist())))
    before, expected = 0.0, []
    for item in work.tolist():
        before += item
        expected.append((before - item / 2) / exact)
    assert work_shares(work).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 10), data=st.data())
def test_components_are_those_of_networkx(n, data):
    ends = st.integers(0, n - 1)
    edges = data.draw(st.lists(st.tuples(ends, ends), max_size=15))
    graph = networkx.Graph(edges)
    graph.add_nodes_from(range(n))
    least = {i: min(part) for part in networkx.connected_components(graph) for i in part}
    low, high = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    assert components(n, (low, high)).tolist() == [least[i] for i in range(n)]


def test_parts_that_would_weigh_too_much_stay_apart():
    """The heavier edge first: 0 joins 1, whereupon 2 is too much for them, and joins 3."""
    edges = np.array([0, 1, 2]), np.array([1, 2, 3])
    assert joined(edges, np.array([2.0, 2, 2, 1]), 4).tolist() == [0, 0, 2, 2]
