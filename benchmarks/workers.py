"""Hardware mode's workers against what libraries offer: transfers, starts, and what is left.

    python benchmarks/workers.py           # all of it, writes benchmarks/workers.md
    python benchmarks/workers.py --quick   # a sample in under a minute, writes nothing

Needs Linux, x86-64 and two cores; loky takes part where it is installed.
"""

import argparse
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing

from go_gym import ComputationGraph
from go_gym.hardware.process.machine import describe
from go_gym.hardware.runtime.control import Control, Inbox, Outbox, compile_waits
from go_gym.hardware.runtime.platform import check_platform, usable_cores
from go_gym.hardware.runtime.schedule import Channel
from go_gym.hardware.runtime.team import together
from go_gym.hardware.runtime.transport import ProcessTransport, SharedTensors

HERE = Path(__file__).parent
SIZES = (2**8, 2**14, 2**18, 2**22)
"""Bytes of the tensors that travel."""
FASTEST = 10
"""The percentile of the round trips that counts: others may take the cores meanwhile."""

Exchange = Callable[[int, int], None]
"""``exchange(me, trip)``: worker 0 sends a tensor to worker 1, and gets one back."""


def ours(x: torch.Tensor) -> Exchange:
    """A copy in shared memory, and a message in a queue that the receiver polls."""
    channels = [Channel(0, 0, 1), Channel(1, 1, 0)]
    graph = ComputationGraph.from_costs([1, 1], [(0, x.nbytes), (1, x.nbytes)], [])
    compile_waits()
    control, shared = Control(channels, 2), SharedTensors(graph, channels, 2, [])
    ends = [
        (ProcessTransport(shared, me), Outbox(control, me), Inbox(control, me)) for me in (0, 1)
    ]

    def exchange(me: int, trip: int) -> None:
        transport, outbox, inbox = ends[me]
        transport.begin_step(trip + 1)
        for turn in (0, 1):
            if turn == me:
                transport.send(me, x)
                outbox.post(me, 1 - me, time.perf_counter_ns())
            else:
                inbox.wait()
                (message,) = inbox.poll()
                transport.receive(message.channel)

    return exchange


def shared_tensors(x: torch.Tensor) -> Exchange:
    """torch's shared tensors, allocated once, and a byte through a pipe when one is there."""
    there = [torch.empty_like(x).share_memory_() for _ in (0, 1)]
    pipe = torch.multiprocessing.get_context("fork").Pipe()

    def exchange(me: int, trip: int) -> None:
        for turn in (0, 1):
            if turn == me:
                there[me].copy_(x)
                pipe[me].send_bytes(b"x")
            else:
                pipe[me].recv_bytes()

    return exchange


def torch_queue(x: torch.Tensor) -> Exchange:
    """torch.multiprocessing's queues of tensors: each is moved to memory of its own."""
    context = torch.multiprocessing.get_context("fork")
    queues = [context.SimpleQueue() for _ in (0, 1)]

    def exchange(me: int, trip: int) -> None:
        for turn in (0, 1):
            if turn == me:
                queues[me].put(x.clone())
            else:
                queues[1 - me].get()

    return exchange


def pickled(x: torch.Tensor) -> Exchange:
    """The tensor's bytes through a pipe."""
    pipe = torch.multiprocessing.get_context("fork").Pipe()

    def exchange(me: int, trip: int) -> None:
        for turn in (0, 1):
            if turn == me:
                pipe[me].send_bytes(x.numpy().data)
            else:
                torch.frombuffer(bytearray(pipe[me].recv_bytes()), dtype=x.dtype)

    return exchange


WAYS = {
    "ours": ours,
    "torch's shared tensors, a pipe": shared_tensors,
    "torch's queues": torch_queue,
    "bytes through a pipe": pickled,
}


def transfer_us(way: Callable[[torch.Tensor], Exchange], size: int, trips: int) -> float:
    """µs of one transfer between processes on two cores: half a round trip."""
    x = torch.arange(size // 4, dtype=torch.float32)
    exchange = way(x)
    end = torch.multiprocessing.get_context("fork").Barrier(2)

    def worker(me: int) -> list[int]:
        os.sched_setaffinity(0, {usable_cores()[me]})
        torch.set_num_threads(1)
        found = []
        for trip in range(trips):
            start = time.perf_counter_ns()
            exchange(me, trip)
            found.append(time.perf_counter_ns() - start)
        end.wait()  # torch's queues take a tensor from the process that sent it, while it lives
        return found

    trips_ns, _ = together([lambda: worker(0), lambda: worker(1)], fork=True)
    return float(np.percentile(trips_ns[trips // 4 :], FASTEST)) / 2e3


def transfers(trips: int) -> Iterator[str]:
    """The table of transfers."""
    yield "| way | " + " | ".join(f"{size:,} bytes" for size in SIZES) + " |"
    yield "| --- |" + " ---: |" * len(SIZES)
    for name, way in WAYS.items():
        cells = [transfer_us(way, size, max(300, trips // (1 + size // 2**16))) for size in SIZES]
        yield f"| {name} | " + " | ".join(f"{cell:,.1f}" for cell in cells) + " |"


def answer() -> int:
    """What a worker is started for: it has torch, and says so."""
    return len(torch.__version__)


def fork_two() -> None:
    together([answer, answer], fork=True)


def spawn_two() -> None:
    with torch.multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.map(_answer_of, range(2))


def loky_two() -> None:
    from loky import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as pool:
        list(pool.map(_answer_of, range(2)))


def _answer_of(_: int) -> int:
    return answer()


def starts(repeats: int) -> Iterator[str]:
    """The table of starts: the least of several."""
    ways = {"ours: forked": fork_two, "torch.multiprocessing, spawned": spawn_two}
    if find_spec("loky"):
        ways["loky"] = loky_two
    yield "| way | s |"
    yield "| --- | ---: |"
    for name, start in ways.items():
        found = []
        for _ in range(repeats):
            begin = time.perf_counter()
            start()
            found.append(time.perf_counter() - begin)
        yield f"| {name} | {min(found):.3f} |"


KILLED = """
import os, sys, time
def hang(path):
    open(path + str(os.getpid()), "w").close()
    time.sleep(1000)
if sys.argv[1] == "loky":
    from loky import ProcessPoolExecutor
    pool = ProcessPoolExecutor(2)
    [pool.submit(hang, sys.argv[2]) for _ in range(2)]
    time.sleep(1000)
elif sys.argv[1] == "ours":
    from go_gym.hardware.runtime.team import together
    together([lambda: hang(sys.argv[2])] * 2, fork=True)
"""


def left_behind(way: str) -> int:
    """How many of two workers, in an op that hangs, outlive their parent by ten seconds."""
    with tempfile.TemporaryDirectory() as folder:
        parent = subprocess.Popen([sys.executable, "-c", KILLED, way, f"{folder}/"])
        workers: Sequence[int] = []
        while len(workers) < 2:
            time.sleep(0.05)
            workers = [int(name) for name in os.listdir(folder)]
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        time.sleep(10)
        alive = [each for each in workers if Path(f"/proc/{each}").exists()]
        for each in alive:
            os.kill(each, signal.SIGKILL)
    return len(alive)


def page(trips: int, repeats: int) -> Iterator[str]:
    """The tables, and what was measured on."""
    load = os.getloadavg()[0]
    machine = describe([])
    yield "# Workers: ours and libraries'"
    yield ""
    yield (
        f"{machine['cpu']}, {len(usable_cores())} cores, {machine['system']}; "
        f"{date.today().isoformat()}. Python {platform.python_version()}, torch "
        f"{torch.__version__}. Load average before: {load:.1f}."
    )
    yield ""
    yield (
        f"A tensor from a process on one core to a process on another, µs: half a round trip, the "
        f"{FASTEST}th percentile of many."
    )
    yield ""
    yield from transfers(trips)
    yield ""
    yield "Two workers from nothing to their first answer (torch imported), the least of several:"
    yield ""
    yield from starts(repeats)
    yield ""
    ways = ["ours", *(["loky"] if find_spec("loky") else [])]
    counts = ", ".join(f"{way} {left_behind(way)}" for way in ways)
    yield f"Of two workers in an op that hangs, so many outlive a killed parent: {counts}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    check_platform(forked=True)
    lines = list(page(400, 1) if quick else page(5_000, 3))
    print("\n".join(lines))
    if not quick:
        (HERE / "workers.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
