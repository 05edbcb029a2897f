"""What a report's template may ask for: tables and facts of an experiment's rows."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from statistics import fmean, geometric_mean

import jinja2

from go_gym.leaderboard.schema import Row
from go_gym.leaderboard.store import Board
from go_gym.reproduce.cells import NONE, cells, graphs_of
from go_gym.reproduce.curves import JobCurve, curves_of
from go_gym.reproduce.execute import idle
from go_gym.reproduce.experiment import Experiment
from go_gym.reproduce.published import CITATION
from go_gym.reproduce.specification import BEST, FIFO
from go_gym.reproduce.tables import (
    Cells,
    Graphs,
    Table,
    beside,
    calls_until,
    farthest,
    figure,
    pace,
    ranking,
    step_times,
)

HDP = "hdp"
TITLES = {FIFO: "first in, first out for all", BEST: "best priorities for all"}
MEAN = "geometric mean of ratios"
TEMPLATES = Path(__file__).parent / "templates"


class Report:
    """The rows of an experiment, as its template sees them.

    Args:
        experiment: whose they are.
        rows: at equal simulator calls.
        timed: at equal wall time; may be none.
        folder: where the rows and their curves lie.
    """

    titles = TITLES
    citation = CITATION

    def __init__(
        self, experiment: Experiment, rows: Sequence[Row], timed: Sequence[Row], folder: Path
    ) -> None:
        self.experiment, self.rows, self.timed, self.folder = experiment, rows, timed, folder

    def text(self) -> str:
        """The Markdown: the experiment's template, filled in."""
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(TEMPLATES),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        template = environment.get_template(f"{self.experiment.name}.md.jinja")
        return template.render(report=self, experiment=self.experiment, what=self.experiment.what)

    @cached_property
    def graphs(self) -> Graphs:
        """The graphs of the rows, in the experiment's order."""
        return graphs_of(self.rows, self.experiment.graphs)

    @cached_property
    def curves(self) -> list[JobCurve]:
        """The best-so-far curve of each row."""
        return curves_of(self.rows, Board(self.folder))

    def cells(self, kind: str, rows: Sequence[Row] | None = None) -> Cells:
        """The cells under one kind of priorities, by graph and agent."""
        chosen = self.rows if rows is None else rows
        return cells(chosen, kind, self.experiment.what.best_priorities)

    @property
    def simulators(self) -> list[int]:
        """The versions of the simulator that made the rows."""
        return sorted({row.simulator_version for row in self.rows})

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of each agent that has rows."""
        found: dict[str, set[str]] = {}
        for row in self.rows:
            found.setdefault(row.agent_name, set()).add(row.agent_version)
        return {agent: "/".join(sorted(each)) for agent, each in found.items()}

    @property
    def short(self) -> Mapping[str, int]:
        """Agents that have not run on every graph with every seed, and how often they have."""
        have = {
            agent: len({(row.graph, row.seed) for row in self.rows if row.agent_name == agent})
            for agent in self.experiment.agents
        }
        return {agent: runs for agent, runs in have.items() if runs < self.runs}

    @property
    def runs(self) -> int:
        """Graphs × seeds."""
        return len(self.experiment.graphs) * len(self.experiment.seeds)

    @property
    def stand_ins(self) -> list[str]:
        """Agents for which another has run that stands for them under best priorities."""
        forms, have = self.experiment.what.best_priorities, self.experiment.agents
        return [name for name in self.experiment.columns if forms.get(name) in have]

    @property
    def by_rule(self) -> list[str]:
        """Agents whose placement is recorded under either rule of priorities."""
        forms = self.experiment.what.best_priorities
        return [name for name in self.experiment.columns if name not in forms]

    @property
    def without_stand_in(self) -> list[str]:
        """Agents that should have run and stand for others under best priorities."""
        forms, have = self.experiment.what.best_priorities, self.experiment.agents
        return [forms[n] for n in self.experiment.columns if n in forms and forms[n] not in have]

    # -- tables

    def step_times(self, kind: str) -> Table:
        """See :func:`go_gym.reproduce.tables.step_times`."""
        return step_times(self.cells(kind), self.graphs, self._columns, self._reference)

    def ranking(self, kind: str, reference: str = "") -> Table:
        """See :func:`go_gym.reproduce.tables.ranking`; by default over the
        experiment's reference."""
        over = reference or self._reference
        return ranking(self.cells(kind), self.graphs, self._columns, over)

    def farthest(self, kind: str, reference: str) -> Table:
        """See :func:`go_gym.reproduce.tables.farthest`."""
        return farthest(self.cells(kind), self.graphs, self._columns, reference)

    def timed_step_times(self, kind: str) -> Table:
        """Step times at equal wall time; agents that more time brings nothing keep theirs."""
        where = {(row.graph, row.seed) for row in self.timed}
        kept = [row for row in self.rows if idle(row) and (row.graph, row.seed) in where]
        known = self.cells(kind, [*self.timed, *kept])
        return step_times(known, self.graphs, self._columns, self._reference)

    def timed_ranking(self, kind: str) -> Table:
        """The ranking at equal wall time."""
        known, graphs = self.cells(kind, self.timed), graphs_of(self.timed, self.experiment.graphs)
        base = self.cells(kind)
        known = {**{k: c for k, c in base.items() if k[1] == self._reference}, **known}
        return ranking(known, graphs, self._columns, self._reference)

    def pace(self, kind: str) -> Mapping[str, tuple[float, float]]:
        """Calls and seconds of each agent at equal wall time, medians."""
        return pace(self._timed(kind))

    @property
    def clocked(self) -> bool:
        """Whether a clock stopped the rows at equal time; if not, their calls were derived."""
        return any(row.budget_seconds for row in self.timed)

    def timed_seeds(self, kind: str) -> list[int]:
        """Seeds of the rows at equal wall time."""
        return sorted({row.seed for row in self._timed(kind)})

    def calls_until_hdp(self) -> Table:
        """See :func:`go_gym.reproduce.tables.calls_until`."""
        agents = [name for name in self.experiment.what.searchers if name in self.experiment.agents]
        paper = {
            graph: figure(columns.get("search_speedup_over_hdp"), 2)
            for graph, columns in self.experiment.paper.items()
        }
        return calls_until(self.curves, self.graphs, HDP, agents, paper)

    def seconds_beside(self) -> Table:
        """Step times in seconds under first in, first out, ours / the paper's."""
        return beside(self.graphs, self._in_paper, self._our_seconds, self._paper_figure)

    def ratios_beside(self, *pairs: tuple[str, str]) -> Table:
        """Ratios of step times, ours / the paper's.

        Args:
            pairs: agent, and whose step time its own is divided by; default: all that the paper
                has, over the reference.
        """
        default = [(name, self._reference) for name in self._in_paper if name != self._reference]
        named = {f"{over} / {under}": (over, under) for over, under in pairs or default}

        def ours(graph: str, name: str) -> float | None:
            return self._our_ratio(graph, *named[name])

        def theirs(graph: str, name: str) -> float | None:
            return self._paper_ratio(graph, *named[name])

        return beside(self.graphs, list(named), ours, theirs, mean=geometric_mean, mean_of=MEAN)

    def shorter_beside(self) -> Table:
        """Per cent by which the step is shorter than without fusion, ours / the paper's."""
        return beside(
            self.graphs, self._columns, self._shorter, self._paper_figure, digits=2, mean=fmean
        )

    # -- bars

    def bars(self) -> tuple[dict[str, list[float | None]], dict[str, list[float | None]]]:
        """Ours and the paper's figures by agent, one for each graph."""
        fusion, reference = self.experiment.what.task == "fusion", self._reference
        agents = [name for name in self._columns if fusion or name != reference]

        def ours(graph: str, name: str) -> float | None:
            if fusion:
                return self._shorter(graph, name)
            return self._our_ratio(graph, name, reference)

        def theirs(graph: str, name: str) -> float | None:
            if fusion:
                return self._paper_figure(graph, name)
            return self._paper_ratio(graph, name, reference)

        names = [graph for graph, _ in self.graphs]
        marked = [name for name in agents if name in self._in_paper]
        return (
            {name: [ours(graph, name) for graph in names] for name in agents},
            {name: [theirs(graph, name) for graph in names] for name in marked},
        )

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.experiment.columns

    @property
    def _reference(self) -> str:
        return self.experiment.what.reference

    @property
    def _in_paper(self) -> list[str]:
        return [name for name in self.experiment.columns if name in self.experiment.what.paper]

    def _our_seconds(self, graph: str, agent: str) -> float | None:
        step = self.cells(FIFO).get((graph, agent), NONE).median
        return None if step is None else step / 1e9

    def _our_ratio(self, graph: str, over: str, under: str) -> float | None:
        known = self.cells(self.experiment.what.compared[0])
        return _ratio(*(known.get((graph, agent), NONE).median for agent in (over, under)))

    def _paper_ratio(self, graph: str, over: str, under: str) -> float | None:
        return _ratio(*(self._paper_figure(graph, agent) for agent in (over, under)))

    def _paper_figure(self, graph: str, agent: str) -> float | None:
        column = self.experiment.what.paper.get(agent)
        return self.experiment.paper.get(graph, {}).get(column) if column else None

    def _shorter(self, graph: str, agent: str) -> float | None:
        plain = {row.graph: row.expert_ns for row in self.rows}  # the placement without fusion
        step = self.cells(FIFO).get((graph, agent), NONE).median
        return None if step is None else (1 - step / plain[graph]) * 100

    def _timed(self, kind: str) -> list[Row]:
        forms = self.experiment.what.best_priorities
        return [
            row
            for row in self.timed
            if (row.priorities == FIFO if kind == FIFO else row.agent_name not in forms)
        ]


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over is not None and under else None
