"""An experiment: which agents run on what, and the report of it."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from go_gym.agent import agent_entry_points
from go_gym.errors import AgentError, DatasetError
from go_gym.leaderboard.schema import Row
from go_gym.reproduce.published import published

SMALL_BUDGET = 200
"""Simulator calls of the quick form (our choice): shows that all works, ranks little."""
QUICK_GRAPHS = 3
"""Graphs of the quick form: the first of the experiment's."""
FULL_BUDGET = 4000
"""Simulator calls for each agent, problem and seed, unless another number is asked for."""


@dataclass(frozen=True)
class EqualTime:
    """What of an experiment also runs at equal wall time; empty for all of it.

    Attributes:
        wanted: whether anything does.
        seeds: by default the first alone, as each costs as much as the reference agent with it,
            times the agents.
        graphs, agents: names of the experiment's.
    """

    wanted: bool = True
    seeds: tuple[int, ...] = ()
    graphs: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Experiment:
    """A table or figure of the paper, or one of ours.

    Attributes:
        name: ``table2``, …: also the command's argument.
        title: what it shows.
        task: of ``go_gym.problem.TASKS``.
        agents: entry-point names, the reference agent first.
        graphs: names, or paths ending in .npz, in the order of the table.
        clusters: a name, or a path ending in .toml, for each graph.
        rules: priority rules under which placements are recorded.
        reference: the agent whose wall time the others get in the comparison at equal time;
            empty for no such comparison.
        report: Markdown of the rows at equal calls and at equal wall time.
        scheduled: the agent that stands for another where each has its best priorities, by the
            other's name (see :mod:`go_gym.reproduce.scheduled`); empty where priorities are not
            compared.
        seeds, budget, quick: what is run.
        equal_time: what of it also runs at equal wall time.
        options: words of the command line that make this experiment of the whole one.
        left_out: graphs of the whole experiment that this one does without, unless it is of
            others.
    """

    name: str
    title: str
    task: str
    agents: tuple[str, ...]
    graphs: tuple[str, ...]
    clusters: tuple[str, ...]
    rules: tuple[str, ...]
    report: Callable[["Experiment", Sequence[Row], Sequence[Row], Path], str]
    reference: str = ""
    scheduled: Mapping[str, str] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: int = FULL_BUDGET
    quick: bool = False
    equal_time: EqualTime = EqualTime()
    options: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def changed(
        self,
        *,
        quick: bool = False,
        graphs: Sequence[str] = (),
        clusters: Sequence[str] = (),
        agents: Sequence[str] = (),
        seeds: Sequence[int] = (),
        budget: int | None = None,
        equal_time: EqualTime | None = None,
    ) -> "Experiment":
        """This experiment with other graphs, agents, seeds or budget; empty leaves them.

        Args:
            quick: the first few graphs, one seed and a small budget, where nothing else is said.
            graphs: others of the experiment's graphs, or any if ``clusters`` are given.
            clusters: one for each of ``graphs``, or one for all.
            agents: as they are called; by default also the scheduled forms that are installed.
            seeds, budget, equal_time: as they are called.

        Raises:
            AgentError: naming the agents that are not installed.
            DatasetError: for a graph that has no cluster.
        """
        usual = dict(zip(self.graphs, self.clusters, strict=True))
        chosen = tuple(graphs) or self.graphs[: QUICK_GRAPHS if quick else None]
        places = tuple(clusters) * (len(chosen) if len(clusters) == 1 else 1)
        if not places:
            missing = [graph for graph in chosen if graph not in usual]
            if missing:
                raise DatasetError(
                    f"{self.name}: no cluster for {', '.join(missing)}: expected graphs of "
                    f"{', '.join(self.graphs)}, or a cluster for each"
                )
            places = tuple(usual[graph] for graph in chosen)
        if len(places) != len(chosen):
            raise DatasetError(f"{self.name}: {len(places)} clusters for {len(chosen)} graphs")
        installed = agent_entry_points()
        forms = [self.scheduled[agent] for agent in self.agents if agent in self.scheduled]
        wanted = tuple(agents) or (*self.agents, *(form for form in forms if form in installed))
        absent = [agent for agent in wanted if agent not in installed]
        if absent:
            raise AgentError(
                f"{self.name} needs agents that are not installed: {', '.join(absent)}; "
                f"installed are {', '.join(installed)}. Install them, or name others with --agent"
            )
        timed = equal_time or self.equal_time
        return replace(
            self,
            graphs=chosen,
            clusters=places,
            agents=wanted,
            seeds=tuple(seeds) or (self.seeds[:1] if quick else self.seeds),
            budget=budget if budget is not None else SMALL_BUDGET if quick else self.budget,
            quick=quick,
            equal_time=timed,
            options=_options(quick, graphs, clusters, agents, seeds, budget, timed),
            left_out=() if clusters else tuple(g for g in self.graphs if g not in chosen),
        )

    def ran(self, rows: Sequence[Row], timed: Sequence[Row]) -> "Experiment":
        """This experiment with the graphs, agents, seeds and budget of ``rows`` at equal calls, and
        the seeds of those at equal wall time; without rows, it is itself."""
        if not rows:
            return self
        order = {graph: index for index, graph in enumerate(self.graphs)}
        found = {(row.graph, row.cluster) for row in rows}
        pairs = sorted(found, key=lambda pair: (order.get(pair[0], len(order)), pair))
        names = tuple(graph for graph, _ in pairs)
        clusters = tuple(cluster for _, cluster in pairs)
        usual = dict(zip(self.graphs, self.clusters, strict=True))
        left_out = tuple(graph for graph in self.graphs if graph not in names)
        have = {row.agent for row in rows}
        forms = [self.scheduled[agent] for agent in self.agents if agent in self.scheduled]
        known = tuple(dict.fromkeys([*self.agents, *forms]))
        agents = tuple(agent for agent in known if agent in have)
        seeds = tuple(sorted({row.seed for row in rows}))
        budget = max(row.budget for row in rows)
        again = tuple(sorted({row.seed for row in timed}))
        equal_time = EqualTime(
            wanted=bool(timed) or self.reference not in agents,
            seeds=() if again == seeds[:1] else again,
        )
        return replace(
            self,
            graphs=names,
            clusters=clusters,
            agents=agents,
            seeds=seeds,
            budget=budget,
            equal_time=equal_time,
            options=_options(
                self.quick,
                () if names == self.graphs else names,
                () if all(usual.get(g) == c for g, c in pairs) else clusters,
                () if agents == known else agents,
                () if seeds == self.seeds else seeds,
                None if budget == self.budget else budget,
                equal_time,
            ),
            left_out=left_out if usual.keys() & set(names) else (),
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The agents of a table: those that stand for another are counted as the other."""
        plain = {form: agent for agent, form in self.scheduled.items()}
        return tuple(dict.fromkeys(plain.get(agent, agent) for agent in self.agents))

    @property
    def command(self) -> str:
        """The command line that runs it again."""
        return shlex.join(["go-gym", "reproduce", self.name, *self.options])

    @property
    def paper(self) -> dict[str, dict[str, float | None]]:
        return published(self.name)


def _options(
    quick: bool,
    graphs: Sequence[str],
    clusters: Sequence[str],
    agents: Sequence[str],
    seeds: Sequence[int],
    budget: int | None,
    timed: EqualTime,
) -> tuple[str, ...]:
    """The words that say this to ``go-gym reproduce``."""
    words = ["--quick"] if quick else []
    words += ["--no-equal-time"] if not timed.wanted else []
    for option, values in (
        ("--budget", () if budget is None else (budget,)),
        ("--seeds", seeds),
        ("--agent", agents),
        ("--graph", graphs),
        ("--cluster", clusters),
        ("--equal-time-seeds", timed.seeds),
        ("--equal-time-agent", timed.agents),
        ("--equal-time-graph", timed.graphs),
    ):
        words += [part for value in values for part in (option, str(value))]
    return tuple(words)
