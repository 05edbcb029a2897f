"""Jobs over several processes of this machine, or over Ray's workers."""

import contextlib
import multiprocessing
import os
import socket
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from multiprocessing.queues import Queue
from pathlib import Path

from go_gym.agent import Budget, load_agent
from go_gym.errors import GoGymError
from go_gym.files import atomic_write
from go_gym.leaderboard.run import Failure, Jobs, run

RAY = "ray"
CONNECT_SECONDS = 10.0
RETRIES = 5
"""How often a job begins anew whose machine is lost (our choice)."""
FEW = 24
"""Simulator calls that an agent makes before its first job (our choice)."""
_warm: set[tuple[str, str]] = set()
"""Agents and tasks whose code this process has loaded."""


def check_workers(workers: str) -> None:
    """Raise GoGymError unless ``workers`` is a number from 1 or ``ray``."""
    if workers != RAY and not (workers.isascii() and workers.isdigit() and int(workers)):
        raise GoGymError(f"workers {workers!r}: expected a number of processes from 1, or {RAY}")


def spread(
    runs: Sequence[tuple[Jobs, Path]], workers: str
) -> Iterator[tuple[Jobs, Path, list[Failure]]]:
    """Run each of some jobs into the folder beside it, and give it when it is done.

    Args:
        runs: with a folder each, in the order in which they begin.
        workers: ``"ray"``: over a cluster, the one that ``RAY_ADDRESS`` names (its machines have
            go-gym installed, and share no folder with this one) or this machine; else the number
            of processes here, each with a core of its own.

    Raises:
        GoGymError: if Ray is asked for and not installed or not reached, or a process here ended
            on its own.
    """
    return _over_ray(runs) if workers == RAY else _over_processes(runs, int(workers))


def _over_processes(
    runs: Sequence[tuple[Jobs, Path]], workers: int
) -> Iterator[tuple[Jobs, Path, list[Failure]]]:
    context = multiprocessing.get_context("spawn")  # threads do not survive a fork
    cores: Queue[int] = context.Queue()
    for number in range(workers):
        cores.put(number)
    pool = ProcessPoolExecutor(workers, context, _take_core, (cores,))
    try:
        waiting = {pool.submit(run_warm, jobs, folder): (jobs, folder) for jobs, folder in runs}
        for done in as_completed(waiting):
            yield *waiting[done], done.result()
    except BrokenExecutor:
        raise GoGymError(
            "a worker process ended before its job was done (out of memory?); finished jobs are "
            "kept: run again, with fewer --workers"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _take_core(cores: "Queue[int]") -> None:
    """Give this process one core, so that its wall time does not hang on what the others do."""
    os.environ["OMP_NUM_THREADS"] = "1"  # before PyTorch is imported
    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[cores.get() % len(allowed)]})


def _over_ray(runs: Sequence[tuple[Jobs, Path]]) -> Iterator[tuple[Jobs, Path, list[Failure]]]:
    try:
        import ray
    except ImportError:
        raise GoGymError(
            "workers 'ray': Ray is not installed; expected it from: pip install 'go-gym[spread]'"
        ) from None
    address = os.environ.get("RAY_ADDRESS", "")
    try:
        _reach(address)
        ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    except Exception as error:  # Ray raises what its transports do
        where = f"the cluster at RAY_ADDRESS {address!r}" if address else "a cluster here"
        reason = str(error).split("\n")[0]
        raise GoGymError(f"workers 'ray': no connection to {where}: {reason}") from None
    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(run_elsewhere)
    waiting = {remote.remote(jobs): (jobs, folder) for jobs, folder in runs}
    while waiting:
        (done,), _ = ray.wait(list(waiting), num_returns=1)
        jobs, folder = waiting.pop(done)
        try:
            files, failures = ray.get(done)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().split("\n")[-1]
            failures = [Failure(job, f"its worker was lost: {reason}") for job in jobs]
            files = {}
        for name, data in files.items():
            atomic_write(folder / name, data)
        yield jobs, folder, failures


def _reach(address: str) -> None:
    """Raise OSError unless something listens at ``host:port``; Ray itself tries for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def run_elsewhere(jobs: Jobs) -> tuple[dict[str, bytes], list[Failure]]:
    """As :func:`run_warm` on a machine that shares no folder: the files of the board come back."""
    with tempfile.TemporaryDirectory(prefix="go-gym-") as name:
        folder = Path(name)
        failures = run_warm(jobs, folder)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(folder)): path.read_bytes() for path in paths}, failures


def run_warm(jobs: Jobs, folder: Path) -> list[Failure]:
    """Run jobs after their agents have made a few calls on their problems, once a process: loading
    and compiling code is no part of a job's wall time."""
    for job in jobs:
        if (job.agent, job.problem.task) not in _warm:
            _warm.add((job.agent, job.problem.task))
            few = Budget(job.problem, min(FEW, jobs.budget))
            with contextlib.suppress(Exception):  # whatever it is, the job itself will say it
                load_agent(job.agent).solve(job.problem, few, job.seed)
    return run(jobs, folder)[1]
