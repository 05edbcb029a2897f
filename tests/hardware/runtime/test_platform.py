"""Machines on which nothing can be measured are refused in one line."""

import os
import sys
import time

import numpy as np
import pytest

from go_gym import Decision, Problem
from go_gym.cluster import load_cluster
from go_gym.errors import HardwareError, PlatformError
from go_gym.hardware.process.session import Session
from go_gym.hardware.runtime import platform as ours
from go_gym.hardware.runtime.executor import Executor
from go_gym.hardware.runtime.lanes import Core, make_lane
from go_gym.hardware.runtime.orders import program_queues
from go_gym.hardware.runtime.places import Place
from go_gym.hardware.runtime.team import together
from tests.hardware.models import program
from tests.hardware.requirements import CORES, runs_workers


@pytest.fixture
def arm(monkeypatch):
    monkeypatch.setattr(ours.platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.fixture
def mac(monkeypatch):
    monkeypatch.setattr(ours.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(ours.platform, "system", lambda: "Darwin")
    monkeypatch.setattr(sys, "platform", "darwin")


def decided():
    problem = Problem(program("rnnlm").graph, load_cluster("cpu2"))
    return problem, Decision(np.zeros(problem.num_ops, dtype=np.int64))


def test_cores_without_x86_s_order_of_stores_are_refused(arm):
    problem, decision = decided()
    message = r"^CPU cores are measured on x86-64 only, and this machine is aarch64: .*"
    with Session(problem.graph) as session, pytest.raises(PlatformError, match=message):
        session.measure(problem, decision)
    queues = program_queues(program("rnnlm"), decision.placement, None, 2)
    with pytest.raises(PlatformError, match=message):
        Executor(program("rnnlm"), queues, [Core(0), Core(0)], [], decision.placement)


def test_threads_do_without_that_order(arm):
    ours.check_platform(forked=False)


def test_another_system_is_refused(mac):
    problem, decision = decided()
    message = r"^decisions are measured on Linux only, and this is Darwin: .*"
    with Session(problem.graph) as session:
        with pytest.raises(PlatformError, match=message):
            session.measure(problem, decision)
        with pytest.raises(PlatformError, match=message):
            session.profile(problem.cluster)
    with pytest.raises(PlatformError, match=message):
        ours.check_platform(forked=False)


@runs_workers
def test_cores_are_numbered_among_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(ours.os, "sched_getaffinity", lambda process: {7, 3, 12})
    assert [make_lane(Place(0, "cpu", number)).number for number in range(3)] == [3, 7, 12]
    with pytest.raises(HardwareError, match=r"no core cpu:3 here: this process may use 3"):
        make_lane(Place(0, "cpu", 3))


@runs_workers
def test_preemptions_are_counted():
    """Two processes that never sleep share a core: each is preempted before long."""

    def spin() -> int:
        os.sched_setaffinity(0, {CORES[0]})
        before, end = ours.preemptions(), time.monotonic() + 60
        while ours.preemptions() == before and time.monotonic() < end:
            pass
        return ours.preemptions() - before

    assert min(together([spin, spin], fork=True)) > 0


@runs_workers
def test_a_process_ends_with_its_parent():
    """A child that would sleep for ever, of a parent that ends at once."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        me = os.getpid()
        if os.fork() == 0:
            ours.die_with_parent(me)
            os.write(writing, b"x")
            time.sleep(1000)
        os.read(reading, 1)
        os._exit(0)
    os.close(writing)
    os.waitpid(parent, 0)
    assert os.read(reading, 1) == b""  # once the child, which could still write, is gone
    os.close(reading)
