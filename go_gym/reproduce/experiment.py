"""An experiment as it is called: what of a specification is run, with which seeds and budget."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from go_gym.agent import agent_entry_points, canonical_name, kind_and_options
from go_gym.errors import AgentError, DatasetError
from go_gym.leaderboard.schema import Row
from go_gym.reproduce.published import published
from go_gym.reproduce.specification import Specification

SEEDS = (0, 1, 2, 3, 4)
"""Seeds of each agent on each graph, unless others are asked for."""
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
    """A specification with what of it is run.

    Attributes:
        what: the specification.
        agents: canonical names, those that stand for others (see ``best_priorities``) included.
        graphs: the cluster of each graph, names or paths, in order.
        seeds, budget, quick: what is run.
        equal_time: what of it also runs at equal wall time.
        options: words of the command line that make this experiment of the whole one.
        left_out: graphs of the whole experiment that this one does without, unless it is of
            others.
    """

    what: Specification
    agents: tuple[str, ...]
    graphs: Mapping[str, str]
    seeds: tuple[int, ...] = SEEDS
    budget: int = FULL_BUDGET
    quick: bool = False
    equal_time: EqualTime = EqualTime()
    options: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @classmethod
    def whole(cls, what: Specification) -> "Experiment":
        """All that a specification names."""
        return cls(what, what.agents, what.graphs)

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
            agents: as they are called; by default also those that stand for others.
            seeds, budget, equal_time: as they are called.

        Raises:
            AgentError: naming the agents that are not installed.
            DatasetError: for a graph that has no cluster.
        """
        installed = agent_entry_points()
        wanted = tuple(agents) or (*self.agents, *self._stand_ins)
        absent = [agent for agent in wanted if kind_and_options(agent)[0] not in installed]
        if absent:
            raise AgentError(
                f"{self.name} needs agents that are not installed: {', '.join(absent)}; "
                f"installed are {', '.join(installed)}. Install them, or name others with --agent"
            )
        agents = [canonical_name(agent) for agent in agents]
        timed = equal_time or self.equal_time
        timed = replace(timed, agents=tuple(canonical_name(agent) for agent in timed.agents))
        chosen = self._chosen_graphs(quick, graphs, clusters)
        return replace(
            self,
            graphs=chosen,
            agents=tuple(agents) or wanted,
            seeds=tuple(seeds) or (self.seeds[:1] if quick else self.seeds),
            budget=budget if budget is not None else SMALL_BUDGET if quick else self.budget,
            quick=quick,
            equal_time=timed,
            options=_options(quick, graphs, clusters, agents, seeds, budget, timed),
            left_out=() if clusters else tuple(g for g in self.graphs if g not in chosen),
        )

    def _chosen_graphs(
        self, quick: bool, graphs: Sequence[str], clusters: Sequence[str]
    ) -> Mapping[str, str]:
        names = tuple(graphs) or tuple(self.graphs)[: QUICK_GRAPHS if quick else None]
        places = tuple(clusters) * (len(names) if len(clusters) == 1 else 1)
        if not places:
            missing = [graph for graph in names if graph not in self.graphs]
            if missing:
                raise DatasetError(
                    f"{self.name}: no cluster for {', '.join(missing)}: expected graphs of "
                    f"{', '.join(self.graphs)}, or a cluster for each"
                )
            places = tuple(self.graphs[graph] for graph in names)
        if len(places) != len(names):
            raise DatasetError(f"{self.name}: {len(places)} clusters for {len(names)} graphs")
        return dict(zip(names, places, strict=True))

    def ran(self, rows: Sequence[Row], timed: Sequence[Row]) -> "Experiment":
        """This experiment with the graphs, agents, seeds and budget of ``rows`` at equal calls, and
        the seeds of those at equal wall time; without rows, it is itself."""
        if not rows:
            return self
        order = {graph: index for index, graph in enumerate(self.graphs)}
        found = {(row.graph, row.cluster) for row in rows}
        pairs = sorted(found, key=lambda pair: (order.get(pair[0], len(order)), pair))
        names = tuple(graph for graph, _ in pairs)
        usual = all(self.graphs.get(graph) == cluster for graph, cluster in pairs)
        have = {row.agent_name for row in rows}
        known = tuple(dict.fromkeys([*self.agents, *self._stand_ins]))
        agents = tuple(agent for agent in known if agent in have)
        seeds = tuple(sorted({row.seed for row in rows}))
        budget = max(row.budget for row in rows)
        again = tuple(sorted({row.seed for row in timed}))
        equal_time = EqualTime(
            wanted=bool(timed) or self.what.timed_by not in agents,
            seeds=() if again == seeds[:1] else again,
        )
        return replace(
            self,
            graphs=dict(pairs),
            agents=agents,
            seeds=seeds,
            budget=budget,
            equal_time=equal_time,
            options=_options(
                self.quick,
                () if names == tuple(self.graphs) else names,
                () if usual else [cluster for _, cluster in pairs],
                () if agents == known else agents,
                () if seeds == self.seeds else seeds,
                None if budget == self.budget else budget,
                equal_time,
            ),
            left_out=(
                tuple(graph for graph in self.graphs if graph not in names)
                if self.graphs.keys() & set(names)
                else ()
            ),
        )

    @property
    def name(self) -> str:
        """As ``go-gym reproduce`` knows it."""
        return self.what.name

    @property
    def columns(self) -> tuple[str, ...]:
        """The agents of a table: those that stand for another are counted as the other."""
        plain = {form: agent for agent, form in self.what.best_priorities.items()}
        return tuple(dict.fromkeys(plain.get(agent, agent) for agent in self.agents))

    @property
    def command(self) -> str:
        """The command line that runs it again."""
        return shlex.join(["go-gym", "reproduce", self.name, *self.options])

    @property
    def paper(self) -> dict[str, dict[str, float | None]]:
        """What the paper has, by graph and column; nothing for an experiment of ours."""
        return published(self.name) if self.what.paper else {}

    @property
    def _stand_ins(self) -> list[str]:
        forms = self.what.best_priorities
        return [forms[agent] for agent in self.agents if agent in forms]


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
