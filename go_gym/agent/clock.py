"""A clock of CPU time: what stops an agent whose budget is one of seconds."""

import os
from time import process_time  # bound here: an agent may not put another clock in its place


def cpu_seconds() -> float:
    """CPU time in s of this process, all its threads, and of processes that it has waited for."""
    times = os.times()
    return process_time() + times.children_user + times.children_system


class Clock:
    """Runs from when it is made; once over, it stays over.

    Args:
        seconds: of CPU time; 0 for a clock that never stops anyone.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._start = cpu_seconds()
        self._over = False

    @property
    def seconds(self) -> float:
        """CPU time allowed, in s; 0 without a limit."""
        return self._seconds

    @property
    def is_over(self) -> bool:
        """Whether all of it is gone."""
        if self._seconds and not self._over:
            self._over = cpu_seconds() - self._start >= self._seconds
        return self._over
