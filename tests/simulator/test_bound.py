"""Arrays bound once are those that compiled code then sees."""

import numba
import numpy as np
import pytest
from numba.core.errors import TypingError

from go_gym.simulator.delta.bound import get, kind_of, put, room_for

PARTS = (np.arange(3.0), (np.zeros((2, 4), dtype=np.int64), np.ones(5, dtype=np.uint8)))
KIND = kind_of(PARTS)


@numba.njit(_nrt=False)
def bind(memory, parts):
    put(memory, KIND, parts)


@numba.njit(_nrt=False)
def change(memory):
    first, (second, third) = get(memory, KIND)
    first[2] = 7.0
    second[1, 3] = len(third)


def test_compiled_code_sees_the_arrays_themselves():
    first, (second, third) = parts = np.arange(3.0), (np.zeros((2, 4), dtype=np.int64), PARTS[1][1])
    memory = room_for(parts)
    bind(memory, parts)
    change(memory)
    assert first.tolist() == [0, 1, 7]
    assert second.tolist() == [[0, 0, 0, 0], [0, 0, 0, 5]]
    assert third.tolist() == [1] * 5


def test_arrays_of_another_kind_are_refused():
    parts = (PARTS[0], (PARTS[1][0], np.ones(5, dtype=np.int16)))
    with pytest.raises(TypingError, match="to be bound"):
        bind(room_for(parts), parts)
