"""GO with one part switched off each, for the table of what each part is worth."""

from .agent import GO
from .config import NetworkConfig, SearchConfig


class _Without(GO):
    """GO-one with other configurations than the shipped ones."""

    network_config = NetworkConfig()
    search_config = SearchConfig()

    def __init__(self) -> None:
        super().__init__(network=self.network_config, search=self.search_config)


class WithoutGraph(_Without):
    """GO without GraphSAGE: each op by its own features alone."""

    network_config = NetworkConfig(graph_embedding=False)


class WithoutAttention(_Without):
    """GO whose attention layers keep their feed-forward part alone."""

    network_config = NetworkConfig(attention=False)


class WithoutRecurrence(_Without):
    """GO without the previous segment as context."""

    network_config = NetworkConfig(recurrence=False)


class WithoutModulation(_Without):
    """GO without per-op feature modulation (parameter superposition)."""

    network_config = NetworkConfig(modulation=False)


class WithoutState(_Without):
    """GO that does not see the previous round's decision."""

    network_config = NetworkConfig(state=False)


class WithoutAffinity(_Without):
    """GO whose device head does not see what the previous decision puts where."""

    network_config = NetworkConfig(device_affinity=False)


class WithoutRefinement(_Without):
    """GO that decides anew in every round instead of changing the previous decision."""

    search_config = SearchConfig(refine=False)


class WithoutMoveHead(_Without):
    """GO that chooses among moves by its scores of ops and devices alone."""

    network_config = NetworkConfig(move_head=False)


class WithoutCritical(_Without):
    """GO that never looks at a step's trace.

    Its moves begin anywhere, not on the chain that the step time hangs on, and when ops run is not
    known.
    """

    search_config = SearchConfig(critical=False)


class WithoutLearning(_Without):
    """GO whose network is never trained: what its search is worth alone."""

    search_config = SearchConfig(learn=False)
