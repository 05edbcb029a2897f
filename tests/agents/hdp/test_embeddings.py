"""HDP's embeddings against sums and walks in plain Python."""

import math

import numpy as np
from go_agents.hdp import embeddings
from go_agents.hdp.embeddings import DIMS, NEIGHBOURS, OUTPUTS, SHAPE_WIDTH, TYPES, GroupEmbeddings
from hypothesis import given, settings
from hypothesis import strategies as st

from go_gym.partitions import attached_partition
from tests.agents.toys import awkward
from tests.strategies import problems


def plain_edges(problem, group_of_op):
    graph = problem.graph
    ends = zip(graph.use_producer.tolist(), graph.use_consumer.tolist(), strict=True)
    pairs = {(int(group_of_op[a]), int(group_of_op[b])) for a, b in ends}
    return {(a, b) for a, b in pairs if a != b}


def plain_sizes(problem, op):
    """OUTPUTS × DIMS, -1 where there is none."""
    graph = problem.graph
    sizes = [[-1.0] * DIMS for _ in range(OUTPUTS)]
    shape = [side for side in graph.shape[op].tolist() if side >= 0]
    if len(shape) > DIMS:
        shape = [*shape[: DIMS - 1], math.prod(shape[DIMS - 1 :])]
    sizes[0][: len(shape)] = shape
    made = np.flatnonzero(graph.tensor_producer == op)
    for position, tensor in enumerate(made.tolist()):
        if 0 < position < OUTPUTS:
            sizes[position][0] = graph.tensor_bytes[tensor] // 4
    return sizes


def test_columns_neither_overlap_nor_leave_gaps():
    problem = awkward()
    embed = GroupEmbeddings(problem, attached_partition(problem), 5)
    columns = [
        range(*part.indices(embed.width)) for part in (embed.types, embed.shapes, embed.neighbours)
    ]
    assert [column for part in columns for column in part] == list(range(embed.width))
    assert [len(part) for part in columns] == [TYPES, SHAPE_WIDTH, 5]


@settings(max_examples=60, deadline=None)
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
def test_group_embeddings_equal_plain_sums(problem, seed):
    units = attached_partition(problem)
    count = 4
    embed = GroupEmbeddings(problem, units, count)
    group = np.random.default_rng(seed).integers(0, count, units.count)
    table = embed(group)
    of_op = group[units.part_of]
    kinds = embeddings.type_numbers(problem.graph)
    edges = plain_edges(problem, of_op)
    for g in range(count):
        ops = np.flatnonzero(of_op == g).tolist()
        counts = [0] * TYPES
        totals = [0.0] * SHAPE_WIDTH
        for op in ops:
            counts[kinds[op]] += 1
            flat = [max(side, 0.0) for row in plain_sizes(problem, op) for side in row]
            totals = [a + b for a, b in zip(totals, flat[:SHAPE_WIDTH], strict=True)]
        expected = [
            *(math.log2(1 + number) for number in counts),
            *(math.log2(1 + total) / 16 for total in totals),
            *(float((g, other) in edges) for other in range(count)),
        ]
        assert np.allclose(table[g], expected, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_op_table_equals_a_plain_walk(problem):
    units = attached_partition(problem)
    table = embeddings.op_table(problem, units)
    edges = sorted(plain_edges(problem, units.part_of))
    number: dict[int, int] = {}
    inner = {b for _, b in edges}
    for root in [*(u for u in range(units.count) if u not in inner), *range(units.count)]:
        if root in number:
            continue
        queue = [root]
        number[root] = len(number)
        while queue:
            unit = queue.pop(0)
            for a, b in edges:
                if a == unit and b not in number:
                    number[b] = len(number)
                    queue.append(b)
    free = problem.graph.is_free
    for unit in range(units.count):
        ops = np.flatnonzero(units.part_of == unit).tolist()
        leader = next((op for op in ops if not free[op]), ops[0])
        sizes = [side for row in plain_sizes(problem, leader) for side in row]
        expected = [-1.0 if side < 0 else math.log2(1 + side) / 16 for side in sizes]
        for near in ([a for a, b in edges if b == unit], [b for a, b in edges if a == unit]):
            first = sorted(number[other] for other in near)[:NEIGHBOURS]
            expected += [each / units.count for each in first] + [-1.0] * (NEIGHBOURS - len(first))
        assert np.allclose(table.numbers[unit], expected, rtol=1e-5)
        assert table.kind[unit] == embeddings.type_numbers(problem.graph)[leader]


def test_long_shapes_are_multiplied_into_the_fourth_dimension():
    graph = awkward().graph
    shape = np.full_like(graph.shape, -1)
    shape[1, :6], shape[3, :2] = (2, 3, 4, 5, 6, 7), (8, 9)
    sizes = embeddings.output_sizes(_with_shape(graph, shape))
    assert sizes[1, 0].tolist() == [2, 3, 4, 5 * 6 * 7]
    assert sizes[3, 0].tolist() == [8, 9, -1, -1]
    assert sizes[1, 1].tolist() == [10, -1, -1, -1]  # 40 bytes


def test_rare_types_share_the_last_number():
    class Graph:
        op_types = tuple(f"t{i}" for i in range(300))
        op_type = np.concatenate([np.arange(300), np.full(5, 250)])

    numbers = embeddings.type_numbers(Graph)
    assert numbers[250] == 0
    assert numbers.max() == TYPES - 1
    assert (numbers == TYPES - 1).sum() == 300 - (TYPES - 1)


def _with_shape(graph, shape):
    import dataclasses

    return dataclasses.replace(graph, shape=shape)
