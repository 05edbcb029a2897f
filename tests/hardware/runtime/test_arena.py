"""Blocks of shared memory: none is given out while somebody has its copy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_gym.errors import HardwareError
from go_gym.hardware.runtime.arena import LINE, Arena, whole_lines

EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 300)),
        st.tuples(st.just("release"), st.integers(0, 50)),
        st.tuples(st.just("step"), st.just(0)),
    ),
    max_size=60,
)


@given(EVENTS)
def test_blocks_in_use_never_overlap(events):
    """Against a plain list of the bytes that each unreleased copy takes."""
    released = np.zeros(100, dtype=np.int64)
    arena = Arena(LINE, 10**6, released)
    arena.begin_step(1)
    step, channel = 1, 0
    held: dict[int, range] = {}
    for event, number in events:
        if event == "send":
            size = whole_lines(number)
            offset = arena.allocate(size, [channel])
            block = range(offset, offset + size)
            assert offset % LINE == 0 and offset >= LINE
            for other in held.values():
                assert block.stop <= other.start or other.stop <= block.start
            held[channel] = block
            channel += 1
        elif event == "release" and held:
            which = sorted(held)[number % len(held)]
            released[which] = step
            del held[which]
        elif event == "step":
            step += 1
            held.clear()
            arena.begin_step(step)


def test_a_copy_for_several_is_free_when_the_last_has_released_it():
    released = np.zeros(3, dtype=np.int64)
    arena = Arena(0, 4 * LINE, released)
    arena.begin_step(1)
    channels = [0]
    first = arena.allocate(LINE, channels)
    channels.append(1)  # another receiver of the same copy
    released[0] = 1
    assert arena.allocate(LINE, [2]) != first
    released[1] = 1
    assert arena.allocate(LINE, [2]) == first


def test_a_full_part_is_refused():
    arena = Arena(0, 2 * LINE, np.zeros(1, dtype=np.int64))
    arena.begin_step(1)
    arena.allocate(2 * LINE, [0])
    with pytest.raises(HardwareError, match="out of memory for the copies"):
        arena.allocate(LINE, [0])
