"""The tables of a report: plain texts, each following from the rows."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.cells import NONE, Cell, mean_ratio, mean_text, ratios_to
from go_gym.reproduce.curves import JobCurve
from go_gym.reproduce.statistics import first, geometric_mean_ratio, interquartile_mean, mean_log

Cells = Mapping[tuple[str, str], Cell]
"""By graph and agent."""
Graphs = Sequence[tuple[str, str]]
"""Names of graph and cluster, in order."""


@dataclass(frozen=True)
class Table:
    """Texts in columns; the first column is aligned left, the others right."""

    head: Sequence[str]
    lines: Sequence[Sequence[str]]


def step_times(known: Cells, graphs: Graphs, agents: Sequence[str], reference: str) -> Table:
    """Step times and their ratios to ``reference``: a line a graph, a column an agent."""
    ordered = [reference, *(agent for agent in agents if agent != reference)]
    lines = []
    for graph, cluster in graphs:
        base = known.get((graph, reference), NONE).median
        cells = [known.get((graph, agent)) for agent in ordered]
        lines.append([graph, cluster, *("–" if c is None else c.text(base) for c in cells)])
    means = [
        mean_ratio(ratios_to(known, agent, reference).values(), len(graphs)) for agent in ordered
    ]
    head = ["graph", "cluster", *(f"{agent}, ms" for agent in ordered)]
    return Table(head, [*lines, ["geometric mean of ratios", "", *means]])


def ranking(known: Cells, graphs: Graphs, agents: Sequence[str], reference: str) -> Table:
    """Agents in order, the interquartile mean of their ratios, and each against the best of them.

    Only agents with a valid decision on every graph are ranked. The best one's interval is not
    compared with itself.
    """
    ratios = {agent: ratios_to(known, agent, reference) for agent in agents}
    whole = {agent: each for agent, each in ratios.items() if len(each) == len(graphs)}
    leaders = first(whole)
    lines = []
    for agent in sorted(whole, key=lambda name: mean_log(whole[name])):
        best = leaders[0]
        gap = "–" if agent == best else str(geometric_mean_ratio(whole[agent], whole[best]))
        verdict = ""
        if agent in leaders:
            verdict = "first" if len(leaders) == 1 else "not told apart"
        mean = mean_ratio(whole[agent].values(), len(graphs))
        lines.append([agent, mean, str(interquartile_mean(whole[agent])), gap, verdict])
    head = ["agent", "geometric mean", "interquartile mean [95 %]", "over the best's [95 %]", ""]
    return Table(head, lines)


def farthest(known: Cells, graphs: Graphs, agents: Sequence[str], reference: str) -> Table:
    """Each agent's ratio to ``reference`` on every graph, the median over seeds: a line an agent,
    the best geometric mean first; its worst graph last."""
    lines = []
    for agent in agents:
        found = {g: median(each) for g, each in ratios_to(known, agent, reference).items()}
        if agent == reference or len(found) < len(graphs):
            continue
        worst = max(found, key=lambda graph: found[graph])
        each = [f"{found[graph]:.3f}" for graph, _ in graphs]
        lines.append([agent, mean_text(list(found.values()), len(graphs)), *each, worst])
    lines.sort(key=lambda line: line[1])
    names = [graph for graph, _ in graphs]
    return Table(["agent", "geometric mean", *names, "worst on"], lines)


def calls_until(
    curves: Sequence[JobCurve],
    graphs: Graphs,
    goal: str,
    agents: Sequence[str],
    published: Mapping[str, str],
) -> Table:
    """``goal``'s calls until its final step time over others' calls until that, medians of seeds.

    Args:
        curves: of all of them.
        graphs: the lines.
        goal: the agent whose final step time is to be reached.
        agents: the columns.
        published: the paper's figure for each graph.
    """
    lines = []
    fewer: dict[str, list[float]] = {agent: [] for agent in agents}
    for graph, cluster in graphs:
        paper = published.get(graph, "–")
        here = [each for each in curves if (each.graph, each.cluster) == (graph, cluster)]
        last = [each.curve.improvements[-1] for each in here if each.agent == goal]
        if not last:
            lines.append([graph, *("–" for _ in (goal, *agents)), paper])
            continue
        step = median(point.step_time_ns for point in last)
        calls = median(point.calls for point in last)
        texts = []
        for agent in agents:
            found = [each.curve.calls_until(step) for each in here if each.agent == agent]
            reached = [each for each in found if each is not None]
            if not found or len(reached) < len(found):
                texts.append(f"({len(reached)} of {len(found)})" if found else "–")
                continue
            quick = median(reached)
            fewer[agent].append(calls / quick)
            texts.append(f"{quick:,.0f} ({calls / quick:.1f}×)")
        lines.append([graph, f"{calls:,.0f}", *texts, paper])
    means = [mean_text(fewer[agent], len(graphs)) for agent in agents]
    lines.append(["geometric mean of ratios", "", *means, ""])
    return Table(["graph", goal, *agents, "GO, the paper's"], lines)


def beside(
    graphs: Graphs,
    names: Sequence[str],
    ours: Callable[[str, str], float | None],
    theirs: Callable[[str, str], float | None],
    digits: int = 3,
    mean: Callable[[Iterable[float]], float] | None = None,
    mean_of: str = "mean",
) -> Table:
    """Ours / the paper's: a line a graph, a column a name.

    Args:
        graphs: the lines.
        names: the columns.
        ours, theirs: a figure for a graph and a name, None where there is none.
        digits: after the point.
        mean: of a column's figures, as a last line; None for no such line.
        mean_of: what that line is called.
    """
    lines = [
        [
            graph,
            *(
                f"{figure(ours(graph, name), digits)} / {figure(theirs(graph, name), digits)}"
                for name in names
            ),
        ]
        for graph, _ in graphs
    ]
    if mean is not None:
        columns = []
        for name in names:
            both = []
            for source in (ours, theirs):
                found = [source(graph, name) for graph, _ in graphs]
                there = [value for value in found if value is not None]
                note = f" ({len(there)} of {len(graphs)})" if 0 < len(there) < len(graphs) else ""
                both.append(figure(mean(there) if there else None, digits) + note)
            columns.append(" / ".join(both))
        lines.append([mean_of, *columns])
    return Table(["graph", *names], lines)


def pace(timed: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """Calls made and seconds taken by each agent, medians over graphs and seeds."""
    runs: dict[str, list[Row]] = {}
    for row in timed:
        runs.setdefault(row.agent_name, []).append(row)
    return {
        agent: (
            median(row.budget_used for row in mine),
            median(row.wall_seconds for row in mine),
        )
        for agent, mine in runs.items()
    }


def figure(value: float | None, digits: int = 3) -> str:
    """A number with so many digits, a dash for None."""
    return "–" if value is None else f"{value:.{digits}f}"
