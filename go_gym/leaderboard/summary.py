"""Standings over all graphs of a task, cluster and priority rule."""

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import gmean

from go_gym.leaderboard.frame import frame, over_seeds
from go_gym.leaderboard.schema import Row

SUMMARY_HEADINGS = (
    "agent",
    "speed-up over expert",
    "speed-up over default",
    "first on",
    "valid on",
)
BOARD = ["task", "cluster", "priorities"]
"""The columns that say which graphs are taken together."""


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
    jobs = over_seeds(frame(rows))
    whole = jobs[jobs.valid]
    step = whole.step_time_ns.clip(lower=1)
    fastest = whole.groupby([*BOARD, "graph"]).step_time_ns.transform("min")
    agent = [*BOARD, "agent_name"]
    figures = (
        whole.assign(
            over_expert=whole.expert_ns.clip(lower=1) / step,
            over_default=whole.default_ns.clip(lower=1) / step,
            first=whole.step_time_ns <= fastest,
        )
        .groupby(agent)
        .agg(
            over_expert=("over_expert", gmean),
            over_default=("over_default", gmean),
            first=("first", "sum"),
            valid=("valid", "sum"),
        )
    )
    graphs = jobs.groupby(agent).size().rename("graphs")
    table = figures.reindex(graphs.index, fill_value=0).join(graphs).reset_index()
    by = {"valid": False, "over_expert": False, "agent_name": True}
    ranked = table.sort_values(list(by), ascending=list(by.values()))
    return {
        key: [
            Standing(*line) for line in mine.drop(columns=BOARD).itertuples(index=False, name=None)
        ]
        for key, mine in ranked.groupby(BOARD)
    }
