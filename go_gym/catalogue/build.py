"""Building the datasets folder: every graph file, manifest, pictures, and the README's cards."""

import csv
import io
import multiprocessing
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from go_gym.catalogue.datasets import MANIFEST, load_file, read_manifest
from go_gym.cluster import load_cluster
from go_gym.errors import DatasetError
from go_gym.files import atomic_write, content_hash, read_text, unpack_arrays
from go_gym.graph import ComputationGraph
from go_gym.problem import Problem
from go_gym.render.profile import save_profile

COSTS = "build.csv"
PICTURES = "pictures"
PICTURED_ON = "p100x2"
"""The cluster whose devices the pictures' times are for (our choice)."""


@dataclass(frozen=True)
class BuildCost:
    """What it took to capture a graph when its file was last written."""

    name: str
    seconds: float
    peak_megabytes: int  # of the whole process, PyTorch included


def build_datasets(
    names: Sequence[str] | None,
    folder: Path,
    check: bool = False,
    progress: Callable[[str], None] = lambda name: None,
    apart: bool = True,
) -> list[str]:
    """Capture graphs and write their files, the manifest and the README into ``folder``.

    A stop loses no finished graph.

    Args:
        names: which graphs; None for all.
        folder: the datasets folder.
        check: write nothing, only compare with what is there.
        progress: called with each name before it is captured.
        apart: capture each in a process of its own, so that its memory can be told.

    Returns:
        The names whose files were altered (with ``check``: differ or are missing).

    Raises:
        DatasetError: for a name that is not in the catalogue.
    """
    from go_gym.catalogue.models import ENTRIES

    chosen = list(ENTRIES) if names is None else list(names)
    unknown = [name for name in chosen if name not in ENTRIES]
    if unknown:
        raise DatasetError(f"no graph {unknown[0]!r}: expected one of {', '.join(ENTRIES)}")
    altered = []
    with _captures(apart) as capture:
        for name in chosen:
            progress(name)
            data, cost = capture(name)
            path, picture = folder / f"{name}.npz", folder / PICTURES / f"{name}.png"
            same = path.exists() and _contents(path.read_bytes()) == _contents(data)
            if not same:
                altered.append(name)
            if check:
                continue
            costs = read_costs(folder)
            if not same:
                atomic_write(path, data)
            if not same or name not in costs:
                costs[name] = cost
                _write_csv(folder / COSTS, [asdict(costs[key]) for key in sorted(costs)])
            if not same or not picture.exists():
                save_profile(picture, Problem(load_file(path), load_cluster(PICTURED_ON)))
    if not check:
        write_index(folder)
    return altered


def _contents(data: bytes) -> str:
    """The hash of a graph file's arrays; its bytes depend on the compressor's version."""
    return content_hash(unpack_arrays(data, "graph file"))


@contextmanager
def _captures(apart: bool) -> Iterator[Callable[[str], tuple[bytes, BuildCost]]]:
    """What captures a graph by name, here or in a fresh process each."""
    if not apart:
        yield _captured
        return
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as pool:
        yield lambda name: pool.submit(_captured, name).result()


def _captured(name: str) -> tuple[bytes, BuildCost]:
    from go_gym.catalogue.models import ENTRIES

    start = time.perf_counter()
    data = ENTRIES[name].capture(name).to_bytes()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return data, BuildCost(name, round(seconds, 1), peak)


def read_costs(folder: Path) -> dict[str, BuildCost]:
    """What each graph's capture took, by name; empty where nothing is noted."""
    path = folder / COSTS
    if not path.exists():
        return {}
    found = {}
    for number, row in enumerate(csv.DictReader(read_text(path).splitlines()), start=2):
        try:
            cost = BuildCost(row["name"], float(row["seconds"]), int(row["peak_megabytes"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path}, line {number}: {error}") from None
        found[cost.name] = cost
    return found


def write_index(folder: Path) -> None:
    """Write manifest and README of the graph files that are in ``folder``."""
    names = sorted(path.stem for path in folder.glob("*.npz"))
    graphs = {name: load_file(folder / f"{name}.npz") for name in names}
    _write_csv(folder / MANIFEST, [_row(name, graph) for name, graph in graphs.items()])
    atomic_write(folder / "README.md", readme(graphs, read_costs(folder)))
    read_manifest(folder)


def _write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    buffer = io.StringIO()
    pd.DataFrame(rows).to_csv(buffer, index=False, lineterminator="\n")
    atomic_write(path, buffer.getvalue())


def _row(name: str, graph: ComputationGraph) -> dict[str, object]:
    return {
        "name": name,
        "family": graph.metadata["family"],
        "file": f"{name}.npz",
        "content_hash": graph.content_hash,
        "ops": graph.num_ops,
        "contracted_ops": int((~graph.is_free).sum()),
        "tensors": graph.num_tensors,
        "uses": graph.num_uses,
        "flops": int(graph.flops.sum()),
        "parameter_bytes": int(graph.parameter_bytes.sum()),
    }


def readme(graphs: Mapping[str, ComputationGraph], costs: Mapping[str, BuildCost]) -> str:
    """The README of the datasets folder: a card a graph."""
    lines = [
        "# Graphs",
        "",
        "Each file is one full training step (forward, loss, backward, Adam), or the forward pass "
        "of a server where its card says so, at ATen level, as `go-gym build-datasets` captures "
        "it from the models in `go_gym/catalogue/zoo/`; this page, `manifest.csv`, `build.csv` and "
        "the pictures are written by the same command. Parameter bytes count weights and, in "
        "training, Adam's two moments. Contracted ops leave out what costs nothing (views, "
        "getitems, parameters, inputs). Pictures: left, how many ops could run at once if "
        "communication were free; right, the work of each layer on a P100.",
    ]
    for name, graph in graphs.items():
        lines += ["", *card(name, graph, costs.get(name))]
    return "\n".join(lines) + "\n"


def card(name: str, graph: ComputationGraph, cost: BuildCost | None) -> list[str]:
    """The lines of one graph's card."""
    facts = graph.metadata
    settings = ", ".join(f"{key} {value}" for key, value in facts["settings"].items())
    common = Counter(graph.op_types[code] for code in graph.op_type.tolist()).most_common(12)
    phases = np.bincount(graph.phase, minlength=3).tolist()
    kind = "forward pass" if facts.get("served") else "training step"
    built = f"{cost.seconds:g} s, {cost.peak_megabytes:,} MB" if cost else "not noted"
    return [
        f"## {name}",
        "",
        f"{facts['what']}. Settings: {settings}. Architecture: {facts['source']}.",
        "",
        "| | |",
        "| --- | --- |",
        f"| family, kind | {facts['family']}, {kind} |",
        f"| ops (contracted) | {graph.num_ops:,} ({int((~graph.is_free).sum()):,}) |",
        f"| forward / backward / optimizer ops | {' / '.join(f'{n:,}' for n in phases)} |",
        f"| tensors, uses | {graph.num_tensors:,}, {graph.num_uses:,} |",
        f"| FLOPs | {graph.flops.sum() / 1e9:,.1f} G |",
        f"| parameter bytes | {graph.parameter_bytes.sum() / 1e6:,.1f} MB |",
        f"| layers | {', '.join(graph.layers)} |",
        f"| most common op types | {', '.join(f'{kind} {count:,}' for kind, count in common)} |",
        f"| captured in, with at most | {built} |",
        "",
        f"![{name}]({PICTURES}/{name}.png)",
    ]
