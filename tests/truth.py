"""Instances that others published and solved, in ``../shared/truth``; absent, tests are skipped."""

import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from go_gym.catalogue.instances import Instance
from go_gym.catalogue.instances.jobshop import job_shop
from go_gym.catalogue.instances.taskgraphs import on_equal_devices
from go_gym.graph import ComputationGraph

SHARED = Path(__file__).parents[1].parent / "shared"


@cache
def records(file: str) -> list[dict]:
    """A file's records; skips the test where the file is absent."""
    path = SHARED / "truth" / file
    if not path.exists():
        pytest.skip(f"{path} is absent: instances that others published are not copied")
    return json.loads(gzip.decompress(path.read_bytes()))


@cache
def job_shops() -> list[Instance]:
    """58 job shops: ft, la, abz, orb."""
    found = []
    for row in records("jobshop.json.gz"):
        facts = row["metadata"]
        sides = facts["lower_bound"], facts["upper_bound"], facts["reference"]
        found.append(job_shop(row["name"], row["duration_matrix"], row["machines_matrix"], *sides))
    return found


@cache
def stg() -> list[Instance]:
    """180 graphs of 50 tasks without communication, each on 2, 4, 8 and 16 devices."""
    found = []
    for row in records("stg50.json.gz"):
        edges = [(p, i, 0) for i, all_of in enumerate(row["predecessors"]) for p in all_of]
        found += _on_devices(
            row["name"], row, edges, {d: ends for d, ends in row["makespan"].items()}
        )
    return found


@cache
def auckland() -> list[Instance]:
    """35 graphs of ten tasks with a delay an edge, each on 4 and 8 devices."""
    found = []
    for row in records("auckland10.json.gz"):
        ends = {devices: (length, length) for devices, length in row["makespan"].items()}
        found += _on_devices(row["name"], row, row["edges"], ends)
    return found


def _on_devices(name, row, edges, ends) -> list[Instance]:
    graph = ComputationGraph.from_costs(
        row["duration"],
        [(a, delay) for a, _, delay in edges],
        [(i, b) for i, (_, b, _) in enumerate(edges)],
        name=name,
    )
    return [
        on_equal_devices(f"{name}@{devices}", graph, int(devices), "shared/truth", *sides)
        for devices, sides in ends.items()
    ]
