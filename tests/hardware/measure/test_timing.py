"""Which steps of a measurement count, against the rule in plain words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from go_gym.hardware.measure import timing
from go_gym.hardware.measure.timing import measure_steps
from go_gym.hardware.runtime.executor import StepTimes


class Machine:
    """Runs steps of which others take the given shares, one after another, for ever the last.

    Attributes:
        asked: how many steps were asked for, by call.
        step_ns: of each step that ran: all differ, so that it is known which of them count.
    """

    def __init__(self, shares):
        self.shares = list(shares)
        self.asked: list[int] = []
        self.step_ns: list[int] = []

    def __call__(self, count):
        self.asked.append(count)
        found = []
        for _ in range(count):
            number = len(self.step_ns)
            step = 10_000_000 + number
            lost = round(self.shares[min(number, len(self.shares) - 1)] * step)
            self.step_ns.append(step)
            found.append(times(step, lost))
        return found


def times(step_ns, lost_ns):
    """Of two workers, of which the second was preempted for so long."""

    def column(*values):
        return np.array(values, dtype=np.int64)

    return StepTimes(
        start_ns=column(0, 0),
        finish_ns=column(step_ns, step_ns),
        cpu_ns=column(step_ns, step_ns - lost_ns),
        switches=column(0, int(lost_ns > 0)),
    )


QUIET, NOISY = 0.0, 0.5


def test_quiet_steps_count_and_warm_ups_do_not():
    machine = Machine([NOISY, NOISY, *[QUIET] * 4])
    found = measure_steps(machine, steps=4, warmups=2, seconds=60)
    assert machine.asked == [2, 4]
    assert found["step_ns"] == tuple(machine.step_ns[2:])
    assert (found["repeated"], found["noisy"], found["taken"]) == (0, False, (0.0,) * 4)


def test_noisy_steps_are_repeated_until_enough_are_quiet():
    machine = Machine([QUIET, NOISY, QUIET, NOISY, QUIET, QUIET])
    found = measure_steps(machine, steps=3, warmups=0, seconds=60)
    assert machine.asked == [3, 1, 1]
    assert found["step_ns"] == tuple(machine.step_ns[n] for n in (0, 2, 4))
    assert (found["repeated"], found["noisy"]) == (2, False)


def test_where_few_are_quiet_the_quietest_count_and_it_is_said():
    shares = [0.5, 0.3, 0.1, 0.4, 0.0, 0.6]
    machine = Machine(shares)
    found = measure_steps(machine, steps=2, warmups=0, seconds=60)
    assert len(machine.step_ns) == 2 * timing.TRIES
    assert found["step_ns"] == (machine.step_ns[2], machine.step_ns[4])
    assert found["taken"] == (0.1, 0.0) and found["noisy"] and found["repeated"] == 4


def test_nothing_is_repeated_once_the_seconds_are_over(monkeypatch):
    clock = iter([0.0, 5.0, 11.0])  # at the start, after the first steps, after one repeated
    monkeypatch.setattr(timing.time, "monotonic", lambda: next(clock))
    machine = Machine([NOISY])
    found = measure_steps(machine, steps=2, warmups=0, seconds=10)
    assert machine.asked == [2, 1] and found["noisy"] and len(found["step_ns"]) == 2


@given(st.lists(st.floats(0, 0.2), min_size=1, max_size=40), st.integers(1, 8), st.integers(0, 3))
def test_the_rule(shares, steps, warmups):
    """The first quiet steps count; if there are too few among three times as many, the quietest."""
    machine = Machine(shares)
    found = measure_steps(machine, steps, warmups, seconds=60)
    ran = len(machine.step_ns) - warmups
    shares_of = [shares[min(n + warmups, len(shares) - 1)] for n in range(3 * steps)]
    quiet = [n for n, share in enumerate(shares_of) if share <= 0.02]
    if len(quiet) >= steps:
        expected = quiet[:steps]
        assert ran == max(steps, expected[-1] + 1)
    else:
        expected = sorted(sorted(range(3 * steps), key=lambda n: shares_of[n])[:steps])
        assert ran == 3 * steps
    assert found["noisy"] == (len(quiet) < steps) and found["repeated"] == ran - steps
    chosen = [machine.step_ns.index(step) - warmups for step in found["step_ns"]]
    assert sorted(shares_of[n] for n in chosen) == pytest.approx(
        sorted(shares_of[n] for n in expected), abs=1e-6
    )
    assert chosen == sorted(chosen)
    assert len(quiet) < steps or chosen == expected
