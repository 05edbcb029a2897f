"""GO with one part switched off, for the table of what each part is worth.

A network's heads begin at zero, so that it has no opinion before it has learned one. A run of few
updates may therefore decide the same without a part of the network as with it. On rnnlm-2 that is
so at 200 calls for recurrence, modulation, state and affinity; at the table's 4,000 calls no part
can be left out without another curve.
"""

from dataclasses import dataclass, replace
from typing import Literal

from go_gym.agent import option

from ..common.options import SearchOptions
from .config import NetworkConfig, SearchConfig

NETWORK = {
    "graph": "graph_embedding",  # each op by its own features alone
    "attention": "attention",  # the attention layers keep their feed-forward part alone
    "recurrence": "recurrence",  # no previous segment as context
    "modulation": "modulation",  # no per-op feature modulation (parameter superposition)
    "state": "state",  # the previous round's decision is not seen
    "affinity": "device_affinity",  # nor, by the device head, what it puts where
    "move-head": "move_head",  # moves are chosen by the scores of ops and devices alone
}
"""The switch of each part of the network."""
SEARCH = {
    "refinement": "refine",  # every round decides anew instead of changing the last decision
    "critical": "critical",  # moves begin anywhere, and when ops run is not known
    "learning": "learn",  # the network is never trained: what the search is worth alone
}
"""The switch of each part of the search."""


@dataclass(frozen=True)
class GOOptions(SearchOptions):
    """Options of GO-one."""

    without: Literal[
        "nothing",
        "graph",
        "attention",
        "recurrence",
        "modulation",
        "state",
        "affinity",
        "move-head",
        "refinement",
        "critical",
        "learning",
    ] = option("nothing", "the part that is switched off, to see what it is worth")


def without(
    part: str, network: NetworkConfig, search: SearchConfig
) -> tuple[NetworkConfig, SearchConfig]:
    """The configurations with one part switched off; "nothing" leaves them."""
    if part in NETWORK:
        network = replace(network, **{NETWORK[part]: False})  # type: ignore[arg-type]
    if part in SEARCH:
        search = replace(search, **{SEARCH[part]: False})  # type: ignore[arg-type]
    return network, search
