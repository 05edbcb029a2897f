"""An experiment: which agents run on what, and the report of it."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
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
        seeds, budget, quick: what is run.
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
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: int = FULL_BUDGET
    quick: bool = False

    def changed(
        self,
        *,
        quick: bool = False,
        graphs: Sequence[str] = (),
        clusters: Sequence[str] = (),
        agents: Sequence[str] = (),
        seeds: Sequence[int] = (),
        budget: int | None = None,
    ) -> "Experiment":
        """This experiment with other graphs, agents, seeds or budget; empty leaves them.

        Args:
            quick: the first few graphs, one seed and a small budget, where nothing else is said.
            graphs: others of the experiment's graphs, or any if ``clusters`` are given.
            clusters: one for each of ``graphs``, or one for all.
            agents, seeds, budget: as they are called.

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
        wanted = tuple(agents) or self.agents
        installed = agent_entry_points()
        absent = [agent for agent in wanted if agent not in installed]
        if absent:
            raise AgentError(
                f"{self.name} needs agents that are not installed: {', '.join(absent)}; "
                f"installed are {', '.join(installed)}. Install them, or name others with --agent"
            )
        return replace(
            self,
            graphs=chosen,
            clusters=places,
            agents=wanted,
            seeds=tuple(seeds) or (self.seeds[:1] if quick else self.seeds),
            budget=budget if budget is not None else SMALL_BUDGET if quick else self.budget,
            quick=quick,
        )

    @property
    def command(self) -> str:
        """The command line that runs it again."""
        parts = ["go-gym", "reproduce", self.name, "--budget", str(self.budget)]
        parts += ["--quick"] if self.quick else []
        for option, values in (
            ("--seeds", self.seeds),
            ("--agent", self.agents),
            ("--graph", self.graphs),
            ("--cluster", self.clusters),
        ):
            parts += [part for value in values for part in (option, str(value))]
        return shlex.join(parts)

    @property
    def paper(self) -> dict[str, dict[str, float | None]]:
        return published(self.name)
