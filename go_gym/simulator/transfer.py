"""The time of a transfer, for jitted code: clusters themselves need no compiler."""

from numba.extending import register_jitable

from go_gym.cluster import transfer

transfer_ns = register_jitable(inline="always")(transfer.transfer_ns)
"""See :func:`go_gym.cluster.transfer.transfer_ns`; inlined where it is called."""
