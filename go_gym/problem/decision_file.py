"""The decision file: what an agent decided, so that anyone can check what it claims."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.errors import DecisionError, FileFormatError
from go_gym.files import atomic_write, pack_arrays, read_bytes, unpack_arrays
from go_gym.problem import Decision, Problem

FORMAT = "go-gym decision"
VERSION = 1
MAX_BYTES = 64 * 2**20


def dump_decision(problem: Problem, decision: Decision) -> bytes:
    """The file's bytes; equal decisions about equal problems give equal bytes."""
    header = {
        "format": FORMAT,
        "version": VERSION,
        "task": problem.task,
        "graph_hash": problem.graph.content_hash,
        "cluster_hash": problem.cluster.content_hash,
    }
    arrays = {
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
        "placement": _small(np.asarray(decision.placement)),
    }
    if decision.priority is not None:
        arrays["priority"] = np.asarray(decision.priority)
    if decision.fusion is not None:
        arrays["fusion"] = np.asarray(decision.fusion)
    return pack_arrays(arrays)


def save_decision(path: str | Path, problem: Problem, decision: Decision) -> None:
    """Write a decision file, whole or not at all."""
    atomic_write(path, dump_decision(problem, decision))


def load_decision(path: str | Path) -> tuple[Decision, dict[str, Any]]:
    """A decision file's decision and header; raises FileFormatError or DecisionError."""
    return parse_decision(read_bytes(path, MAX_BYTES), path)


def parse_decision(data: bytes, where: str | Path) -> tuple[Decision, dict[str, Any]]:
    """The decision and header in a file's bytes; ``where`` names the file in errors."""
    arrays = unpack_arrays(data, where)
    unknown = set(arrays) - {"header", "placement", "priority", "fusion"}
    if unknown or not {"header", "placement"} <= set(arrays):
        raise FileFormatError(f"{where}: holds {', '.join(sorted(arrays))}: not a decision file")
    try:
        header = json.loads(arrays["header"].tobytes().decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{where}: header is not JSON: {error}") from None
    expected = {"format": FORMAT, "version": VERSION}
    if not isinstance(header, dict) or any(header.get(k) != v for k, v in expected.items()):
        raise FileFormatError(f"{where}: not a {FORMAT} file of version {VERSION}")
    for key in ("task", "graph_hash", "cluster_hash"):
        if not isinstance(header.get(key), str):
            raise FileFormatError(f"{where}: header entry {key!r} is missing or no text")
    try:
        decision = Decision(arrays["placement"], arrays.get("priority"), arrays.get("fusion"))
        return decision, header
    except DecisionError as error:
        raise DecisionError(f"{where}: {error}") from None


def _small(placement: np.ndarray) -> np.ndarray:
    highest = int(placement.max(initial=0))
    return placement.astype(np.min_scalar_type(highest))
