"""What is compared on a board: agents on the same graphs and clusters, under the same rule."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.cells import Cell, chosen
from go_gym.reproduce.specification import BEST, FIFO
from go_gym.reproduce.statistics import (
    Interval,
    Ratios,
    first,
    geometric_mean_ratio,
    interquartile_mean,
    mean_log,
)
from go_gym.site.boards import SiteBoard

Place = tuple[str, str]
"""Names of a graph and a cluster."""
EXPERT, OPTIMUM = "human-expert", "the optimum"
MOST_CLUSTERS = 20
"""Above this many, nobody chooses one from a list."""


@dataclass(frozen=True)
class Ranked:
    """One agent over some places.

    Attributes:
        agent: its name.
        middle: interquartile mean of step time / reference, with its interval; of an agent without
            a valid decision everywhere None, as it is not ranked.
        over_best: geometric mean over that of the best, with its interval; None for the best.
        leads: whether it may be the best, see :func:`go_gym.reproduce.statistics.first`.
        valid: places where every seed's decision is valid.
    """

    agent: str
    middle: Interval | None
    over_best: Interval | None
    leads: bool
    valid: int


@dataclass(frozen=True)
class Comparison:
    """Rows that may be compared with each other.

    Attributes:
        task: of ``go_gym.problem.TASKS``.
        rule: of priorities; ``best`` for the best that each agent has.
        clock: whether all had the same time, not the same calls.
        reference: whose step times ratios are to.
        rows: by place and agent, the row of each seed.
        bases: the reference's step time at each place, ns.
        families: of the graphs.
    """

    task: str
    rule: str
    clock: bool
    reference: str
    rows: Mapping[Place, Mapping[str, tuple[Row, ...]]]
    bases: Mapping[Place, float]
    families: Mapping[str, str]

    @property
    def agents(self) -> list[str]:
        """All that have rows, in order of appearance."""
        return list(dict.fromkeys(agent for here in self.rows.values() for agent in here))

    def ratios(self, agent: str, places: Iterable[Place]) -> Ratios:
        """Each seed's step time over the reference's, by place; without places of invalid ones."""
        found = {}
        for place in places:
            times = Cell.of(self.rows[place].get(agent, ())).times
            if times and place in self.bases:
                found[" on ".join(place)] = tuple(time / self.bases[place] for time in times)
        return found

    def ranking(self, places: Sequence[Place]) -> list[Ranked]:
        """Agents with rows at any of ``places``: those valid everywhere in order, then others."""
        ratios = {agent: self.ratios(agent, places) for agent in self.agents}
        whole = {agent: each for agent, each in ratios.items() if len(each) == len(places)}
        leaders = first(whole)
        ordered = sorted(whole, key=lambda agent: mean_log(whole[agent]))
        ranked = [
            Ranked(
                agent,
                interquartile_mean(whole[agent]),
                None
                if agent == leaders[0]
                else geometric_mean_ratio(whole[agent], whole[leaders[0]]),
                agent in leaders,
                len(places),
            )
            for agent in ordered
        ]
        here = [a for a in self.agents if any(a in self.rows[place] for place in places)]
        others = [agent for agent in here if agent not in whole]
        others.sort(key=lambda agent: -len(ratios[agent]))
        return [*ranked, *(Ranked(a, None, None, False, len(ratios[a])) for a in others)]

    def subsets(self) -> dict[tuple[str, str], list[Place]]:
        """The places by (cluster, family), an empty text for all of them; only by family where
        there are more than ``MOST_CLUSTERS``, as of instances that each bring their own."""
        few = len({cluster for _, cluster in self.rows}) <= MOST_CLUSTERS
        found: dict[tuple[str, str], list[Place]] = {}
        for place in self.rows:
            graph, cluster = place
            clusters = ("", cluster) if few else ("",)
            for key in {(c, f) for c in clusters for f in ("", self.families[graph])}:
                found.setdefault(key, []).append(place)
        return found


def comparisons(board: SiteBoard) -> list[Comparison]:
    """All comparisons of a board, the experiment's or those of each task and rule."""
    if board.report is not None:
        return _of_experiment(board)
    found = []
    for task, rule in sorted({(row.task, row.priorities) for row in board.rows}):
        mine = [row for row in board.rows if (row.task, row.priorities) == (task, rule)]
        places = by_place(mine, BEST, {})
        reference, bases = _reference(board, mine)
        found.append(Comparison(task, rule, False, reference, places, bases, board.families))
    return sorted(found, key=lambda each: (-len(each.rows) * len(each.agents), each.rule != FIFO))


def _reference(board: SiteBoard, rows: Iterable[Row]) -> tuple[str, dict[Place, float]]:
    """Whose step times ratios are to, and these in ns: the optimum where all are known, else the
    human expert's plan."""
    expert, optimum = {}, {}
    for row in rows:
        place = row.graph, row.cluster
        expert[place] = float(max(row.expert_ns, 1))
        known = board.known.get((row.graph_hash, row.cluster_hash))
        if known is not None and known.optimum_ns:
            optimum[place] = float(known.optimum_ns)
    return (OPTIMUM, optimum) if len(optimum) == len(expert) else (EXPERT, expert)


def _of_experiment(board: SiteBoard) -> list[Comparison]:
    report = board.report
    assert report is not None
    what = report.experiment.what
    found = []
    for rows, clock in ((report.rows, False), (report.timed, True)):
        for kind in what.compared if rows else ():
            places = by_place(rows, kind, what.best_priorities)
            whole = by_place(report.rows, kind, what.best_priorities)
            bases = {}
            for place in places:
                base = Cell.of(whole.get(place, {}).get(what.reference, ())).median
                if base:
                    bases[place] = base
                reference = whole.get(place, {}).get(what.reference)
                if clock and reference:
                    places[place] = {what.reference: reference, **places[place]}
            found.append(
                Comparison(what.task, kind, clock, what.reference, places, bases, board.families)
            )
    return found


def by_place(
    rows: Iterable[Row], kind: str, best_priorities: Mapping[str, str]
) -> dict[Place, dict[str, tuple[Row, ...]]]:
    """By place and agent the rows of a cell, see :func:`go_gym.reproduce.cells.chosen`."""
    rows = list(rows)
    found: dict[Place, dict[str, tuple[Row, ...]]] = {(r.graph, r.cluster): {} for r in rows}
    for cluster in dict.fromkeys(row.cluster for row in rows):
        mine = [row for row in rows if row.cluster == cluster]
        for (graph, agent), seeds in chosen(mine, kind, best_priorities).items():
            found[graph, cluster][agent] = seeds
    return {place: here for place, here in found.items() if here}
