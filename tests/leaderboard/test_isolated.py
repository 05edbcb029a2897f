"""Agents in processes of their own: the same outcomes, and an end to what has none."""

import os
import textwrap
import time

import psutil
import pytest

import go_gym
from go_gym.agent import load_agent, solve
from go_gym.errors import AgentError
from go_gym.leaderboard.isolated import MARK, Limits, solve_isolated
from go_gym.leaderboard.run import Jobs, run

GRAPH = go_gym.ComputationGraph.from_costs(
    [5, 7, 9, 4, 6], [(0, 3), (1, 2)], [(0, 3), (1, 4)], name="five"
)
PAIR = go_gym.Cluster.uniform(2, 1e9, name="pair")
PROBLEM = go_gym.Problem(GRAPH, PAIR)
WIDE = Limits(120, 4 * 2**30)

AGENTS = """
import os, subprocess, sys, time
import go_gym

class Base:
    version = "1"
    def solve(self, problem, budget, seed):
        self.act()
        return go_gym.Decision([0] * problem.num_ops)

class Exits(Base):
    def act(self): os._exit(3)
class Quits(Base):
    def act(self): sys.exit(0)
class Dies(Base):
    def act(self): os.kill(os.getpid(), 9)
class Sleeps(Base):
    def act(self): time.sleep(1000)
class Grows(Base):
    def act(self):
        held = []
        while True: held.append(bytearray(os.urandom(2**20)) * 16)
class Forks(Base):
    def act(self):
        code = "import os, time; os.setsid(); time.sleep(1000)"
        for _ in range(3): subprocess.Popen([sys.executable, "-c", code])
        time.sleep(1000)
class Lies(Base):
    def act(self):
        open(os.path.join(sys.argv[1], "outcome.json"), "w").write('{"calls": "many"}')
        os._exit(0)
"""


@pytest.fixture
def strangers(tmp_path, monkeypatch):
    """The agents above, installed for this process and those that it starts."""
    site = tmp_path / "site"
    info = site / "strangers-1.dist-info"
    info.mkdir(parents=True)
    (site / "strangers.py").write_text(textwrap.dedent(AGENTS))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1\n")
    kinds = ("Exits", "Quits", "Dies", "Sleeps", "Grows", "Forks", "Lies")
    entries = "\n".join(f"{kind.lower()} = strangers:{kind}" for kind in kinds)
    (info / "entry_points.txt").write_text(f"[go_gym.agents]\n{entries}\n")
    monkeypatch.syspath_prepend(str(site))
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def left_over():
    """Processes that an isolated agent of this test started and that live on."""
    found = []
    for each in psutil.process_iter():
        try:
            if MARK in each.environ() and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each.pid)
        except (psutil.Error, OSError):
            continue
    return found


@pytest.mark.parametrize(("name", "task"), [("sa", "placement"), ("brkga", "scheduling")])
def test_the_outcome_is_that_of_this_process(name, task):
    placement = None if task == "placement" else [0, 1, 0, 1, 0]
    problem = go_gym.Problem(GRAPH, PAIR, task, placement)
    here = solve(load_agent(name), problem, 3, 30, name)
    there = solve_isolated(name, problem, 3, 30, WIDE)
    for column in ("placement", "priority", "fusion"):
        ours, theirs = getattr(here.decision, column), getattr(there.decision, column)
        assert (ours is None) == (theirs is None)
        assert ours is None or (ours == theirs).all()
    assert (here.calls, here.curve, here.track) == (there.calls, there.curve, there.track)


@pytest.mark.parametrize(
    ("name", "reason", "limits"),
    [
        ("exits", "its process ended with exit code 3", WIDE),
        ("quits", "SystemExit: 0", WIDE),
        ("dies", "its process ended with signal 9", WIDE),
        ("lies", "its process wrote no outcome", WIDE),
        ("sleeps", "over the limit of 6 s", Limits(6)),
        ("grows", "over the limit of 1 GiB of memory", Limits(120, 2**30)),
        ("forks", "over the limit of 8 s", Limits(8)),
        ("nobody", "no agent 'nobody'", WIDE),
    ],
)
def test_every_end_has_its_reason_and_leaves_nothing(strangers, name, reason, limits):
    with pytest.raises(AgentError) as error:
        solve_isolated(name, PROBLEM, 0, 5, limits)
    assert reason in str(error.value)
    assert not left_over()


def test_others_go_on(strangers, tmp_path):
    jobs = Jobs(("dies", "round-robin", "quits"), (PROBLEM,), limits=WIDE)
    rows, failures = run(jobs, tmp_path / "out")
    assert [row.agent for row in rows] == ["round-robin"]
    assert [failure.job.agent for failure in failures] == ["dies", "quits"]


def test_ctrl_c_ends_the_process_too(strangers, monkeypatch):
    def stop(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr("go_gym.leaderboard.isolated.sleep", stop)
    with pytest.raises(KeyboardInterrupt):
        solve_isolated("sleeps", PROBLEM, 0, 5, WIDE)
    time.sleep(0.05)
    assert not left_over()
