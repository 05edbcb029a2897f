"""Work done at once by several: a forked process each, or a thread each where there is a GPU.

The interpreter's lock lets one thread run Python at a time; ops are short, and two cores that
share it slow each other by up to a half. So CPU cores have processes. A CUDA context does not
outlive a fork, so with a GPU all are threads, which enqueue and seldom wait. A library's pool
(loky) starts new interpreters, which takes longer than the steps, and its workers outlive a killed
parent: see benchmarks/workers.md.
"""

import gc
import multiprocessing
import os
import pickle
import signal
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from go_gym.errors import HardwareError
from go_gym.hardware.runtime.lanes import Lane
from go_gym.hardware.runtime.platform import die_with_parent


def forks(lanes: Sequence[Lane]) -> bool:
    """Whether workers on ``lanes`` are processes."""
    return all(lane.device.type == "cpu" for lane in lanes)


class Member:
    """One that works: ``work(connection)`` in a process or thread of its own.

    Attributes:
        connection: our end of a pipe to it.
    """

    def __init__(self, name: str, fork: bool, work: Callable[[Connection], None]) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        self._fork, self._theirs = fork, theirs
        if fork:
            context = multiprocessing.get_context("fork")
            arguments = (work, theirs, self.connection, os.getpid())
            self.runs: Any = context.Process(target=_forked, args=arguments, daemon=True)
        else:
            self.runs = threading.Thread(target=work, args=(theirs,), name=name, daemon=True)
        with warnings.catch_warnings():  # our other threads sleep, and hold no locks
            warnings.simplefilter("ignore", DeprecationWarning)
            self.runs.start()
        if fork:
            theirs.close()

    @property
    def ends(self) -> list[Any]:
        """What becomes readable when it says something or ends."""
        return [self.connection, *([self.runs.sentinel] if self._fork else [])]

    @property
    def death(self) -> str | None:
        """How its process ended, None while it lives (a thread's end is not noticed)."""
        if not self._fork or self.runs.exitcode is None:
            return None
        code = self.runs.exitcode
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def close(self, seconds: float) -> None:
        """Wait for its end; a process that takes longer is killed, a thread left behind."""
        self.runs.join(timeout=seconds)
        if self._fork:
            if self.runs.exitcode is None:
                self.runs.kill()
                self.runs.join()
            self.runs.close()
        else:
            self._theirs.close()
        self.connection.close()


def _forked(
    work: Callable[[Connection], None], theirs: Connection, ours: Connection, parent: int
) -> None:
    """The life of a forked process: it dies with its parent, and leaves Ctrl-C to it."""
    die_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ours.close()
    gc.freeze()  # what is there is the parent's: to look through it would copy it
    work(theirs)


def together(work: Sequence[Callable[[], Any]], fork: bool) -> list[Any]:
    """What each of ``work`` gives, all at once, each in a process or thread of its own.

    Raises:
        HardwareError: if one of them fails.
    """

    def report(call: Callable[[], Any], connection: Connection) -> None:
        try:
            answer = True, call()
        except Exception as error:  # whatever it is, the parent reports it
            answer = False, f"{type(error).__name__}: {error}"
        connection.send_bytes(pickle.dumps(answer))

    members: list[Member] = []
    try:
        for number, call in enumerate(work):
            members.append(Member(f"go-gym {number}", fork, partial(report, call)))
        return [_answer(member) for member in members]
    finally:
        for member in members:
            member.close(1.0)


def _answer(member: Member) -> Any:
    try:
        good, answer = pickle.loads(member.connection.recv_bytes())
    except EOFError:
        member.runs.join()
        raise HardwareError(f"profiling failed: a worker {member.death}") from None
    if not good:
        raise HardwareError(f"profiling failed: {answer}")
    return answer
