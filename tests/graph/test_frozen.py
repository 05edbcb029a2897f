"""What is read-only stays so in copies and in other processes."""

import copy
import pickle

import numpy as np
import pytest

from go_gym.catalogue import datasets
from go_gym.catalogue.problems import make_problem
from go_gym.cluster import load_cluster
from go_gym.partitions import Partition
from go_gym.problem import Decision
from go_gym.simulator import simulate


def _objects():
    problem = make_problem(datasets.load("rnnlm-2"), load_cluster("p100x2"), "joint")
    problem.durations, problem.mean_durations, problem.graph.op_uses  # noqa: B018  made and cached
    problem.cluster.memory_bytes  # noqa: B018
    ops = np.arange(problem.num_ops)
    decision = Decision(ops * 0, priority=ops, fusion=ops)
    simulate(problem, decision)
    parts = Partition.singletons(4)
    parts.sizes, parts.pointers, parts.order  # noqa: B018
    return [problem, problem.graph, problem.cluster, decision, parts]


def _arrays(value):
    for held in vars(value).values():
        for array in held if isinstance(held, tuple) else (held,):
            if isinstance(array, np.ndarray):
                yield array


@pytest.mark.parametrize(
    "again", [lambda value: pickle.loads(pickle.dumps(value)), copy.copy, copy.deepcopy]
)
@pytest.mark.parametrize("value", _objects(), ids=lambda value: type(value).__name__)
def test_arrays_are_read_only_in_a_copy(value, again):
    arrays = list(_arrays(value))
    assert arrays and not any(array.flags.writeable for array in arrays)
    copied = list(_arrays(again(value)))
    assert len(copied) == len(arrays)
    assert not any(array.flags.writeable for array in copied)
