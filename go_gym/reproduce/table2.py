"""Table 2 of the GO paper: placement on the fourteen workloads."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from go_gym.leaderboard.schema import Row
from go_gym.reproduce.curves import Curve, curves_of
from go_gym.reproduce.execute import idle
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.scheduled import SCHEDULED
from go_gym.reproduce.tables import (
    BEST,
    FIFO,
    cells,
    figure,
    graphs_of,
    header,
    line,
    mean_text,
    ratio,
    ratio_table,
    rule,
    seconds,
)

EXPERT, GO, HDP = "human-expert", "go", "hdp"
RIVALS = ("metis", HDP, "placeto", "sa", "sa-from-best", "cem", "brkga", "m-etf", "m-sct", "heft")
GO_FROM_BEST = "go-from-best"
SEARCHERS = (GO, GO_FROM_BEST, "sa", "sa-from-best", "cem", "brkga")
"""Whose calls are counted until they reach HDP's final step time."""
CLUSTER_OF = {
    "rnnlm-2": "p100x2",
    "rnnlm-4": "p100x4",
    "rnnlm-8": "p100x8",
    "gnmt-2": "p100x2",
    "gnmt-4": "p100x4",
    "gnmt-8": "p100x8",
    "transformer-xl-2": "p100x2",
    "transformer-xl-4": "p100x4",
    "transformer-xl-8": "p100x8",
    "inception-b32": "p100x2",
    "inception-b64": "p100x2",
    "amoebanet": "p100x4",
    "wavenet-2x18": "p100x2",
    "wavenet-4x36": "p100x4",
}
"""The paper's device counts, in the order of its table."""
TITLES = {FIFO: "first in, first out for all", BEST: "best priorities for all"}


def report(experiment: Experiment, rows: Sequence[Row], timed: Sequence[Row], folder: Path) -> str:
    """Tables at equal calls and equal wall time, the search speed-up, and the paper's beside."""
    lines: list[str] = []
    label = f"Equal simulator calls ({experiment.budget:,})"
    for kind in (FIFO, BEST):
        lines += [f"## {label}, {TITLES[kind]}", "", *_rule_text(experiment, kind)]
        lines += [*ratio_table(experiment, rows, kind, EXPERT), ""]
    label = f"Equal wall time (that of {experiment.reference} at equal calls)"
    if not timed:
        lines += [f"## {label}: not run", ""]
    for kind in (FIFO, BEST) if timed else ():
        lines += [f"## {label}, {TITLES[kind]}", "", *_time_text(experiment, timed, kind)]
        lines += [*ratio_table(experiment, _with_idle(timed, rows), kind, EXPERT), ""]
    if HDP in experiment.agents:
        lines += _speed_up(experiment, rows, curves_of(rows, folder))
    lines += _beside_paper(experiment, rows)
    return "\n".join(lines)


def _rule_text(experiment: Experiment, kind: str) -> list[str]:
    """How the cells of the table under best priorities come about."""
    if kind == FIFO:
        return []
    forms = [f"`{agent}`" for agent in experiment.columns if agent in experiment.scheduled]
    others = [f"`{agent}`" for agent in experiment.columns if agent not in experiment.scheduled]
    missing = [
        f"`{experiment.scheduled[agent]}`"
        for agent in experiment.columns
        if agent in experiment.scheduled and experiment.scheduled[agent] not in experiment.agents
    ]
    lines = []
    if forms:
        lines += [
            f"{', '.join(forms)}: the cell is that of NAME-scheduled, which searches under",
            "critical-path priorities with the same budget; the rows of NAME itself do not count.",
        ]
    if others:
        lines += [
            f"{', '.join(others)}: the better of first in, first out and critical path for the",
            "same placement.",
        ]
    if missing:
        lines.append(f"Not run: {', '.join(missing)}.")
    return [*lines, ""]


def _time_text(experiment: Experiment, timed: Sequence[Row], kind: str) -> list[str]:
    """Seeds, numbers of calls and seconds behind a table at equal wall time."""
    runs: dict[str, list[Row]] = {}
    for row in timed:
        counts = row.priorities == FIFO if kind == FIFO else row.agent not in experiment.scheduled
        if counts:
            runs.setdefault(row.agent, []).append(row)
    if not runs:
        return []
    seeds = ", ".join(map(str, sorted({row.seed for mine in runs.values() for row in mine})))
    texts = [
        f"{agent} {median(row.budget_used for row in mine):,.0f} "
        f"({median(row.wall_seconds for row in mine):.0f} s)"
        for agent, mine in runs.items()
    ]
    return [
        f"Seeds {seeds}. Calls follow from each agent's seconds at equal calls, a core each; made",
        f"and taken, medians over graphs: {', '.join(texts)}.",
        "",
    ]


def _with_idle(timed: Sequence[Row], rows: Sequence[Row]) -> list[Row]:
    """``timed``, and the rows on the same graphs and seeds of agents that more time brings
    nothing."""
    where = {(row.graph, row.seed) for row in timed}
    return [*timed, *(row for row in rows if idle(row) and (row.graph, row.seed) in where)]


def _speed_up(experiment: Experiment, rows: Sequence[Row], curves: Sequence[Curve]) -> list[str]:
    """HDP's calls until its final step time over others' calls until that, medians over seeds."""
    agents = [agent for agent in SEARCHERS if agent in experiment.agents]
    lines = ["## Simulator calls until HDP's final step time is reached (own best-so-far curves)"]
    lines += [
        "",
        "Calls, and how many times fewer than HDP's; (k of n): only k of n seeds reached it.",
    ]
    lines += ["", header("graph", "hdp", *agents, "GO, the paper's"), rule(3 + len(agents))]
    ratios: dict[str, list[float]] = {agent: [] for agent in agents}
    names = graphs_of(rows, experiment)
    for graph, cluster in names:
        here = [curve for curve in curves if (curve.graph, curve.cluster) == (graph, cluster)]
        paper = figure(experiment.paper.get(graph, {}).get("search_speedup_over_hdp"), 2)
        last = [curve.run.improvements[-1] for curve in here if curve.agent == HDP]
        if not last:
            lines.append(line(graph, *("–" for _ in (HDP, *agents)), paper))
            continue
        goal = median(point.step_time_ns for point in last)
        slow = median(point.calls for point in last)
        texts = []
        for agent in agents:
            found = [curve.calls_until(goal) for curve in here if curve.agent == agent]
            reached = [calls for calls in found if calls is not None]
            if not found or len(reached) < len(found):
                texts.append(f"({len(reached)} of {len(found)})" if found else "–")
                continue
            quick = median(reached)
            ratios[agent].append(slow / quick)
            texts.append(f"{quick:,.0f} ({slow / quick:.1f}×)")
        lines.append(line(graph, f"{slow:,.0f}", *texts, paper))
    means = [mean_text(ratios[agent], len(names)) for agent in agents]
    return [*lines, line("geometric mean of ratios", "", *means, ""), ""]


def _beside_paper(experiment: Experiment, rows: Sequence[Row]) -> list[str]:
    """Seconds, and ratios of GO to the expert and to HDP, ours (FIFO) and the paper's."""
    known = cells(rows, FIFO)
    columns = [(GO, "go_one_s"), (EXPERT, "human_expert_s"), ("metis", "metis_s"), (HDP, "hdp_s")]
    columns = [(agent, key) for agent, key in columns if agent in experiment.agents]
    lines = ["## Beside the paper's seconds (first in, first out)", ""]
    lines.append("Ours are simulated, the paper's were measured on other graphs of the same models")
    lines += ["and other hosts: the ratios can be compared, the seconds cannot.", ""]
    heads = [f"{agent}, s: ours / paper" for agent, _ in columns]
    lines += [header("graph", *heads, "GO/expert: ours / paper", "GO/HDP: ours / paper")]
    lines += [rule(3 + len(columns))]
    ours: dict[str, list[float]] = {EXPERT: [], HDP: []}
    theirs: dict[str, list[float]] = {EXPERT: [], HDP: []}
    names = graphs_of(rows, experiment)
    for graph, _ in names:
        paper = experiment.paper.get(graph, {})
        mine = {
            agent: known[graph, agent].median for agent, _ in columns if (graph, agent) in known
        }
        texts = [f"{seconds(mine.get(agent))} / {figure(paper.get(key))}" for agent, key in columns]
        for rival, key in ((EXPERT, "human_expert_s"), (HDP, "hdp_s")):
            a, b = (
                ratio(mine.get(GO), mine.get(rival)),
                ratio(paper.get("go_one_s"), paper.get(key)),
            )
            texts.append(f"{figure(a)} / {figure(b)}")
            ours[rival] += [a] if a is not None else []
            theirs[rival] += [b] if b is not None else []
        lines.append(line(graph, *texts))
    means = [
        f"{mean_text(ours[rival], len(names))} / {mean_text(theirs[rival], len(names))}"
        for rival in (EXPERT, HDP)
    ]
    return [*lines, line("geometric mean of ratios", *("" for _ in columns), *means), ""]


TABLE2 = Experiment(
    name="table2",
    title="Placement on the paper's workloads (its Table 2)",
    task="placement",
    agents=(GO, GO_FROM_BEST, EXPERT, *RIVALS),
    graphs=tuple(CLUSTER_OF),
    clusters=tuple(CLUSTER_OF.values()),
    rules=("fifo", "critical-path"),
    reference=GO,
    scheduled=SCHEDULED,
    report=report,
)
