"""An agent in a process of its own, with limits: what it does there, no other agent feels.

The problem goes to the process, and the outcome comes back, in files of a temporary folder: arrays
and JSON, never pickle. The process is the first of a session; it and all that it started (found by
parent, by session and by a mark in the environment) are ended when it answers, is over a limit, or
the run is stopped.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import psutil

from go_gym.agent import Curve, Improvement, Outcome, Window, load_agent, solve
from go_gym.catalogue.problems import make_problem
from go_gym.cluster.toml import read_cluster, write_cluster
from go_gym.errors import AgentError, GoGymError, one_line
from go_gym.files import atomic_write, pack_arrays, read_bytes, read_text, unpack_arrays
from go_gym.graph import ComputationGraph
from go_gym.problem import Decision, Problem

MARK = "GO_GYM_ISOLATED"
LOOK_EVERY_S = 0.05
MAX_ANSWER = 2**28


@dataclass(frozen=True)
class Limits:
    """What an isolated agent may take.

    Attributes:
        seconds: of wall time, start of the process included.
        memory_bytes: resident, of all its processes together.
    """

    seconds: float = 3600.0
    memory_bytes: int = 8 * 2**30


def solve_isolated(
    name: str,
    problem: Problem,
    seed: int,
    simulations: int,
    limits: Limits,
    seconds: float = 0.0,
) -> Outcome:
    """As :func:`go_gym.agent.solve` for the agent of that name, in a process with limits.

    Raises:
        AgentError: with the reason, if the agent raises, gives no Decision, ends its process, or
            is over a limit.
    """
    where = f"agent {name!r} on {problem.graph.name}"
    with tempfile.TemporaryDirectory(prefix="go-gym-") as folder:
        job = Path(folder)
        problem.graph.save(job / "graph.npz")
        write_cluster(problem.cluster, job / "cluster.toml")
        placement = None if problem.placement is None else np.asarray(problem.placement).tolist()
        asked = {
            "name": name,
            "task": problem.task,
            "placement": placement,
            "seed": seed,
            "simulations": simulations,
            "seconds": seconds,
        }
        atomic_write(job / "job.json", json.dumps(asked))
        ended = _watched(job, limits)
        if not (job / "outcome.json").exists():
            raise AgentError(f"{where}: {ended}")
        return _outcome(job, where)


def _watched(job: Path, limits: Limits) -> str:
    """Run the process to its end or a limit; says how it ended."""
    mark = uuid.uuid4().hex
    process = subprocess.Popen(
        [sys.executable, "-m", "go_gym.leaderboard.isolated", str(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, MARK: mark},
    )
    until = monotonic() + limits.seconds
    try:
        while process.poll() is None:
            if monotonic() > until:
                return f"over the limit of {limits.seconds:g} s"
            taken = sum(map(_resident, _family(process.pid, mark)))
            if taken > limits.memory_bytes:
                return f"over the limit of {limits.memory_bytes / 2**30:g} GiB of memory"
            sleep(LOOK_EVERY_S)
        code = process.returncode
        return f"its process ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"
    finally:
        _end(process, mark)


def _family(pid: int, mark: str) -> list[psutil.Process]:
    """A process and what it started, whoever is the parent now."""
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if each.pid == pid or os.getsid(each.pid) == pid or each.environ().get(MARK) == mark:
                found.append(each)
    return found


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.Error):
        return int(process.memory_info().rss)
    return 0


def _end(process: subprocess.Popen[bytes], mark: str) -> None:
    """Kill a process and what it started, also what it starts while that is going on."""
    while True:
        family = [each for each in _family(process.pid, mark) if _is_alive(each)]
        if not family:
            break
        for each in family:
            with contextlib.suppress(psutil.Error):
                each.kill()
        process.poll()
    process.wait()


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _outcome(job: Path, where: str) -> Outcome:
    """The outcome in a job's folder, nothing of it trusted."""
    try:
        said = json.loads(read_text(job / "outcome.json", 2**20))
        if "error" in said:
            raise AgentError(one_line(str(said["error"])))
        arrays = unpack_arrays(read_bytes(job / "outcome.npz", MAX_ANSWER), job / "outcome.npz")
        points, windows = arrays["improvements"], arrays["windows"]
        return Outcome(
            decision=Decision(arrays["placement"], arrays.get("priority"), arrays.get("fusion")),
            calls=int(said["calls"]),
            curve=Curve(
                tuple(Improvement(*pair) for pair in points.reshape(-1, 2).tolist()),
                tuple(Window(*pair) for pair in windows.reshape(-1, 2).tolist()),
            ),
            seconds=float(said["seconds"]),
            track=str(said["track"]),
            device=str(said["device"]),
            started=str(said["started"]),
        )
    except AgentError:
        raise
    except (GoGymError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise AgentError(f"{where}: its process wrote no outcome: {error}") from None


def _work(job: Path) -> None:
    """What the process does: one agent on one problem."""
    asked = json.loads(read_text(job / "job.json"))
    graph, cluster = ComputationGraph.load(job / "graph.npz"), read_cluster(job / "cluster.toml")
    problem = make_problem(graph, cluster, asked["task"], asked["placement"])
    name = asked["name"]
    seed, simulations, seconds = asked["seed"], asked["simulations"], asked["seconds"]
    try:
        found = solve(load_agent(name), problem, seed, simulations, name, seconds)
    except GoGymError as error:
        atomic_write(job / "outcome.json", json.dumps({"error": str(error)}))
        return
    arrays = {
        "placement": np.asarray(found.decision.placement),
        "improvements": np.array(
            [(point.calls, point.step_time_ns) for point in found.curve.improvements], np.int64
        ),
        "windows": np.array(
            [(window.calls, window.mean_step_time_ns) for window in found.curve.windows], np.int64
        ),
    }
    for column in ("priority", "fusion"):
        if getattr(found.decision, column) is not None:
            arrays[column] = np.asarray(getattr(found.decision, column))
    atomic_write(job / "outcome.npz", pack_arrays(arrays))
    said = asdict(found)
    kept = {key: said[key] for key in ("calls", "seconds", "track", "device", "started")}
    atomic_write(job / "outcome.json", json.dumps(kept))


if __name__ == "__main__":
    _work(Path(sys.argv[1]))
