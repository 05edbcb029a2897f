"""Simulated beside measured: many placements of several models on this machine, a row each."""

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.agent import Budget, load_agent
from go_gym.baselines.placements import unite_groups
from go_gym.baselines.priorities import priorities
from go_gym.cluster import Cluster
from go_gym.cluster.toml import read_cluster, write_cluster
from go_gym.errors import FileFormatError, HardwareError
from go_gym.files import atomic_write, read_text
from go_gym.graph import ComputationGraph
from go_gym.hardware.calibration.calibrate import calibrate
from go_gym.hardware.process.session import Session
from go_gym.problem import Decision, Problem
from go_gym.simulator import simulate

RULE = "critical-path"
"""The priorities of every placement."""
BUDGET = 2000
"""Simulator calls of each agent."""
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "inception": ("inception", {"batch": 2, "image": 139}),
    "transformer-xl": (
        "transformer-xl",
        {
            "layers": 4,
            "width": 256,
            "heads": 4,
            "inner": 1024,
            "vocabulary": 2000,
            "tokens": 64,
            "segments": 2,
            "batch": 4,
        },
    ),
    "gnmt": ("gnmt", {"layers": 4, "hidden": 256, "vocabulary": 2000, "steps": 10, "batch": 32}),
    "rnnlm": ("rnnlm", {"layers": 4, "hidden": 384, "vocabulary": 2000, "steps": 10, "batch": 32}),
    "amoebanet": ("amoebanet", {"batch": 4, "cells": 1, "filters": 36, "image": 128}),
}
"""Models of the zoo whose step takes 50 to 1000 ms on one core: name → family, settings."""
BY_LAYER = "layers:"
PLACEMENTS = (
    "single-device",
    "human-expert",
    "contiguous",
    "metis",
    "heft-contention",
    "m-etf",
    "sa:start=best",
    "layers:0",
    "layers:1",
    "layers:2",
)
"""Agents, and random devices for each layer and phase by a seed: good, middling and bad ones."""


@dataclass(frozen=True)
class Row:
    """One placement of one model."""

    model: str
    placement: str
    simulated_ns: int
    measured_ns: int
    spread: float
    taken: float  # the largest share of a counted step that other programs took
    repeated: int
    noisy: bool
    load: float
    transfers: int  # bytes moved


COLUMNS = tuple(field.name for field in fields(Row))


def compare(
    models: dict[str, tuple[str, dict[str, Any]]],
    placements: Iterable[str],
    cluster: Cluster,
    folder: Path,
    steps: int = 10,
    urgent: bool = False,
    progress: Callable[[str, int], None] = lambda what, done: None,
) -> list[Row]:
    """Calibrate each model, then simulate and measure each placement of it.

    Args:
        models: name → family and settings of the zoo.
        placements: as in ``PLACEMENTS``.
        cluster: devices of this machine.
        folder: gets ``rows.csv`` and the calibrated graphs and clusters; rows that are there
            already are not measured again.
        steps: measured steps of each that count.
        urgent: see ``Session``.
        progress: called before each placement with its name and the number of rows done.

    Raises:
        HardwareError: if a measurement fails; the rows before it are kept.
    """
    path, chosen = folder / "rows.csv", list(placements)
    rows = read_rows(path) if path.exists() else []
    for name, (family, settings) in models.items():
        left = [p for p in chosen if (name, p) not in {(row.model, row.placement) for row in rows}]
        if not left:
            continue
        progress(f"{name}: calibrate", len(rows))
        with Session(_graph(name, family, settings), urgent=urgent) as session:
            problem = _calibrated(session, cluster, folder / name)
            for placement in left:
                progress(f"{name}: {placement}", len(rows))
                decision = decide(problem, placement)
                simulated = simulate(problem, decision)
                found = session.measure(problem, decision, steps)
                rows.append(
                    Row(
                        model=name,
                        placement=placement,
                        simulated_ns=simulated.step_time_ns,
                        measured_ns=found.median_ns,
                        spread=round(found.spread, 4),
                        taken=max(found.taken),
                        repeated=found.repeated,
                        noisy=found.noisy,
                        load=round(found.load, 2),
                        transfers=simulated.bytes_moved,
                    )
                )
                write_rows(path, rows)
    wanted = {(name, placement) for name in models for placement in chosen}
    return [row for row in rows if (row.model, row.placement) in wanted]


def check_placement(placement: str) -> None:
    """Raise GoGymError unless it is ``layers:SEED`` or an installed agent's name."""
    if not placement.startswith(BY_LAYER):
        load_agent(placement)
        return
    seed = placement.removeprefix(BY_LAYER)
    if not (seed.isascii() and seed.isdigit()):
        raise HardwareError(f"placement {placement!r}: expected a whole number as {BY_LAYER}SEED")


def decide(problem: Problem, placement: str) -> Decision:
    """The decision that a name of ``PLACEMENTS`` stands for."""
    check_placement(placement)
    if placement.startswith(BY_LAYER):
        devices = _by_layer(problem, int(placement.removeprefix(BY_LAYER)))
    else:
        agent = load_agent(placement)
        devices = np.asarray(agent.solve(problem, Budget(problem, BUDGET), 0).placement)
    return Decision(devices, priorities(RULE, problem, devices))


def _by_layer(problem: Problem, seed: int) -> np.ndarray:
    """A random device for each layer and phase, co-location kept."""
    graph = problem.graph
    code = (graph.layer.astype(np.int64) + 1) * 3 + graph.phase
    random = np.random.default_rng(seed)
    device = random.integers(problem.num_devices, size=int(code.max()) + 1)
    return unite_groups(problem, device[code])


def _graph(name: str, family: str, settings: dict[str, Any]) -> ComputationGraph:
    from go_gym.hardware.program.source import variant

    return variant(family, settings).capture(name)


def _calibrated(session: Session, cluster: Cluster, stem: Path) -> Problem:
    """The problem with measured durations, from its files if they are there."""
    graph_path, cluster_path = stem.with_suffix(".npz"), stem.with_suffix(".toml")
    if not (graph_path.exists() and cluster_path.exists()):
        found = calibrate(session, cluster)
        write_cluster(found.cluster, cluster_path)
        found.graph.save(graph_path)
    graph = ComputationGraph.load(graph_path)
    if graph.num_ops != session.graph.num_ops:
        raise FileFormatError(f"{graph_path}: calibrated for another graph: remove it")
    return Problem(graph, read_cluster(cluster_path))


def read_rows(path: Path) -> list[Row]:
    """The rows of a file that :func:`write_rows` wrote; raises FileFormatError otherwise."""
    table = list(csv.reader(io.StringIO(read_text(path), newline="")))
    if not table or tuple(table[0]) != COLUMNS:
        raise FileFormatError(f"{path}: expected the columns {', '.join(COLUMNS)}")
    kinds: dict[str, Callable[[str], Any]] = {
        "str": str,
        "int": int,
        "float": float,
        "bool": lambda text: text == "True",
    }
    try:
        return [
            Row(
                *(
                    kinds[getattr(field.type, "__name__", str(field.type))](cell)
                    for field, cell in zip(fields(Row), cells, strict=True)
                )
            )
            for cells in table[1:]
        ]
    except ValueError as error:
        raise FileFormatError(f"{path}: {error}") from None


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """Write the rows as CSV, whole or not at all."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    atomic_write(path, buffer.getvalue())
