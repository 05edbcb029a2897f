"""The decision file: what an agent decided, so that anyone can check what it claims."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.errors import DecisionError, FileFormatError
from go_gym.files import ArrayHeader, atomic_write, pack_arrays, read_bytes, unpack_arrays
from go_gym.graph.validate import MAX_OPS
from go_gym.problem import Decision, Problem

FORMAT = "go-gym decision"
VERSION = 1
MAX_BYTES = 64 * 2**20
OPTIONAL = ("priority", "fusion", "order")
MAX_HEADER = 4096
"""Longest header, in bytes (our choice: it holds two hashes)."""


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
    if decision.order is not None:
        arrays["order"] = _small(np.asarray(decision.order))
    return pack_arrays(arrays)


def save_decision(path: str | Path, problem: Problem, decision: Decision) -> None:
    """Write a decision file, whole or not at all."""
    atomic_write(path, dump_decision(problem, decision))


def load_decision(path: str | Path) -> tuple[Decision, dict[str, Any]]:
    """A decision file's decision and header; raises FileFormatError or DecisionError."""
    return parse_decision(read_bytes(path, MAX_BYTES), path)


def parse_decision(data: bytes, where: str | Path) -> tuple[Decision, dict[str, Any]]:
    """The decision and header in a file's bytes; ``where`` names the file in errors."""
    arrays = unpack_arrays(data, where, lambda headers: _check(headers, where))
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
        optional = {label: arrays.get(label) for label in OPTIONAL}
        return Decision(arrays["placement"], **optional), header
    except DecisionError as error:
        raise DecisionError(f"{where}: {error}") from None


def _check(headers: Mapping[str, ArrayHeader], where: str | Path) -> None:
    """Raise FileFormatError unless arrays are those of a decision, of one length each."""
    columns = {name: each for name, each in headers.items() if name != "header"}
    if not set(columns) <= {"placement", *OPTIONAL} or "placement" not in columns:
        raise FileFormatError(f"{where}: holds {', '.join(sorted(headers))}: not a decision file")
    header = headers.get("header")
    if header is None or header.dtype != np.uint8 or math.prod(header.shape) > MAX_HEADER:
        raise FileFormatError(f"{where}: no header of at most {MAX_HEADER:,} bytes")
    ops = columns["placement"].shape
    for name, each in columns.items():
        if len(each.shape) != 1 or each.shape != ops or each.shape > (MAX_OPS,):
            raise FileFormatError(
                f"{where}: {name} has shape {each.shape}, placement {ops}, expected up to "
                f"({MAX_OPS:,},)"
            )


def _small(numbers: np.ndarray) -> np.ndarray:
    """Numbers from 0 up, in the smallest type that holds them."""
    highest = int(numbers.max(initial=0))
    return numbers.astype(np.min_scalar_type(highest))
