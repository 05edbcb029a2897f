"""Work in forked processes: answers, failures, deaths; and nobody is left."""

import os
import signal
import time

import pytest

from go_gym.errors import HardwareError
from go_gym.hardware.runtime.team import Member, together
from tests.hardware.requirements import runs_workers

pytestmark = runs_workers


@pytest.mark.parametrize("fork", [True, False])
def test_all_answer_each_from_where_it_should(fork):
    here = os.getpid()
    found = together([lambda: (1, os.getpid()), lambda: (2, os.getpid())], fork)
    assert [number for number, _ in found] == [1, 2]
    assert all((process != here) == fork for _, process in found)
    assert len({process for _, process in found}) == (2 if fork else 1)


@pytest.mark.parametrize("fork", [True, False])
def test_a_failure_is_reported(fork):
    with pytest.raises(HardwareError, match="ZeroDivisionError: division by zero"):
        together([lambda: 1 / 0, lambda: 1], fork)


def test_a_death_is_reported():
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(HardwareError, match="a worker was killed by signal 9"):
        together([die, lambda: 1], True)


def test_one_that_does_not_end_is_killed():
    member = Member("sleeper", True, lambda connection: time.sleep(1000))
    number = member.runs.pid
    member.close(0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
