"""Cluster: the devices that ops run on and the links that tensors travel."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from go_gym.cluster.transfer import transfer_ns
from go_gym.errors import ClusterError
from go_gym.graph import DTYPES
from go_gym.graph.frozen import ReadOnlyArrays, frozen

CONTENTION_MODELS = ("none", "link", "egress", "duplex")
"""What a transfer occupies: nothing; its ordered pair of devices; the source's outgoing port, one
transfer serving all consumers; the source's outgoing and the destination's incoming port."""

MAX_DEVICES = 4096
UNLIMITED_MEMORY = 2**62
MIN_RATE, MAX_RATE = 1e-6, 1e24
"""Range of bytes/s and FLOP/s (our choice): no quotient of them leaves the range of floats."""
DEFAULT_DTYPE = "float32"


@dataclass(frozen=True)
class Device:
    """One device.

    Attributes:
        name: unique in its cluster.
        kind: what measured durations go by, for example ``"p100"``.
        peak_flops: FLOP/s by dtype; a dtype that is absent runs at the float32 rate.
        memory_bandwidth: bytes/s.
        memory_bytes: capacity.
        launch_overhead_ns: added to every op that costs anything.
    """

    name: str
    kind: str
    peak_flops: Mapping[str, float]
    memory_bandwidth: float
    memory_bytes: int
    launch_overhead_ns: int = 0

    def __post_init__(self) -> None:
        where = f"device {self.name!r}"
        _require(isinstance(self.name, str) and self.name != "", "a device has no name")
        _require(isinstance(self.kind, str) and self.kind != "", f"{where}: no kind")
        _require(isinstance(self.peak_flops, Mapping), f"{where}: peak_flops is not a table")
        _require(DEFAULT_DTYPE in self.peak_flops, f"{where}: peak_flops lacks {DEFAULT_DTYPE}")
        for dtype, rate in self.peak_flops.items():
            _require(dtype in DTYPES, f"{where}: peak_flops of unknown dtype {dtype!r}")
            _positive(rate, f"{where}: peak_flops.{dtype}", "FLOP/s")
        _positive(self.memory_bandwidth, f"{where}: memory_bandwidth", "bytes/s")
        _whole(self.memory_bytes, f"{where}: memory_bytes", UNLIMITED_MEMORY)
        _whole(self.launch_overhead_ns, f"{where}: launch_overhead_ns", 10**12)

    def rates(self) -> np.ndarray:
        """(len(DTYPES),) float64 FLOP/s, indexed like ``graph.dtype``."""
        default = float(self.peak_flops[DEFAULT_DTYPE])
        return np.array([float(self.peak_flops.get(dtype, default)) for dtype in DTYPES])


@dataclass(frozen=True)
class Link:
    """The way from one device to another: bytes/s and ns before the first byte arrives."""

    bandwidth: float
    latency_ns: int

    def __post_init__(self) -> None:
        _positive(self.bandwidth, "link: bandwidth", "bytes/s")
        _whole(self.latency_ns, "link: latency_ns", 10**12)

    @property
    def ns_per_byte(self) -> float:
        """The inverse of the bandwidth."""
        return 1e9 / self.bandwidth


@dataclass(frozen=True, eq=False)
class Cluster(ReadOnlyArrays):
    """Devices, the link of each ordered pair, and what a transfer occupies.

    Attributes:
        name: for tables; not part of the content hash.
        devices: (d,) devices.
        links: the different links that occur.
        link_of: (d, d) uint16, index into ``links`` of the way from row to column; the diagonal
            is never used.
        contention: one of ``CONTENTION_MODELS``.
        version: of the description, raised when its figures change.
        sources: where each figure comes from, for people.
    """

    name: str
    devices: tuple[Device, ...]
    links: tuple[Link, ...]
    link_of: np.ndarray
    contention: str
    version: int = 1
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.devices)
        _require(isinstance(self.name, str) and self.name != "", "a cluster has no name")
        _require(
            1 <= count <= MAX_DEVICES, f"{self.name}: {count} devices, expected 1 to {MAX_DEVICES}"
        )
        names = [device.name for device in self.devices]
        _require(len(set(names)) == count, f"{self.name}: two devices share a name")
        _require(
            self.contention in CONTENTION_MODELS,
            f"{self.name}: contention {self.contention!r}, expected one of "
            f"{', '.join(CONTENTION_MODELS)}",
        )
        _require(1 <= len(self.links) <= 65_535, f"{self.name}: {len(self.links)} links")
        _whole(self.version, f"{self.name}: version", 10**9)
        link_of = np.ascontiguousarray(self.link_of, dtype=np.uint16)
        _require(
            link_of.shape == (count, count),
            f"{self.name}: link_of has shape {link_of.shape}, expected {(count, count)}",
        )
        _require(
            int(link_of.max(initial=0)) < len(self.links), f"{self.name}: link_of names no link"
        )
        link_of.setflags(write=False)
        object.__setattr__(self, "link_of", link_of)

    @classmethod
    def uniform(
        cls,
        devices: int,
        bandwidth: float,
        latency: float = 0.0,
        memory: int | None = None,
        contention: str = "duplex",
        *,
        peak_flops: float = 1e12,
        memory_bandwidth: float = 1e12,
        launch_overhead: float = 0.0,
        name: str | None = None,
    ) -> "Cluster":
        """Equal devices, equal links.

        Args:
            devices: how many.
            bandwidth: of every link, bytes/s.
            latency: of every link, seconds (kept to the nearest ns).
            memory: bytes of each device, None for no limit.
            contention: one of ``CONTENTION_MODELS``.
            peak_flops, memory_bandwidth, launch_overhead: of each device (FLOP/s, bytes/s,
                seconds), used for ops without a measured duration.

        Raises:
            ClusterError: for a count or a figure out of range.
        """
        _require(
            isinstance(devices, int | np.integer) and 1 <= devices <= MAX_DEVICES,
            f"devices: {devices!r}, expected a whole number from 1 to {MAX_DEVICES}",
        )
        made = tuple(
            Device(
                name=f"device{i}",
                kind="uniform",
                peak_flops={DEFAULT_DTYPE: peak_flops},
                memory_bandwidth=memory_bandwidth,
                memory_bytes=UNLIMITED_MEMORY if memory is None else memory,
                launch_overhead_ns=seconds_to_ns(launch_overhead, "launch_overhead"),
            )
            for i in range(int(devices))
        )
        link = Link(bandwidth=bandwidth, latency_ns=seconds_to_ns(latency, "latency"))
        return cls(
            name=name or f"uniform{devices}",
            devices=made,
            links=(link,),
            link_of=np.zeros((len(made), len(made)), dtype=np.uint16),
            contention=contention,
        )

    @classmethod
    def from_matrix(
        cls,
        name: str,
        devices: Sequence[Device],
        bandwidth: np.ndarray,
        latency_ns: np.ndarray,
        contention: str = "duplex",
    ) -> "Cluster":
        """A cluster from full (d, d) matrices of bytes/s and ns; the diagonals do not count."""
        count = len(devices)
        rates, waits = np.array(bandwidth, dtype=np.float64), np.array(latency_ns)
        _require(
            rates.shape == (count, count) == waits.shape,
            f"{name}: bandwidth {rates.shape} and latency_ns {waits.shape}, expected "
            f"{(count, count)}",
        )
        numbers: dict[tuple[float, int], int] = {}
        link_of = np.zeros((count, count), dtype=np.uint16)
        for a in range(count):
            for b in range(count):
                if a != b:
                    key = (float(rates[a, b]), _exact_int(waits[a, b], f"latency_ns[{a}, {b}]"))
                    link_of[a, b] = numbers.setdefault(key, len(numbers))
        links = tuple(Link(*key) for key in numbers) or (Link(1e9, 0),)
        return cls(name, tuple(devices), links, link_of, contention)

    def __repr__(self) -> str:
        return f"Cluster({self.name!r}: {self.num_devices} devices, {self.contention} contention)"

    @property
    def num_devices(self) -> int:
        """How many devices there are."""
        return len(self.devices)

    def link(self, source: int, destination: int) -> Link:
        """The link from device ``source`` to device ``destination`` (numbers)."""
        return self.links[int(self.link_of[source, destination])]

    def transfer_ns(self, size: int, source: int, destination: int) -> int:
        """ns that ``size`` bytes take, as :func:`go_gym.cluster.transfer.transfer_ns` says."""
        link = self.link(source, destination)
        return int(transfer_ns(size, link.latency_ns, link.ns_per_byte))

    @cached_property
    def memory_bytes(self) -> np.ndarray:
        """(d,) int64 capacities."""
        return frozen(np.array([device.memory_bytes for device in self.devices], dtype=np.int64))

    @cached_property
    def content_hash(self) -> str:
        """Hex SHA-256 of all that a simulator sees; not of the name, version or sources."""
        off_diagonal = self.link_of.copy()
        np.fill_diagonal(off_diagonal, off_diagonal[0, 1] if self.num_devices > 1 else 0)
        used = np.zeros(len(self.links), dtype=bool)
        used[off_diagonal] = True
        figures = [(float(link.bandwidth), int(link.latency_ns)) for link in self.links]
        # Links by figures, not by number: how a file lists them is not seen by a simulator.
        table = sorted({figures[i] for i in np.flatnonzero(used)})
        number = {link: i for i, link in enumerate(table)}
        renumber = np.array([number.get(link, 0) for link in figures], dtype="<u2")
        off_diagonal = renumber[off_diagonal]
        np.fill_diagonal(off_diagonal, 0)
        facts: dict[str, Any] = {
            "contention": self.contention,
            "devices": [
                [
                    d.name,
                    d.kind,
                    sorted(map(list, _floats(d.peak_flops).items())),
                    float(d.memory_bandwidth),
                    int(d.memory_bytes),
                    int(d.launch_overhead_ns),
                ]
                for d in self.devices
            ],
            "links": table,
        }
        digest = hashlib.sha256(json.dumps(facts).encode())
        digest.update(off_diagonal.tobytes())
        return digest.hexdigest()


def seconds_to_ns(seconds: float, label: str) -> int:
    """``seconds`` to the nearest whole ns; raises ClusterError for negative or absurd values."""
    valid = _is_number(seconds) and 0 <= seconds <= 1000
    _require(valid, f"{label}: {seconds!r}, expected 0 to 1000 seconds")
    return round(float(seconds) * 1e9)


def _floats(table: Mapping[str, float]) -> dict[str, float]:
    return {key: float(value) for key, value in table.items()}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ClusterError(message)


def _positive(value: Any, label: str, unit: str) -> None:
    number = _is_number(value) and MIN_RATE <= value <= MAX_RATE
    _require(number, f"{label}: {value!r}, expected {MIN_RATE:g} to {MAX_RATE:g} {unit}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _whole(value: Any, label: str, high: int) -> None:
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    _require(
        whole and 0 <= value <= high,
        f"{label}: {value!r}, expected a whole number from 0 to {high}",
    )


def _exact_int(value: Any, label: str) -> int:
    _require(
        bool(np.isfinite(value)) and float(value).is_integer(), f"{label}: {value!r} is not whole"
    )
    return int(value)
