"""Standings over all graphs of a task, cluster and priority rule."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import geometric_mean, median

from go_gym.leaderboard.schema import Row

SUMMARY_HEADINGS = (
    "agent",
    "speed-up over expert",
    "speed-up over default",
    "first on",
    "valid on",
)


@dataclass(frozen=True)
class Standing:
    """One agent over the graphs that it ran; an agent's figure on a graph is its seeds' median.

    Attributes:
        over_expert, over_default: geometric means over the graphs with valid plans alone, 0 if
            there are none.
        first: graphs on which no other agent is faster.
        valid: graphs on which every seed's plan is valid; ``graphs``: of how many.
    """

    agent: str
    over_expert: float
    over_default: float
    first: int
    valid: int
    graphs: int

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells under ``SUMMARY_HEADINGS``."""
        return (
            self.agent,
            f"{self.over_expert:.3f}",
            f"{self.over_default:.3f}",
            str(self.first),
            f"{self.valid} of {self.graphs}",
        )


def standings(rows: Sequence[Row]) -> dict[tuple[str, str, str], list[Standing]]:
    """By (task, cluster, priorities): most valid graphs first, then by speed-up over the expert."""
    boards: dict[tuple[str, str, str], dict[str, dict[str, list[Row]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for row in rows:
        boards[row.task, row.cluster, row.priorities][row.agent_name][row.graph].append(row)
    return {
        key: sorted(
            (_standing(agent, graphs, _fastest(agents)) for agent, graphs in agents.items()),
            key=lambda found: (-found.valid, -found.over_expert, found.agent),
        )
        for key, agents in sorted(boards.items())
    }


def _fastest(agents: dict[str, dict[str, list[Row]]]) -> dict[str, float]:
    """The shortest valid step time on each graph."""
    best: dict[str, float] = {}
    for graphs in agents.values():
        for graph, rows in graphs.items():
            if all(row.valid for row in rows):
                step = median(row.step_time_ns for row in rows)
                best[graph] = min(best.get(graph, step), step)
    return best


def _standing(agent: str, graphs: dict[str, list[Row]], fastest: dict[str, float]) -> Standing:
    over_expert, over_default, first = [], [], 0
    for graph, rows in graphs.items():
        if all(row.valid for row in rows):
            step = max(median(row.step_time_ns for row in rows), 1)
            over_expert.append(max(rows[0].expert_ns, 1) / step)
            over_default.append(max(rows[0].default_ns, 1) / step)
            first += step <= fastest[graph]
    return Standing(
        agent=agent,
        over_expert=geometric_mean(over_expert) if over_expert else 0.0,
        over_default=geometric_mean(over_default) if over_default else 0.0,
        first=first,
        valid=len(over_expert),
        graphs=len(graphs),
    )
