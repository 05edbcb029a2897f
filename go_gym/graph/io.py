"""The graph file: an ``.npz`` of plain arrays, its texts as UTF-8 in one of them. No pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from go_gym.errors import FileFormatError
from go_gym.files import ArrayHeader, pack_arrays, unpack_arrays
from go_gym.graph.build import Graph, assemble
from go_gym.graph.columns import COLUMNS, GraphColumns

FORMAT = "go-gym graph"
VERSION = 2
LATER = {"tensor_outlives": 2}
"""The version since which a column is there; in files of before it is all 0."""
_TABLES = ("op_types", "layers", "duration_kinds")
_PERMUTATIONS = ("source_index", "tensor_source_index")


def dumps(graph: GraphColumns) -> bytes:
    """The file's bytes; equal graphs give equal bytes."""
    header: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "name": graph.name,
        "metadata": dict(graph.metadata),
        **{table: list(getattr(graph, table)) for table in _TABLES},
    }
    arrays = {
        "header": _text(json.dumps(header, ensure_ascii=False)),
        "op_names": _text("\n".join(graph.op_names)),
        **{column: getattr(graph, column) for column in COLUMNS},
    }
    for label in _PERMUTATIONS:  # left out where the caller's order was kept
        values = getattr(graph, label)
        if not np.array_equal(values, np.arange(len(values))):
            arrays[label] = values
    return pack_arrays(arrays)


def loads(kind: type[Graph], data: bytes, where: str | Path) -> Graph:
    """The graph, of class ``kind``, in a file's bytes; ``where`` names the file in errors."""
    arrays = unpack_arrays(data, where, lambda headers: _check(headers, where))
    header = _header(arrays["header"], where)
    for column, since in LATER.items():
        if (column in arrays) != (header["version"] >= since):
            what = "unexpected" if column in arrays else "missing"
            raise FileFormatError(f"{where}: {column} {what} in version {header['version']}")
    identity = {
        "source_index": len(arrays["op_type"]) if arrays["op_type"].ndim else 0,
        "tensor_source_index": len(arrays["tensor_producer"])
        if arrays["tensor_producer"].ndim
        else 0,
    }
    permutations = {
        label: arrays.get(label, np.arange(size, dtype=np.int64))
        for label, size in identity.items()
    }
    names = _untext(arrays["op_names"], where)
    for column in LATER.keys() - arrays.keys():
        arrays[column] = np.zeros(identity["tensor_source_index"], dtype=COLUMNS[column])
    return assemble(
        kind,
        name=header["name"],
        op_names=tuple(names.split("\n")),
        columns={column: arrays[column] for column in COLUMNS},
        metadata=header["metadata"],
        **{table: tuple(header[table]) for table in _TABLES},
        source_index=permutations["source_index"],
        tensor_source_index=permutations["tensor_source_index"],
    )


def _check(headers: Mapping[str, ArrayHeader], where: str | Path) -> None:
    """Raise FileFormatError unless arrays are those of a graph, each of its type."""
    wanted = ("header", "op_names", *(column for column in COLUMNS if column not in LATER))
    missing = [label for label in wanted if label not in headers]
    if missing:
        raise FileFormatError(f"{where}: not a graph file: {', '.join(missing)} missing")
    kinds = dict.fromkeys(("header", "op_names"), np.uint8) | dict(COLUMNS)
    kinds |= dict.fromkeys(_PERMUTATIONS, np.int64)
    unknown = set(headers) - set(kinds)
    if unknown:
        raise FileFormatError(f"{where}: unexpected arrays: {', '.join(sorted(unknown))}")
    for label, header in headers.items():
        if header.dtype != kinds[label]:
            raise FileFormatError(
                f"{where}: {label} has dtype {header.dtype}, expected {np.dtype(kinds[label])}"
            )


def _header(array: np.ndarray, where: str | Path) -> dict[str, Any]:
    try:
        header = json.loads(_untext(array, where))
    except (json.JSONDecodeError, RecursionError) as error:
        raise FileFormatError(f"{where}: header is not JSON: {error}") from None
    kinds = {"name": str, "metadata": dict, **dict.fromkeys(_TABLES, list)}
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise FileFormatError(f"{where}: not a {FORMAT} file")
    if header.get("version") not in range(1, VERSION + 1):
        raise FileFormatError(
            f"{where}: format version {header.get('version')}, this go_gym reads 1 to {VERSION}"
        )
    for label, kind in kinds.items():
        if not isinstance(header.get(label), kind):
            raise FileFormatError(f"{where}: header entry {label!r} is missing or malformed")
    return header


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def _untext(array: np.ndarray, where: str | Path) -> str:
    if array.dtype != np.uint8 or array.ndim != 1:
        raise FileFormatError(f"{where}: a text is stored as {array.dtype} of {array.ndim} axes")
    try:
        return array.tobytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{where}: not UTF-8 text at byte {error.start}") from None
