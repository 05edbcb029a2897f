"""The catalogue of graphs that come with go_gym."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from go_gym.catalogue import instances, registered
from go_gym.catalogue.synthetic import SYNTHETIC, generate_named
from go_gym.errors import DatasetError
from go_gym.files import read_bytes, read_text
from go_gym.graph import ComputationGraph

MANIFEST = "manifest.csv"
PAPER = ("amoebanet", "gnmt", "inception", "rnnlm", "transformer-xl", "wavenet")
"""The families of GO's fourteen workloads (NeurIPS 2020, table 2)."""
MODERN = ("bert", "ddpm", "dlrm", "gpt2", "graphsage", "llama", "mamba", "moe", "vit")
SPLITS: Mapping[str, tuple[str, ...]] = {
    "all": (),
    "paper": PAPER,
    "modern": MODERN,
    "recurrent": ("gnmt", "rnnlm"),
    "vision": ("amoebanet", "ddpm", "inception", "vit"),
    "language": ("bert", "gnmt", "gpt2", "llama", "mamba", "moe", "rnnlm", "transformer-xl"),
    **{f"paper-without-{held}": tuple(f for f in PAPER if f != held) for held in PAPER},
}
"""Families of each split (none named: every family); generalisation means an unseen family.

``paper-without-FAMILY`` is what GO trains on where FAMILY is held out (NeurIPS 2020, figure 5).
"""


@dataclass(frozen=True)
class GraphInfo:
    """One row of the manifest."""

    name: str
    family: str
    file: str
    content_hash: str
    ops: int
    contracted_ops: int
    tensors: int
    uses: int
    flops: int
    parameter_bytes: int


def folder() -> Path:
    """Where the graphs lie: inside an installed package, or beside a source checkout's."""
    package = Path(__file__).parent.parent
    installed = package / "_datasets"
    return installed if installed.is_dir() else package.parent / "datasets"


def names() -> list[str]:
    """Names of all graphs, in alphabetical order."""
    return sorted(_manifest())


def families() -> list[str]:
    """Names of all families, in alphabetical order."""
    return sorted({info.family for info in _manifest().values()})


def split(name: str) -> list[str]:
    """Names of the graphs in a split of ``SPLITS``, of a family, or of a registered family.

    Splits hold the catalogue's graphs only, whatever is registered.
    """
    wanted = SPLITS.get(name, (name,))
    found = [n for n in names() if not wanted or _manifest()[n].family in wanted]
    if not found:
        own = registered.graphs()
        found = [n for n, (family, _) in own.items() if family == name]
        if not found:
            known = dict.fromkeys([*SPLITS, *families(), *(family for family, _ in own.values())])
            raise DatasetError(f"no split or family {name!r}: expected one of {', '.join(known)}")
    return found


def register(folder: str | Path) -> list[str]:
    """Make the graphs of a folder known by their names and families; their names.

    Each file ``*.npz`` of the folder holds a graph; its name is ``graph.name``, its family
    ``graph.metadata["family"]``, or the folder's name where it says none. From then on
    ``graph=`` takes those names and families, here, in worker processes, and, with the variable
    ``GO_GYM_DATASETS`` set to the folder, in the shell. Splits and :func:`names` stay the
    catalogue's. A folder that is registered again is the same.

    Raises:
        DatasetError: for a folder without graph files, or a name or family that is taken by the
            catalogue, a split, or another registered folder.
        FileFormatError, GraphError: for a file that holds no graph.
    """
    place = Path(folder).resolve()
    taken = {*names(), *families(), *SPLITS}
    before = place in registered.folders()
    found = registered.graphs_of_folder(place)
    for graph in found:
        for label, text in ("name", graph.name), ("family", registered.family_of(graph, place)):
            if text in taken:
                raise DatasetError(f"{place}: {label} {text!r} of {graph.name!r} is taken")
    registered.add(place)
    try:
        registered.graphs()
    except DatasetError:
        if not before:
            registered.remove(place)
        raise
    return [graph.name for graph in found]


def info(name: str) -> GraphInfo:
    """The manifest's row of a graph; raises DatasetError, naming those that there are."""
    if name not in _manifest():
        raise DatasetError(f"no graph {name!r}: expected one of {', '.join(names())}")
    return _manifest()[name]


def exists(name: str) -> bool:
    """Is there a graph of that name: in the catalogue, synthetic, an instance's, registered?"""
    return (
        name in _manifest()
        or name.startswith(SYNTHETIC)
        or instances.is_instance(name)
        or name in registered.graphs()
    )


def load(name: str) -> ComputationGraph:
    """A graph by name, its contents checked against the manifest, kept after the first call.

    ``synthetic-KIND-OPS-SEED`` is generated, see :func:`go_gym.catalogue.synthetic.generate`;
    ``SET:NAME`` is that of an instance, see :func:`go_gym.catalogue.instances.load`; others are
    those of :func:`register`.

    Raises:
        DatasetError: for an unknown name, or a file that is missing or altered.
    """
    if name not in _manifest() and name in registered.graphs():
        return registered.graphs()[name][1]
    return _load(name)


@cache
def _load(name: str) -> ComputationGraph:
    if name.startswith(SYNTHETIC):
        return generate_named(name)
    if instances.is_instance(name):
        return instances.load(name).problem.graph
    row = info(name)
    path = folder() / row.file
    graph = ComputationGraph.from_bytes(read_bytes(path), path)
    stated = (row.content_hash, row.name, row.family)
    if (graph.content_hash, graph.name, graph.metadata.get("family")) != stated:
        raise DatasetError(f"{path}: not what the manifest has of {name!r}: the file was altered")
    return graph


def load_file(path: Path) -> ComputationGraph:
    """A graph from any graph file."""
    return ComputationGraph.load(path)


@cache
def _manifest() -> dict[str, GraphInfo]:
    return read_manifest(folder())


def read_manifest(where: Path) -> dict[str, GraphInfo]:
    """The manifest of a datasets folder; raises DatasetError naming the line at fault."""
    import csv  # a dozen rows: pandas would take longer to import than to read them

    path = where / MANIFEST
    rows: dict[str, GraphInfo] = {}
    for number, row in enumerate(csv.DictReader(read_text(path).splitlines()), start=2):
        try:
            numbers = {
                key: int(value) if GraphInfo.__annotations__[key] is int else value
                for key, value in row.items()
            }
            entry = GraphInfo(**numbers)  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise DatasetError(f"{path}, line {number}: {error}") from None
        if Path(entry.file).name != entry.file or entry.name in rows:
            raise DatasetError(f"{path}, line {number}: file outside the folder, or a repeat")
        rows[entry.name] = entry
    return rows
