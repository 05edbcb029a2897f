"""How long a transfer takes: one rule for Python and for jitted code."""

import numpy as np


def transfer_ns(size: int, latency_ns: int, ns_per_byte: float) -> np.int64:
    """ns that ``size`` bytes take: latency + bytes / bandwidth, to the nearest ns.

    In float64 (size × (10⁹ / bandwidth), half to even), so that every machine agrees. Arrays give
    an array. Jitted code takes it from :mod:`go_gym.simulator.transfer`.
    """
    return latency_ns + np.int64(np.rint(np.float64(size) * ns_per_byte))
