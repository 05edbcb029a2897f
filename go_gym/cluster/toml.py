"""Clusters as TOML, for people to read and write.

A description names its devices (of a catalogued ``kind``, or spelled out) and gives a link for
each *tier*: ``host`` joins devices of one host, ``rack`` hosts of one rack, ``all`` everything;
the nearest tier that joins two devices counts. A ``[[link]]`` with ``from`` and ``to`` (device
names) overrides a single ordered pair.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w

from go_gym.cluster.model import UNLIMITED_MEMORY, Cluster, Device, Link
from go_gym.errors import ClusterError, FileFormatError
from go_gym.files import atomic_write, read_text

MAX_TOML_BYTES = 16 * 2**20
TIERS = ("host", "rack", "all")
_CATALOGUE = Path(__file__).with_name("devices.toml")
_DEVICE_FIGURES = ("peak_flops", "memory_bandwidth", "memory_bytes", "launch_overhead_ns")


def read_cluster(path: str | Path) -> Cluster:
    """The cluster in a TOML file; raises FileFormatError or ClusterError naming the file."""
    return parse_cluster(read_text(path, MAX_TOML_BYTES), str(path))


def parse_cluster(text: str, where: str = "cluster") -> Cluster:
    """The cluster in TOML text; ``where`` names the text in errors."""
    table = _parse(text, where)
    try:
        return _cluster(table)
    except ClusterError as error:
        raise ClusterError(f"{where}: {error}") from None


def write_cluster(cluster: Cluster, path: str | Path) -> None:
    """Write ``cluster`` to ``path``, spelled out, so that reading it gives the same hash."""
    atomic_write(path, format_cluster(cluster))


def format_cluster(cluster: Cluster) -> str:
    """``cluster`` as TOML text, every device and link spelled out."""
    devices = [
        {
            "name": device.name,
            "kind": device.kind,
            "peak_flops": {dtype: float(rate) for dtype, rate in device.peak_flops.items()},
            "memory_bandwidth": float(device.memory_bandwidth),
            **({"memory_bytes": int(device.memory_bytes)} if _limited(device) else {}),
            "launch_overhead_ns": int(device.launch_overhead_ns),
        }
        for device in cluster.devices
    ]
    counts = np.bincount(cluster.link_of.ravel(), minlength=len(cluster.links))
    common = int(counts.argmax())
    links: list[dict[str, Any]] = [{"tier": "all", **_figures(cluster.links[common])}]
    for a, b in np.argwhere(cluster.link_of != common).tolist():
        if a != b:
            ends = {"from": cluster.devices[a].name, "to": cluster.devices[b].name}
            links.append({**ends, **_figures(cluster.link(a, b))})
    return tomli_w.dumps(
        {
            "name": cluster.name,
            "version": cluster.version,
            "contention": cluster.contention,
            **({"sources": dict(cluster.sources)} if cluster.sources else {}),
            "device": devices,
            "link": links,
        }
    )


def _limited(device: Device) -> bool:
    return device.memory_bytes != UNLIMITED_MEMORY


def _figures(link: Link) -> dict[str, Any]:
    return {"bandwidth": float(link.bandwidth), "latency_ns": int(link.latency_ns)}


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        raise FileFormatError(f"{where}: not TOML: {error}") from None


def _cluster(table: Mapping[str, Any]) -> Cluster:
    known = {"name", "version", "contention", "sources", "device", "link"}
    _no_others(table, known, "the cluster")
    devices: list[Device] = []
    places: list[tuple[str, str]] = []  # (host, rack) of each device
    for number, entry in enumerate(_tables(table, "device")):
        for device, place in _devices(entry, number):
            devices.append(device)
            places.append(place)
        if len(devices) > 100_000:
            raise ClusterError("more than 100,000 devices")
    names = {device.name: number for number, device in enumerate(devices)}
    links, link_of = _links(_tables(table, "link"), places, names)
    sources = table.get("sources", {})
    if not isinstance(sources, dict) or not all(isinstance(v, str) for v in sources.values()):
        raise ClusterError("sources: expected a table of texts")
    return Cluster(
        name=table.get("name", ""),
        devices=tuple(devices),
        links=links,
        link_of=link_of,
        contention=table.get("contention", "duplex"),
        version=table.get("version", 1),
        sources=sources,
    )


def _tables(table: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    entries = table.get(key, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ClusterError(f"{key}: expected [[{key}]] tables")
    if not entries and key == "device":
        raise ClusterError("no [[device]] is given")
    return entries


def _no_others(table: Mapping[str, Any], known: set[str], what: str) -> None:
    others = set(table) - known
    if others:
        raise ClusterError(f"{what}: unknown entries {', '.join(sorted(others))}")


def _devices(entry: Mapping[str, Any], number: int) -> list[tuple[Device, tuple[str, str]]]:
    known = {"name", "kind", "count", "host", "rack", "source", *_DEVICE_FIGURES}
    _no_others(entry, known, f"device {number}")
    kind = entry.get("kind", "")
    figures: dict[str, Any] = {"memory_bytes": UNLIMITED_MEMORY, "launch_overhead_ns": 0}
    figures |= {key: value for key, value in catalogue().get(str(kind), {}).items()}
    figures |= {key: entry[key] for key in _DEVICE_FIGURES if key in entry}
    missing = [key for key in _DEVICE_FIGURES if key not in figures]
    if missing:
        raise ClusterError(
            f"device {number}: kind {kind!r} is not one of {', '.join(catalogue())}, so it must "
            f"give {', '.join(missing)}"
        )
    count = entry.get("count", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 100_000:
        raise ClusterError(f"device {number}: count {count!r}, expected 1 to 100,000")
    name = entry.get("name", kind)
    place = str(entry.get("host", "")), str(entry.get("rack", ""))
    if not isinstance(name, str):
        raise ClusterError(f"device {number}: name {name!r} is not a text")
    names = [name] if "count" not in entry else [f"{name}:{i}" for i in range(count)]
    return [(Device(name=text, kind=kind, **figures), place) for text in names]


def _links(
    entries: list[dict[str, Any]], places: list[tuple[str, str]], names: Mapping[str, int]
) -> tuple[tuple[Link, ...], np.ndarray]:
    count = len(places)
    if count > 4096:
        raise ClusterError(f"{count} devices, at most 4096")
    hosts = np.unique([f"{rack}\n{host}" for host, rack in places], return_inverse=True)[1]
    racks = np.unique([rack for _, rack in places], return_inverse=True)[1]
    joined = {
        "all": np.ones((count, count), dtype=bool),
        "rack": racks[:, None] == racks[None, :],
        "host": hosts[:, None] == hosts[None, :],
    }
    links: list[Link] = []
    numbers: dict[Link, int] = {}
    link_of = np.zeros((count, count), dtype=np.uint16)
    covered = np.eye(count, dtype=bool)
    by_tier = sorted(
        enumerate(entries), key=lambda item: _rank(item[1])
    )  # wide tiers first, single pairs last: later ones overwrite
    for number, entry in by_tier:
        _no_others(
            entry,
            {"tier", "from", "to", "bandwidth", "latency_ns", "source"},
            f"link {number}",
        )
        try:
            link = Link(entry.get("bandwidth", 0), entry.get("latency_ns", 0))
        except ClusterError as error:
            raise ClusterError(f"link {number}: {error}") from None
        if link not in numbers:
            numbers[link] = len(links)
            links.append(link)
        if "tier" in entry:
            where: Any = joined.get(entry["tier"]) if isinstance(entry["tier"], str) else None
            if where is None:
                raise ClusterError(
                    f"link {number}: tier {entry['tier']!r}, expected one of {', '.join(TIERS)}"
                )
        else:
            where = tuple(_device_number(entry, end, names, number) for end in ("from", "to"))
        link_of[where] = numbers[link]
        covered[where] = True
    if not covered.all():
        a, b = np.argwhere(~covered)[0].tolist()
        device = list(names)
        raise ClusterError(f"no link joins device {device[a]!r} to {device[b]!r}")
    return tuple(links) or (Link(1e9, 0),), link_of


def _rank(entry: Mapping[str, Any]) -> int:
    tier = entry.get("tier")
    return 2 - TIERS.index(tier) if isinstance(tier, str) and tier in TIERS else 3


def _device_number(
    entry: Mapping[str, Any], end: str, names: Mapping[str, int], number: int
) -> int:
    name = entry.get(end)
    if not isinstance(name, str) or name not in names:
        raise ClusterError(f"link {number}: {end} = {name!r} is no device of this cluster")
    return names[name]


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """The known device kinds and their figures, from ``devices.toml``."""
    table = tomllib.loads(_CATALOGUE.read_text(encoding="utf-8"))
    return {kind: {key: entry[key] for key in _DEVICE_FIGURES} for kind, entry in table.items()}
