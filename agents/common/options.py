"""Options that searches and GO share."""

from dataclasses import dataclass
from typing import Literal

from go_gym.agent import option
from go_gym.problem import TASKS


@dataclass(frozen=True)
class SearchOptions:
    """Where a search starts, and what it judges placements under.

    Placements that are good first in, first out are not those that are good under priorities; to
    find the latter, every candidate runs, and is answered, with the critical-path priorities of its
    own placement.
    """

    start: Literal["scratch", "best"] = option(
        "scratch", "where it starts: from scratch, or from the best of the classical heuristics"
    )
    priorities: Literal["fifo", "critical-path"] = option(
        "fifo",
        "what placements are judged under: first in, first out, or the critical-path priorities of "
        "each one's own, which then are part of the answer (no other task is decided)",
    )

    @property
    def from_best(self) -> bool:
        """Whether it starts from the best of the classical heuristics."""
        return self.start == "best"

    @property
    def scheduled(self) -> bool:
        """Whether placements are judged under critical-path priorities."""
        return self.priorities == "critical-path"

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that an agent with these options decides."""
        return TASKS[:1] if self.scheduled else TASKS
