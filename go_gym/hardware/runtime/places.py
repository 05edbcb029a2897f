"""The devices of a machine that a cluster's names stand for.

``cpu:0`` is the first core that the process may run on, ``cuda:0`` the first GPU that it may see.
"""

import re
from typing import NamedTuple

from go_gym.cluster import Cluster
from go_gym.errors import HardwareError

_NAME = re.compile(r"(?:host(?P<host>\d+)/)?(?P<kind>cpu|cuda):(?P<number>\d+)")


class Place(NamedTuple):
    """What a cluster device's name says: ``cpu:0``, ``cuda:1``, ``host2/cpu:0``."""

    host: int
    kind: str
    number: int


def places(cluster: Cluster) -> list[Place]:
    """Where each device of ``cluster`` is; raises HardwareError for one that names no place."""
    found = []
    for device in cluster.devices:
        match = _NAME.fullmatch(device.name)
        if match is None:
            raise HardwareError(
                f"cluster {cluster.name!r}: device {device.name!r} is no device of a machine that "
                "could be measured: expected names such as cpu:0 (a core), cuda:0, host1/cpu:0"
            )
        found.append(Place(int(match["host"] or 0), match["kind"], int(match["number"])))
    if len(set(found)) < len(found):
        raise HardwareError(f"cluster {cluster.name!r}: two devices in one place")
    return found
