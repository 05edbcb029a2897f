"""Labelled problems as examples, and batches of them for the network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from go_gym.files import atomic_write, make_folder, pack_arrays, read_bytes, unpack_arrays
from go_gym.partitions import Partition, quotient_graph

from .features import VERSION, Features, features_of
from .labels import load

LEAST = 8
"""Rows of an example (our choice)."""
WORST = 3.0
"""Logarithm of a step time over the best that counts for one out of memory, and at most."""


@dataclass(frozen=True, eq=False)
class Example:
    """A problem's features and decisions.

    Attributes:
        features: what the network sees.
        decisions: (k, R) int8, the best first.
        slower: (k,) float32, log of the step time over the best one's, at most WORST.
        family: of the graph.
        expert, heuristic: log of the step time of the human expert and the best classical
            heuristic over the best decision's; infinite where out of memory.
    """

    features: Features
    decisions: np.ndarray
    slower: np.ndarray
    family: str
    expert: float
    heuristic: float


@dataclass
class Batch:
    """B problems of as many devices, padded to as many rows R; attributes as of Features.

    Attributes:
        here: (B, R) bool, which rows are none of the padding.
    """

    rows: Tensor
    pairs: Tensor
    gathered: Tensor
    work: Tensor
    memory: Tensor
    received: Tensor
    window: Tensor
    devices: Tensor
    twin: Tensor
    here: Tensor

    @property
    def num_devices(self) -> int:
        """D."""
        return self.twin.shape[1]

    def to(self, device: torch.device | str) -> "Batch":
        """The same on another device of torch's."""
        return Batch(**{name: value.to(device) for name, value in vars(self).items()})


PADDED = {
    "rows": (0,),
    "pairs": (0, 1),
    "gathered": (1, 2),
    "work": (0,),
    "memory": (0,),
    "received": (0, 1),
    "window": (0,),
}
"""Which dimensions of each feature are rows."""


def collate(features: Sequence[Features]) -> Batch:
    """A batch; all must have as many devices."""
    most = max(each.count for each in features)
    columns = {}
    for name, dimensions in PADDED.items():
        stacked = []
        for each in features:
            array = getattr(each, name)
            width = [
                (0, most - each.count) if d in dimensions else (0, 0) for d in range(array.ndim)
            ]
            stacked.append(np.pad(array, width))
        columns[name] = torch.from_numpy(np.stack(stacked)).float()
    here = torch.arange(most)[None] < torch.tensor([each.count for each in features])[:, None]
    return Batch(
        **columns,
        devices=torch.from_numpy(np.stack([each.devices for each in features])),
        twin=torch.from_numpy(np.stack([each.twin for each in features])),
        here=here,
    )


def examples(folder: Path, known: dict[str, Example] | None = None) -> dict[str, Example]:
    """The examples of a folder of labels, by file; those in ``known``, as they are, from there.

    Features are kept in a folder beside the labels and made again when their version changes. Files
    without a finite label, or with too few rows to decide, are left out.
    """
    known, found = known or {}, {}
    cache = folder.with_name(f"{folder.name}-features-{VERSION}")
    make_folder(cache)
    for path in sorted(folder.glob("*.npz")):
        key = f"{path.name}, {path.stat().st_mtime_ns}"
        example = known[key] if key in known else _example(path, cache / path.name)
        if example is not None:
            found[key] = example
    return found


def _example(path: Path, cached: Path) -> Example | None:
    labels = unpack_arrays(read_bytes(path), path)
    step = labels["step_time_ns"]
    if not np.isfinite(step[0]):
        return None
    if cached.exists():
        features = Features(**unpack_arrays(read_bytes(cached), cached))
    else:
        labelled = load(path)
        rows = Partition(labelled.row_of, int(labelled.row_of.max()) + 1)
        features = features_of(labelled.problem, quotient_graph(labelled.problem, rows))
        atomic_write(cached, pack_arrays(vars(features)))
    if features.count < LEAST:
        return None
    slower = np.minimum(np.log(step / step[0]), WORST).astype(np.float32)
    expert, heuristic = np.log(labels["baselines_ns"] / step[0]).tolist()
    family = labels["family"].tobytes().decode()
    return Example(features, labels["decisions"], slower, family, expert, heuristic)
