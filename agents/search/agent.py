"""What the searches share as agents."""

from typing import ClassVar

from go_gym.agent import EXACT

from ..common.options import SearchOptions


class SearchAgent:
    """An agent that searches.

    Args:
        options: where it starts, and what it judges placements under.
    """

    Options: ClassVar[type] = SearchOptions
    reproducible = EXACT

    def __init__(self, options: SearchOptions | None = None) -> None:
        self.options = options or SearchOptions()
        self.from_best, self.scheduled = self.options.from_best, self.options.scheduled
        self.tasks = self.options.tasks
        # since 2 m-ETF, one of the heuristics, loses no op; since 3 they try fewer devices too
        self.version = "3" if self.from_best else "1"
