"""Speed of the simulator: Numba against C, plain Python, and two threads against one.

    python benchmarks/against_c.py           # all of it, writes benchmarks/against_c.md
    python benchmarks/against_c.py --quick   # a sample in under a minute, writes nothing

Each figure is the median over several repeats of a pass over eight placements, in ns of CPU time
per op (wall time for the threads). Numba and C take turns, and must agree in every result.
"""

import argparse
import ctypes
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import graphs
import numba
import numpy as np

import go_gym
from go_gym.baselines.priorities import critical_path
from go_gym.catalogue import datasets
from go_gym.cluster import CONTENTION_MODELS
from go_gym.simulator.engine import run_many
from go_gym.simulator.reference import simulate_reference
from go_gym.simulator.tables import Tables, build_tables, contention_code
from go_gym.simulator.work import LAST_MOMENT, make_outcome, make_work, told

HERE = Path(__file__).parent
ROTATION = 8
"""Placements that take turns: the branch predictor learns a single one."""
BATCH_OPS = 500_000
"""Ops of a batch for the threads, at least: what takes 10 ms or so. Of shorter ones the time that
a thread needs to wake up would be a part that says nothing of the simulator."""
FLAGS = ["-std=c11", "-O3", "-march=native", "-fPIC", "-shared"]
GOALS = {
    "ratio": 1.1,
    "small": 30,
    "large": 45,
    "random": 120,
    "threads": 1.9,
    "warm": 0.4,
    "cold": 2.0,
}
LARGE = 40_000
"""Ops from which the goal for large graphs holds."""

Outcome = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""step time, busy, peak memory, figures (bytes moved; lack of memory; broken co-location)"""


# -- the C version


class CTables(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in Tables._fields] + [
        (name, ctypes.c_int64) for name in ("n", "t", "u", "d", "s", "k", "m")
    ]


class CLibrary:
    """``simulator.c``, compiled."""

    def __init__(self, compiler: str, folder: str) -> None:
        target = Path(folder) / "simulator.so"
        source = HERE / "simulator.c"
        subprocess.run([compiler, *FLAGS, "-o", target, source, "-lm"], check=True)
        self.library = ctypes.CDLL(str(target))
        self.library.sim_new.restype = ctypes.c_void_p
        self.library.sim_new.argtypes = [ctypes.POINTER(CTables), ctypes.c_int]
        self.library.sim_delete.argtypes = [ctypes.c_void_p]
        pointers = [ctypes.c_void_p] * 6
        self.library.sim_run.argtypes = [
            ctypes.c_void_p,
            ctypes.c_int,
            ctypes.c_int64,
            *pointers,
        ]

    def runner(
        self, tables: Tables, contention: int, placements: np.ndarray, levels: np.ndarray | None
    ) -> tuple[Callable[[], Outcome], Callable[[], None]]:
        """What simulates every row of ``placements``, and what frees its memory."""
        n, t, d = len(tables.op), len(tables.tensor), len(tables.capacity)
        lengths = [len(tables.sources), len(tables.parameters), len(tables.followers)]
        uses = int(tables.op["inputs"].sum())
        given = CTables(*(column.ctypes.data for column in tables), n, t, uses, d, *lengths)
        simulation = self.library.sim_new(ctypes.byref(given), contention)
        outcome = empty_outcome(len(placements), d)
        columns = [column.ctypes.data for column in outcome]
        order = None if levels is None else levels.ctypes.data

        def run() -> Outcome:
            self.library.sim_run(
                simulation, contention, len(placements), placements.ctypes.data, order, *columns
            )
            return outcome

        return run, lambda: self.library.sim_delete(simulation)


def find_compiler() -> str | None:
    """The path of a C compiler, None if there is none."""
    names = (os.environ.get("CC"), "cc", "gcc", "clang")
    return next((path for name in names if name and (path := shutil.which(name))), None)


# -- placements


def by_layer(graph: go_gym.ComputationGraph, devices: int, rng: np.random.Generator) -> np.ndarray:
    """Contiguous stretches of layers, cut at random, on devices in random order."""
    layer = np.maximum(graph.layer, 0)
    count = int(layer.max()) + 1
    cuts = np.sort(rng.choice(np.arange(1, count), min(devices, count) - 1, replace=False))
    return rng.permutation(devices)[np.searchsorted(cuts, layer, side="right")]


def at_random(graph: go_gym.ComputationGraph, devices: int, rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, devices, graph.num_ops)


PLACEMENTS = {"by layer": by_layer, "random": at_random}


# -- measuring


@dataclass
class Row:
    """One line of the table; ns per op."""

    graph: str
    ops: int
    devices: int
    contention: str
    placement: str
    queue: str
    numba: float
    c: float | None = None
    ratio: float | None = None
    python: float | None = None
    one_thread: float | None = None
    two_threads: float | None = None
    scaling: float | None = None

    def cells(self) -> list[str]:
        return [
            self.graph,
            f"{self.ops:,}",
            str(self.devices),
            self.contention,
            self.placement,
            self.queue,
            f"{self.numba:.1f}",
            cell(self.c, ".1f"),
            cell(self.ratio, ".2f"),
            cell(self.python and self.python / self.numba, ",.0f", "×"),
            cell(self.one_thread, ".1f"),
            cell(self.two_threads, ".1f"),
            cell(self.scaling, ".2f", "×"),
        ]


HEAD = [
    "graph",
    "ops",
    "devices",
    "contention",
    "placement",
    "queue",
    "Numba",
    "C",
    "Numba / C",
    "plain Python",
    "1 thread",
    "2 threads",
    "scaling",
]


def cell(value: float | None, form: str, unit: str = "") -> str:
    return "" if value is None else f"{value:{form}}{unit}"


def empty_outcome(rows: int, devices: int) -> Outcome:
    return (
        np.zeros(rows, np.int64),
        np.zeros((rows, devices), np.int64),
        np.zeros((rows, devices), np.int64),
        np.zeros((rows, 4), np.int64),
    )


def numba_runner(
    tables: Tables, contention: int, placements: np.ndarray, levels: np.ndarray | None
) -> Callable[[], Outcome]:
    work = make_work(tables, contention, levels is not None, trace=False)
    outcome = make_outcome(len(placements), len(tables.capacity))
    limits = np.full(len(placements), LAST_MOMENT)

    def run() -> Outcome:
        run_many(tables, work, contention, placements, levels, limits, outcome)
        step, busy, peak, moved, faults = told(tables, outcome)
        return step, busy, peak, np.column_stack([moved, faults])

    return run


def in_turns(
    calls: Sequence[Callable[[], object]], repeats: int, clock: Callable[[], int]
) -> list[list[int]]:
    """ns of each call in each repeat, the calls in turns."""
    times: list[list[int]] = [[] for _ in calls]
    for repeat in range(repeats + 1):
        for call, taken in zip(calls, times, strict=True):
            start = clock()
            call()
            if repeat:  # the first is to warm up
                taken.append(clock() - start)
    return times


def measure(
    problem: go_gym.Problem,
    kind: str,
    ranked: bool,
    library: CLibrary | None,
    options: argparse.Namespace,
    reference: bool,
    threads: bool,
) -> Row:
    graph, cluster = problem.graph, problem.cluster
    rng = np.random.default_rng(7)
    placements = np.stack(
        [PLACEMENTS[kind](graph, cluster.num_devices, rng) for _ in range(ROTATION)]
    ).astype(np.int64)
    placements.setflags(write=False)  # as in a Decision: one type, and so one compilation
    levels = None
    if ranked:
        levels = np.stack([critical_path(problem, placement) for placement in placements])
        levels.setflags(write=False)
    tables, contention = build_tables(problem), contention_code(problem)
    total = ROTATION * graph.num_ops

    calls = [numba_runner(tables, contention, placements, levels)]
    free = None
    if library is not None:
        run, free = library.runner(tables, contention, placements, levels)
        calls.append(run)
        for label, ours, theirs in zip(
            ("step time", "busy", "peak memory", "bytes moved and faults"),
            calls[0](),
            run(),
            strict=True,
        ):
            if not np.array_equal(ours, theirs):
                raise SystemExit(f"{graph.name}, {cluster}: C and Numba differ in {label}")
    repeats = max(options.repeats, 400_000 * options.repeats // total)
    times = in_turns(calls, repeats, time.thread_time_ns)
    row = Row(
        graph.name,
        graph.num_ops,
        cluster.num_devices,
        cluster.contention,
        kind,
        "priorities" if ranked else "FIFO",
        statistics.median(times[0]) / total,
    )
    if library is not None:
        row.c = statistics.median(times[1]) / total
        row.ratio = statistics.median(a / b for a, b in zip(*times, strict=True))
    if free is not None:
        free()

    if reference:
        decision = go_gym.Decision(placements[0], None if levels is None else levels[0])
        start = time.thread_time_ns()
        expected = simulate_reference(problem, decision)
        row.python = (time.thread_time_ns() - start) / graph.num_ops
        if expected.step_time_ns != calls[0]()[0][0]:
            raise SystemExit(f"{graph.name}, {cluster}: the engine differs from its specification")
    if threads:
        decisions = [
            go_gym.Decision(placement, None if levels is None else levels[i])
            for i, placement in enumerate(placements)
        ] * max(2, BATCH_OPS // total)
        one, two = in_turns(
            [
                lambda: go_gym.simulate_batch(problem, decisions, threads=1),
                lambda: go_gym.simulate_batch(problem, decisions, threads=2),
            ],
            max(options.repeats, repeats // 3),
            time.perf_counter_ns,
        )
        row.one_thread = statistics.median(one) / graph.num_ops / len(decisions)
        row.two_threads = statistics.median(two) / graph.num_ops / len(decisions)
        row.scaling = statistics.median(a / b for a, b in zip(one, two, strict=True))
    return row


def problems(options: argparse.Namespace) -> Iterator[tuple[go_gym.Problem, str, bool, bool, bool]]:
    """Problem, placement, with priorities?, against plain Python?, with threads?"""
    quick = options.quick
    made = [graphs.lstm(8, 20), graphs.lstm(8, 200)]
    others = []
    if not quick:
        others += [graphs.transformer(24), graphs.transformer(24, 10)]
        others += [datasets.load(name) for name in ("rnnlm-2", "inception-b32")]
    for graph in made + others:
        sizes = (4,) if quick or graph in others else (2, 4, 8)
        for devices in sizes:
            for contention in CONTENTION_MODELS:
                if contention != "duplex" and (devices != 4 or graph is not made[0]):
                    continue
                cluster = go_gym.Cluster.uniform(
                    devices, bandwidth=12e9, latency=10e-6, memory=16 * 2**30, contention=contention
                )
                problem = go_gym.Problem(graph, cluster)
                for kind in PLACEMENTS:
                    for ranked in (False, True):
                        usual = contention == "duplex" and devices == 4
                        sample = usual and not ranked and (graph is made[0] or not quick)
                        yield problem, kind, ranked, sample, usual


FIRST_CALL = """
import time
start = time.perf_counter()
import go_gym
imported = time.perf_counter()
graph = go_gym.ComputationGraph.from_costs([1, 2], [(0, 8)], [(0, 1)])
problem = go_gym.Problem(graph, go_gym.Cluster.uniform(devices=2, bandwidth=1e9))
decision = go_gym.Decision([0, 1])
begin = time.perf_counter()
go_gym.simulate(problem, decision)
print(imported - start, time.perf_counter() - begin)
"""


def first_call(cache: str) -> tuple[float, float]:
    """Seconds that a new process takes to import go_gym, and for its first simulation."""
    done = subprocess.run(
        [sys.executable, "-c", FIRST_CALL],
        env={**os.environ, "NUMBA_CACHE_DIR": cache},
        check=True,
        capture_output=True,
        text=True,
    )
    imported, called = map(float, done.stdout.split())
    return imported, called


def first_calls(repeats: int) -> str:
    cold, warm = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as cache:
            cold.append(first_call(cache))
            warm.append(first_call(cache))
    imported = statistics.median(seconds for seconds, _ in cold + warm)
    slow, fast = (statistics.median(seconds for _, seconds in runs) for runs in (cold, warm))
    return (
        f"First simulation in a new process: {fast:.2f} s with a warm compile cache "
        f"({goal(fast, GOALS['warm'])}), {slow:.2f} s with an empty one "
        f"({goal(slow, GOALS['cold'])}), after {imported:.2f} s for `import go_gym`."
    )


# -- the report


def goal(value: float, limit: float, at_least: bool = False) -> str:
    met = value >= limit if at_least else value <= limit
    return f"goal {'≥' if at_least else '≤'} {limit:g}: {'met' if met else 'missed'}"


def goals(rows: list[Row]) -> Iterator[str]:
    ratios = [row.ratio for row in rows if row.ratio is not None]
    if ratios:
        middle = statistics.median(ratios)
        yield (
            f"Numba / C: median {middle:.2f}, from {min(ratios):.2f} to {max(ratios):.2f} "
            f"({goal(middle, GOALS['ratio'])}; within it: "
            f"{sum(ratio <= GOALS['ratio'] for ratio in ratios)} of {len(ratios)} rows)."
        )
    usual = [row for row in rows if row.queue == "FIFO" and row.contention == "duplex"]
    for label, limit, chosen in (
        (
            "by layer, 4 devices, FIFO, smaller graphs",
            GOALS["small"],
            [r for r in usual if r.placement == "by layer" and r.devices == 4 and r.ops < LARGE],
        ),
        (
            "by layer, 4 devices, FIFO, larger graphs",
            GOALS["large"],
            [r for r in usual if r.placement == "by layer" and r.devices == 4 and r.ops >= LARGE],
        ),
        ("random, FIFO", GOALS["random"], [r for r in usual if r.placement == "random"]),
    ):
        if chosen:
            worst = max(row.numba for row in chosen)
            yield f"ns per op, {label}: at most {worst:.1f} ({goal(worst, limit)})."
    scalings = [row.scaling for row in rows if row.scaling is not None]
    if scalings:
        middle = statistics.median(scalings)
        yield (
            f"Two threads against one: median {middle:.2f}×, from {min(scalings):.2f}× "
            f"({goal(middle, GOALS['threads'], at_least=True)})."
        )


def machine(compiler: str | None) -> Iterator[str]:
    """What was measured where: processor, versions, and how the C version was compiled, if any."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    yield f"{model}, {os.cpu_count()} cores, {platform.system()}; {date.today().isoformat()}."
    compiled = ""
    if compiler is not None:
        said = subprocess.run([compiler, "--version"], capture_output=True, text=True).stdout
        compiled = f"; {said.splitlines()[0]} with `{' '.join(FLAGS[:3])}`"
    yield (
        f"go-gym {go_gym.__version__}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"Numba {numba.__version__}{compiled}."
    )


def table(rows: list[Row]) -> str:
    lines = [HEAD, ["---"] * 6 + ["---:"] * (len(HEAD) - 6), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sample; writes no file")
    parser.add_argument("--repeats", type=int, help="at least so many passes a figure")
    parser.add_argument("--output", type=Path, default=HERE / "against_c.md")
    options = parser.parse_args()
    options.repeats = options.repeats or (5 if options.quick else 9)

    compiler = None  # simulator.c is of version 1 of the simulator, which queues views
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        library = CLibrary(compiler, folder) if compiler else None
        if library is None:
            print("no C compiler found: the C column stays empty", file=sys.stderr)
        rows = []
        for problem, kind, ranked, reference, threads in problems(options):
            rows.append(measure(problem, kind, ranked, library, options, reference, threads))
            print(" ".join(f"{text:>12}" for text in rows[-1].cells()), file=sys.stderr, flush=True)
    notes = [*goals(rows), first_calls(1 if options.quick else 3)]
    report = "\n\n".join(
        [
            "# Speed of the simulator",
            "\n".join(machine(compiler)),
            f"Medians in ns per op, {ROTATION} placements in turns; Numba and C in CPU time and in "
            "turns, with equal results; `plain Python` is the specification in multiples of Numba; "
            "threads in wall time through `simulate_batch`, which also checks the decisions. "
            f"Load of the machine at the start: {load:.1f}.",
            table(rows),
            "\n".join(f"- {note}" for note in notes),
        ]
    )
    print(report)
    if not options.quick:
        options.output.write_text(report + "\n")
        print(f"written: {options.output.name}", file=sys.stderr)


if __name__ == "__main__":
    main()
