"""Building the datasets folder: every graph file, the manifest, and the cards of its README."""

import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from go_gym.datasets import MANIFEST, load_file, read_manifest
from go_gym.errors import DatasetError
from go_gym.files import atomic_write, sha256
from go_gym.graph import ComputationGraph
from go_gym.graph.io import dumps


def build_datasets(
    names: Sequence[str] | None,
    folder: Path,
    check: bool = False,
    progress: Callable[[str], None] = lambda name: None,
) -> list[str]:
    """Capture graphs and write their files, the manifest and the README into ``folder``.

    Args:
        names: which graphs; None for all.
        folder: the datasets folder.
        check: write nothing, only compare with what is there.
        progress: called with each name before it is captured.

    Returns:
        The names whose files were altered (with ``check``: differ or are missing).

    Raises:
        DatasetError: for a name that is not in the catalogue.
    """
    from go_gym.zoo.catalogue import ENTRIES

    chosen = list(ENTRIES) if names is None else list(names)
    unknown = [name for name in chosen if name not in ENTRIES]
    if unknown:
        raise DatasetError(f"no graph {unknown[0]!r}: expected one of {', '.join(ENTRIES)}")
    altered = []
    for name in chosen:
        progress(name)
        data = dumps(ENTRIES[name].capture(name))
        path = folder / f"{name}.npz"
        if not path.exists() or sha256(path.read_bytes()) != sha256(data):
            altered.append(name)
            if not check:
                atomic_write(path, data)
    if not check:
        write_index(folder)
    return altered


def write_index(folder: Path) -> None:
    """Write manifest and README of the graph files that are in ``folder``."""
    graphs = {path.stem: load_file(path) for path in sorted(folder.glob("*.npz"))}
    rows = [_row(name, graph, folder) for name, graph in graphs.items()]
    buffer = io.StringIO()
    pd.DataFrame(rows).to_csv(buffer, index=False, lineterminator="\n")
    atomic_write(folder / MANIFEST, buffer.getvalue())
    atomic_write(folder / "README.md", readme(graphs))
    read_manifest(folder)


def _row(name: str, graph: ComputationGraph, folder: Path) -> dict[str, object]:
    data = (folder / f"{name}.npz").read_bytes()
    return {
        "name": name,
        "family": graph.metadata["family"],
        "file": f"{name}.npz",
        "sha256": sha256(data),
        "content_hash": graph.content_hash,
        "ops": graph.num_ops,
        "contracted_ops": int((~graph.is_free).sum()),
        "tensors": graph.num_tensors,
        "uses": graph.num_uses,
        "flops": int(graph.flops.sum()),
        "parameter_bytes": int(graph.parameter_bytes.sum()),
    }


def readme(graphs: dict[str, ComputationGraph]) -> str:
    """The README of the datasets folder: a card a graph."""
    lines = [
        "# Graphs",
        "",
        "Each file is one full training step (forward, loss, backward, Adam) at ATen level, as "
        "`go-gym build-datasets` captures it from the models in `go_gym/zoo/`; this page and "
        "`manifest.csv` are written by the same command. Parameter bytes count weights and "
        "Adam's two moments. Contracted ops leave out what costs nothing (views, getitems, "
        "parameters, inputs).",
    ]
    for name, graph in graphs.items():
        lines += ["", *card(name, graph)]
    return "\n".join(lines) + "\n"


def card(name: str, graph: ComputationGraph) -> list[str]:
    """The lines of one graph's card."""
    facts = graph.metadata
    settings = ", ".join(f"{key} {value}" for key, value in facts["settings"].items())
    common = Counter(graph.op_types[code] for code in graph.op_type.tolist()).most_common(12)
    phases = np.bincount(graph.phase, minlength=3).tolist()
    return [
        f"## {name}",
        "",
        f"{facts['what']}. Settings: {settings}. Architecture: {facts['source']}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| ops (contracted) | {graph.num_ops:,} ({int((~graph.is_free).sum()):,}) |",
        f"| forward / backward / optimizer ops | {' / '.join(f'{n:,}' for n in phases)} |",
        f"| tensors, uses | {graph.num_tensors:,}, {graph.num_uses:,} |",
        f"| FLOPs | {graph.flops.sum() / 1e9:,.1f} G |",
        f"| parameter bytes | {graph.parameter_bytes.sum() / 1e6:,.1f} MB |",
        f"| layers | {', '.join(graph.layers)} |",
        f"| most common op types | {', '.join(f'{kind} {count:,}' for kind, count in common)} |",
    ]
