"""Which program belongs to a graph: captured again, and checked to be the same. Imports torch."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from go_gym.capture.program import Program
from go_gym.capture.source import source_program
from go_gym.catalogue.models import ENTRIES, Entry
from go_gym.errors import HardwareError
from go_gym.graph import ComputationGraph


def program_of_graph(graph: ComputationGraph, maker: str | None = None) -> Program:
    """The executable program that ``graph`` was captured from.

    Args:
        graph: a graph of the catalogue, one of the zoo's models at other sizes (its metadata
            names family and settings), or any other with ``maker``. Measured durations do not
            matter.
        maker: ``file.py:function``, as ``go-gym capture`` takes it.

    Raises:
        HardwareError: if the graph has no program, or the program is of another graph.
        CaptureError: if ``maker`` cannot be captured.
    """
    program = source_program(maker) if maker else _captured(graph)
    if bare(program.graph).content_hash != bare(graph).content_hash:
        raise HardwareError(
            f"graph {graph.name!r} is not what {maker or 'the zoo'} captures "
            f"({program.graph.num_ops:,} ops here, {graph.num_ops:,} there): capture it again "
            "with this version of go_gym and torch, and decide on that"
        )
    return program


def bare(graph: ComputationGraph) -> ComputationGraph:
    """``graph`` without measured durations."""
    none = np.empty((graph.num_ops, 0), dtype=np.int64)
    return replace(graph, durations=none, duration_kinds=())


def variant(family: str, settings: Mapping[str, Any], served: bool = False) -> Entry:
    """A model of the zoo at other sizes than the catalogue's; raises HardwareError if unknown."""
    for entry in ENTRIES.values():
        if entry.family == family:
            kind = type(entry.settings)
            known = {field.name for field in fields(kind)}
            if not known >= set(settings):
                raise HardwareError(
                    f"{family}: no setting {min(set(settings) - known)!r}: there are "
                    f"{', '.join(sorted(known))}"
                )
            plain = {key: _tuple(value) for key, value in settings.items()}
            return replace(entry, settings=kind(**plain), served=served)
    families = sorted({entry.family for entry in ENTRIES.values()})
    raise HardwareError(f"no family {family!r}: expected one of {', '.join(families)}")


def _tuple(value: Any) -> Any:
    """JSON has no tuples; settings have no lists."""
    return tuple(map(_tuple, value)) if isinstance(value, list) else value


def _captured(graph: ComputationGraph) -> Program:
    family, settings = graph.metadata.get("family"), graph.metadata.get("settings")
    if not isinstance(family, str) or not isinstance(settings, Mapping):
        raise HardwareError(
            f"graph {graph.name!r} has no program that could be run: it is none of the zoo's; "
            "give the function that makes its program as file.py:function"
        )
    return variant(family, settings, bool(graph.metadata.get("served"))).program(graph.name)
