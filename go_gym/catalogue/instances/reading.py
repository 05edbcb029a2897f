"""What the importers share: values out of strangers' files, each fault in one line."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.errors import FileFormatError, GoGymError
from go_gym.files import read_text
from go_gym.graph import ComputationGraph
from go_gym.graph.validate import MAX_DURATION_NS

MAX_BYTES = 64 * 2**20
UNIT_BANDWIDTH = 1e9
"""bytes/s: a byte is a nanosecond, so that delays of whole ns are sizes."""


class Source:
    """A file that is read, for errors that name it.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def fault(self, message: str) -> FileFormatError:
        """The error that says what is wrong with the file."""
        return FileFormatError(f"{self.path}: {message}")

    def text(self) -> str:
        """The file's text."""
        return read_text(self.path, MAX_BYTES)

    def lines(self) -> list[tuple[int, str]]:
        """Number and text of each line that is not empty and no comment (``#``)."""
        rows = enumerate(self.text().splitlines(), start=1)
        return [(i, line) for i, line in rows if line.strip() and not line.lstrip().startswith("#")]

    def json(self) -> Any:
        """The file's JSON."""
        try:
            return json.loads(self.text())
        except (ValueError, RecursionError) as error:
            raise self.fault(f"not JSON: {error}") from None

    def table(self, value: Any, where: str) -> Mapping[str, Any]:
        """A JSON object."""
        if not isinstance(value, dict):
            raise self.fault(f"{where}: expected an object, found {type(value).__name__}")
        return value

    def rows(self, value: Any, where: str) -> list[Mapping[str, Any]]:
        """A list of JSON objects."""
        if not isinstance(value, list):
            raise self.fault(f"{where}: expected a list, found {type(value).__name__}")
        return [self.table(each, f"{where}[{i}]") for i, each in enumerate(value)]

    def name(self, value: Any, where: str) -> str:
        """A text that is not empty."""
        if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
            raise self.fault(f"{where}: {value!r}, expected a name")
        return str(value)

    def number(self, value: Any, where: str, unit: float = 1.0) -> int:
        """A number from 0, times ``unit``, to the nearest whole; ns at most of eleven days."""
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not math.isfinite(value) or not 0 <= value * unit <= MAX_DURATION_NS:
            most = MAX_DURATION_NS / unit
            raise self.fault(f"{where}: {value!r}, expected a number from 0 to {most:g}")
        return round(value * unit)

    def whole(self, text: str, where: str) -> int:
        """A whole number from 0 in ``text``."""
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise self.fault(f"{where}: {text!r}, expected a whole number from 0")
        return int(text)

    def graph(
        self,
        name: str,
        durations: Any,
        tensors: Sequence[tuple[int, int]],
        uses: Sequence[tuple[int, int]],
        **more: Any,
    ) -> ComputationGraph:
        """The graph of these costs; a cycle, a repeated name and the like name the file.

        ``more`` is what :meth:`ComputationGraph.from_costs` takes.
        """
        try:
            return ComputationGraph.from_costs(durations, tensors, uses, name=name, **more)
        except GoGymError as error:
            raise self.fault(str(error)) from None

    def edges(
        self, name: str, durations: Any, edges: Sequence[tuple[int, int, int]], **more: Any
    ) -> ComputationGraph:
        """The graph of edges (from, to, bytes), each with a tensor of its own."""
        tensors = [(source, size) for source, _, size in edges]
        uses = [(number, target) for number, (_, target, _) in enumerate(edges)]
        return self.graph(name, durations, tensors, uses, **more)


def file_name(path: Path) -> str:
    """A name for a graph, fit for files, from that of its file."""
    stem = path.name.rsplit(".", 1)[0] or path.name
    return "".join(c if c.isalnum() or c in "-_.+" else "-" for c in stem).lstrip(".") or "graph"


def split_devices(rest: str, where: str, default: int | None = None) -> tuple[str, int]:
    """``PATH@DEVICES`` in its parts; raises FileFormatError without a number of devices."""
    path, mark, count = rest.rpartition("@")
    if mark and count.isascii() and count.isdigit() and 1 <= int(count[:6]) <= 4096:
        return path, int(count)
    if default is not None and not mark:
        return rest, default
    raise FileFormatError(f"{where}:{rest}: expected {where}:PATH@DEVICES, DEVICES from 1 to 4096")


def busiest(durations: Any) -> int:
    """ns of all work of a column of durations."""
    return int(np.asarray(durations, dtype=np.int64).sum())
